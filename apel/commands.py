"""What an operator does with the queue: look, check, send again, send sync counts.

The command line calls these and prints what they return.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vcycled.apel import validate
from vcycled.apel.queue import Queue, Waiting
from vcycled.apel.record import JobRecord, records_in
from vcycled.apel.sync import Month, SyncCount, counts_of
from vcycled.errors import OperatorError
from vcycled.model import RunInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message of the archive."""

    element: str
    """DAY/NAME."""
    records: tuple[JobRecord, ...]
    """Empty if it cannot be read as job records."""
    problems: tuple[str, ...]
    """Why APEL would not take it."""
    waiting: Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Resent:
    """What became of an order to send records again."""

    sent: tuple[str, ...]
    """Elements DAY/NAME that are in apel-outgoing now."""
    held: tuple[tuple[str, str], ...]
    """Elements that were not sent, each with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """The sync message of a month."""

    path: Path | None
    """The message; None if there was nothing to count, so that none was written."""
    counts: tuple[SyncCount, ...]


def listing(queue: Queue, days: str = "", *, now: int) -> Iterator[Entry]:
    """Return the messages of the archive, oldest day first.

    Args:
        queue: where to look.
        days: beginning of the day of their ends: YYYY, YYYYMM or YYYYMMDD; empty for all.
        now: present time, as an end in the future is a problem.

    Raises:
        OperatorError: `days` is something else.
        OSError: the archive cannot be read.
    """
    if not re.fullmatch(r"([0-9]{4}([0-9]{2}([0-9]{2})?)?)?", days):
        raise OperatorError(f"days are written YYYY, YYYYMM or YYYYMMDD, not {days!r}")
    return (_entry(queue, element, now) for element in queue.archived(days))


def resend(
    queue: Queue,
    days: str = "",
    *,
    sites: Collection[str],
    job_ids: Collection[str] = (),
    now: int,
) -> Resent:
    """Hand records of the archive to ssmsend once more; APEL replaces those that it has.

    Args:
        queue: where they are.
        days: as for `listing`.
        sites: the gocdb_sitename of each space; a record of another site is held, as it was
            never meant to leave.
        job_ids: LocalJobIds (UUIDs) to send; empty for all.
        now: present time.

    Raises:
        OperatorError: `days` is no day, month or year.
        OSError: something could not be read or written; repeat it.
    """
    entries = [
        entry
        for entry in listing(queue, days, now=now)
        if not job_ids or any(record.local_job_id in job_ids for record in entry.records)
    ]
    reasons = {entry.element: _why_held(entry, sites) for entry in entries}
    sent = tuple(element for element, reason in reasons.items() if not reason)
    queue.resend(sent)
    held = tuple((element, reason) for element, reason in reasons.items() if reason)
    return Resent(sent=sent, held=held)


def sync(queue: Queue, intervals: Iterable[RunInterval], month: Month) -> Synced:
    """Hand ssmsend a message that says how many of `intervals` ended in `month`.

    Args:
        queue: where the message goes.
        intervals: the runs whose records were put; those of other months do not matter.
        month: see `sync.read_month`.

    Raises:
        OSError: nothing was written; repeat it.
    """
    counts = counts_of(intervals, month)
    return Synced(path=queue.put_sync(counts), counts=counts)


def check(queue: Queue, *, now: int) -> Iterator[tuple[Path, str]]:
    """Return each file of both trees with which something is wrong, and what.

    Raises:
        OSError: a tree cannot be read.
    """
    for tree in (queue.archive, queue.outgoing):
        for folder, _, names in os.walk(tree, onerror=_unless_missing):
            for path in (Path(folder, name) for name in sorted(names)):
                yield from ((path, problem) for problem in _file_problems(tree, path, now))


def _entry(queue: Queue, element: str, now: int) -> Entry:
    content = (queue.archive / element).read_bytes()
    records: tuple[JobRecord, ...] = ()
    with suppress(ValueError):  # what is wrong is among the problems
        records = records_in(content.decode("ascii"))
    return Entry(
        element=element,
        records=records,
        problems=validate.problems(content, now=now),
        waiting=queue.waiting(element),
    )


def _why_held(entry: Entry, sites: Collection[str]) -> str:
    if entry.problems:
        return entry.problems[0]
    strange = sorted({record.site for record in entry.records} - set(sites))
    return f"no space has the gocdb_sitename {strange[0]}" if strange else ""


def _file_problems(tree: Path, path: Path, now: int) -> tuple[str, ...]:
    if path.suffix == ".lck":
        return ()
    if path.suffix == ".tmp":
        return ("a temporary file that a crash left, or one being written now",)
    if not re.fullmatch(r"[0-9a-f]{8}/[0-9a-f]{14}", str(path.relative_to(tree))):
        return ("its name is not that of a queue element, so ssmsend will never send it",)
    try:
        return validate.problems(path.read_bytes(), now=now)
    except FileNotFoundError:  # ssmsend took it just now
        return ()


def _unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
