"""Folders that are being made or taken apart, beside those of machines.

Their names begin with a dot, which no machine's does. What a killed manager left of them is
cleared by the next one:

    .draft-RANDOM-IDENTITY   a machine before it has its name, or a probe; IDENTITY is its maker's
    .gone-CLOUD_ID           a machine that was removed
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vcycled.spaces.local import process

_REMOVE = 'chmod -R u+rwX "$1"; exec rm -rf -- "$1"'
_TIMEOUT_S = 30


@contextmanager
def draft(root: Path) -> Iterator[Path]:
    """Yield a new private folder below `root`; it goes unless it was renamed meanwhile."""
    identity = process.own().replace(" ", "_")
    folder = root / f".draft-{os.urandom(4).hex()}-{identity}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        discard(folder)


def clear_leftovers(root: Path) -> None:
    """Remove what is of no use any more; called at any time, by several managers at once."""
    for path in root.glob(".*-*"):
        kind, _, rest = path.name.partition("-")
        maker = rest.partition("-")[2].replace("_", " ")
        if kind == ".gone" or (kind == ".draft" and not process.is_alive(maker)):
            discard(path)


def discard(folder: Path) -> None:
    """Remove a folder if it is there; what cannot go now stays for `clear_leftovers`."""
    if (folder / "fs").exists():
        # What a machine wrote may be deep and closed even to its owner.
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603 - the path is ours
                ["/bin/sh", "-c", _REMOVE, "sh", str(folder / "fs")],
                stderr=subprocess.DEVNULL,
                timeout=_TIMEOUT_S,
                check=False,
            )
    shutil.rmtree(folder, ignore_errors=True)
