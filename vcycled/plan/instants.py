"""When to try again and when to wake."""

from __future__ import annotations

from collections.abc import Iterable

FIRST_RETRY_SECONDS = 60


def retry_at(failures: int, last_at: int | None, *, most_seconds: int) -> int | None:
    """Return when to try again after `failures` in a row, the last one at `last_at`.

    The delay is 60 s after the first and doubles up to `most_seconds`. None: there was none.
    """
    if failures < 1 or last_at is None:
        return None
    return last_at + min(FIRST_RETRY_SECONDS << (failures - 1), most_seconds)


def wake_at(waits: Iterable[int], *, now: int, cycle_seconds: int) -> int:
    """Return the earliest of `waits`, all later than `now`, but at the latest the next cycle."""
    return max(now + 1, min([*waits, now + cycle_seconds]))
