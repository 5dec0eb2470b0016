"""Removing from apel-archive what is so old that nobody will ask for it again.

A message goes with the day on which its run ended, which is the name of its folder. One that still
waits for ssmsend stays, and so does whatever is not ours by its name.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date
from pathlib import Path

from vcycled.apel.queue import Queue, Waiting

_DAY = re.compile(r"[0-9]{8}")
_OURS = re.compile(r"[0-9a-f]{14}|\.[0-9a-f]{14}\.tmp")
"""A message, or what a crash left of one."""


def prune(queue: Queue, *, before: date) -> int:
    """Remove the messages of runs that ended before the day `before` in UTC; return how many.

    Costs nothing for what stays, however much that is.

    Raises:
        OSError: something could not be removed; what was removed until then stays removed.
    """
    return sum(_prune_day(queue, day) for day in _days(queue.archive, f"{before:%Y%m%d}"))


def _days(archive: Path, before: str) -> list[Path]:
    with suppress(FileNotFoundError):
        days = (each for each in archive.iterdir() if _DAY.fullmatch(each.name))
        old = (each for each in days if each.name < before)
        return sorted(each for each in old if each.is_dir() and not each.is_symlink())
    return []


def _prune_day(queue: Queue, day: Path) -> int:
    removed = 0
    for path in sorted(day.iterdir()):
        is_ours = _OURS.fullmatch(path.name) is not None
        if is_ours and queue.waiting(f"{day.name}/{path.name}") is Waiting.NO:
            path.unlink()
            removed += path.suffix != ".tmp"
    with suppress(OSError):  # something is left in it
        day.rmdir()
    return removed
