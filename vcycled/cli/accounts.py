"""`vcycle apel`: the queue of accounting records, in rows and sentences. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from vcycled.apel.commands import Entry, Resent
from vcycled.apel.queue import Waiting
from vcycled.apel.sync import SyncCount
from vcycled.cli.printing import Block, Cell, Json, Line, Table, Tone
from vcycled.cli.words import Words, several, span

_STATES = {Waiting.NO: "-", Waiting.YES: "waiting", Waiting.LOCKED: "being sent"}


def entry_blocks(entries: Sequence[Entry], words: Words) -> Iterator[Block]:
    """Return the messages of the archive as a table, then what is wrong with some of them."""
    if not entries:
        yield Line("no records")
        return
    rows = tuple(row for entry in entries for row in _rows(entry, words))
    headings = ("ENDED", "MACHINE", "RAN", "PROCS", "SITE", "QUEUE")
    yield Table(headings=headings, rows=rows, numbers=frozenset({"PROCS"}))
    for entry in entries:
        for problem in entry.problems:
            yield Line(f"{entry.element}: {problem}", Tone.BAD)
    records = sum(len(entry.records) for entry in entries)
    waiting = sum(entry.waiting is not Waiting.NO for entry in entries)
    messages = several(len(entries), "message")
    yield Line(f"{several(records, 'record')} in {messages}; waiting to be sent: {waiting}")


def _rows(entry: Entry, words: Words) -> Iterator[tuple[Cell, ...]]:
    for record in entry.records:
        yield (
            words.stamp(record.ended_at),
            record.machine_name,
            span(record.wall_seconds),
            str(record.processors),
            record.site,
            _STATES[entry.waiting],
        )


def entry_json(entry: Entry) -> Json:
    """Return a message of the archive as a document."""
    return {
        "element": entry.element,
        "waiting": entry.waiting,
        "problems": list(entry.problems),
        "records": [asdict(record) for record in entry.records],
    }


def of_machines(entries: Iterable[Entry], names: Collection[str]) -> tuple[Entry, ...]:
    """Return the messages that hold a record of one of these names or uuids; all if none is."""
    return tuple(
        entry
        for entry in entries
        if not names
        or any(_is_of(names, each.machine_name, each.local_job_id) for each in entry.records)
    )


def _is_of(names: Collection[str], name: str, uuid: str) -> bool:
    return name in names or uuid in names


def sync_blocks(
    counts: Sequence[SyncCount], *, path: Path | None, is_rehearsal: bool
) -> Iterator[Block]:
    """Return the counts of a month, and what was done with them."""
    if not counts:
        yield Line("no published record ended in that month, so there is nothing to tell APEL")
        return
    rows = tuple((each.site, each.submit_host, str(each.jobs)) for each in counts)
    headings = ("SITE", "SUBMIT HOST", "RECORDS")
    yield Table(headings=headings, rows=rows, numbers=frozenset({"RECORDS"}))
    if is_rehearsal:
        yield Line("Nothing was written.", Tone.FAINT)
    else:
        yield Line(f"{path}: waits for ssmsend")


def sync_json(counts: Sequence[SyncCount], *, path: Path | None) -> Json:
    """Return the counts of a month as a document."""
    told: list[Json] = [
        {"site": each.site, "submit_host": each.submit_host, "records": each.jobs}
        for each in counts
    ]
    return {"counts": told, "path": None if path is None else str(path)}


def resent_blocks(resent: Resent) -> Iterator[Block]:
    """Return what became of an order to send again."""
    yield Line(f"{several(len(resent.sent), 'message')} left for ssmsend again")
    for element, reason in resent.held:
        yield Line(f"{element} was not sent: {reason}", Tone.BAD)


def check_blocks(found: Sequence[tuple[Path, str]]) -> Iterator[Block]:
    """Return what is wrong with the files of the queue."""
    for path, problem in found:
        yield Line(f"{path}: {problem}", Tone.BAD)
    if found:
        yield Line(several(len(found), "problem"))
    else:
        yield Line("every file of the archive and of the queue is as APEL takes it", Tone.GOOD)
