"""user_data that a machine fetches by itself, because its cloud takes too little of it.

# Note [How long an offer stands]

The cloud says that a machine has started long before its cloud-init asks, so the start cannot be
the end of the offer. It ends AGAIN_S after the first fetch, which bears an answer that was lost,
or WITHIN_S after the start, whichever comes first. The web process keeps to that by itself; the
manager then removes the file. The token of an offer is good for nothing else, and the stub that
holds it may be read by whoever is in the machine, for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vcycled.machinedir.layout import FETCHED, JOBOUTPUTS, STARTED, USER_DATA, USER_DATA_HASH
from vcycled.machinedir.reports import head

AGAIN_S = 120
"""cloud-init tries ten times more, a second apart, 5 s each."""
WITHIN_S = 3600
_INSTANT = re.compile(rb"[0-9]{1,12}\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is known of the user_data that waits for a machine."""

    token_hash: str
    """Of the token in the stub."""
    started_at: int | None
    fetched_at: int | None
    """When it was first asked for."""

    def is_open(self, now: int) -> bool:
        """Return whether the machine may fetch it at `now`."""
        if self.started_at is not None and now - self.started_at > WITHIN_S:
            return False
        return self.fetched_at is None or now - self.fetched_at <= AGAIN_S


def offer_of(read: Callable[[str, str], bytes | None]) -> Offer | None:
    """Return the offer of a machine; None if there is none.

    Args:
        read: returns a file, given the folder within the machine's and its name.
    """
    token_hash = read("", USER_DATA_HASH)
    if not token_hash:
        return None
    return Offer(
        token_hash=token_hash.decode("ascii", errors="replace").strip(),
        started_at=_instant(read("", STARTED)),
        fetched_at=_instant(read(JOBOUTPUTS, FETCHED)),
    )


def withdraw_if_over(folder: Path, *, now: int) -> bool:
    """Remove the user_data of a machine if nobody may fetch it any more; True if so.

    Raises:
        OSError: the folder cannot be read or written.
    """
    offer = offer_of(lambda inner, name: _read(folder / inner / name))
    is_over = offer is None or not offer.is_open(now)
    if is_over:
        withdraw(folder)
    return is_over


def withdraw(folder: Path) -> None:
    """Remove the user_data of a machine, and what would open it."""
    for name in (USER_DATA, USER_DATA_HASH):
        (folder / name).unlink(missing_ok=True)


def _instant(content: bytes | None) -> int | None:
    return int(content) if content and _INSTANT.fullmatch(content) else None


def _read(path: Path) -> bytes | None:
    found = head(path)
    return None if found is None else found[0]
