"""What cloud-init does with an include: its reading of a stub, its tries, its cache."""

from __future__ import annotations

from pathlib import Path

import requests

TRIES = 11
"""Of cloud-init; it waits a second between them, which nobody needs to wait for here."""


def boot(user_data: bytes, authority: Path, cache: dict[str, bytes]) -> bytes:
    """Return what cloud-init would run.

    Args:
        user_data: as the cloud was handed it.
        authority: PEM file that the image trusts.
        cache: of `#include-once`, which outlives a boot.

    Raises:
        OSError: the include could not be had, so that cloud-init fails.
    """
    is_once, parts = False, []
    for line in user_data.decode().splitlines():
        if line.lower().startswith("#include"):
            is_once = line.lower().startswith("#include-once")
        elif line.strip() and not line.startswith("#"):
            if not is_once or line not in cache:
                cache[line] = _fetch(line, authority)
            parts.append(cache[line])
    return b"".join(parts)


def _fetch(url: str, authority: Path) -> bytes:
    for tried in range(1, TRIES + 1):
        try:
            answer = requests.get(url, timeout=5, verify=str(authority))
            answer.raise_for_status()
        except requests.RequestException:
            if tried == TRIES:
                raise
        else:
            return answer.content
    raise AssertionError
