"""`vcycle machine NAME`: all that is known of one machine, as it happened. Pure.

# Note [What became of the record]

A machine that ran for less than its fizzle_seconds has none. Another has one for each of its runs
(there are several only if it came back after its record had left). A run is final, and its record
written, once the machine is gone for certain or has been over for an hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vcycled.apel.queue import Waiting
from vcycled.cli.as_json import condition, interval_json, machine_json, plain_json
from vcycled.cli.deletions import deletion_text
from vcycled.cli.machines import leave_text, ran
from vcycled.cli.printing import Block, Json, Line, Table, Tone, facts
from vcycled.cli.sentences import event_sentence, is_loud
from vcycled.cli.words import Words, several, span
from vcycled.machinedir.layout import CONSOLE
from vcycled.model import Event, Machine, RunInterval, ShutdownMessage, Terms, is_by_manager

_CONSOLE_LINES = 40
"""So many lines of a console are shown; the rest is in the file."""
_STEERING = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
"""Sequences by which programs move the cursor and choose colours (ECMA-48)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file that the machine put into its joboutputs."""

    name: str
    size: int
    """Bytes."""
    written_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What the published tree holds of a machine."""

    path: str = ""
    """Empty if there is no folder any more."""
    error: str = ""
    """Why it could not be read."""
    heartbeat_at: int | None = None
    message: ShutdownMessage | None = None
    outputs: tuple[Output, ...] = ()
    console: str = ""
    """The end of what it wrote on its console; empty if that was not fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A run of the machine and the record made from it."""

    interval: RunInterval
    exported_at: int | None
    """When its record was written; None if it has not been yet."""
    element: str
    """DAY/NAME of its message in apel-archive, if it is there."""
    waiting: Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One machine, from all sources."""

    machine: Machine
    events: tuple[Event, ...]
    """Oldest first."""
    folder: Folder
    records: tuple[Record, ...]


def story_json(story: Story) -> Json:
    """Return the story as a document."""
    folder = story.folder
    return {
        **machine_json(story.machine),
        "terms": plain_json(story.machine.terms),
        "heartbeat_at": folder.heartbeat_at,
        "folder": folder.path,
        "outputs": [
            {"name": each.name, "size": each.size, "written_at": each.written_at}
            for each in folder.outputs
        ],
        "console": folder.console,
        "events": [plain_json(event) for event in story.events],
        "records": [
            {
                **interval_json(each.interval),
                "exported_at": each.exported_at,
                "element": each.element,
                "is_waiting": each.waiting is not Waiting.NO,
            }
            for each in story.records
        ],
    }


def story_blocks(story: Story, words: Words) -> Iterator[Block]:
    """Return the story for people."""
    machine = story.machine
    yield Line(machine.name, Tone.HEAD)
    yield facts(machine_facts(machine, words), indent=1)
    yield Line("Promised when it was asked for", Tone.HEAD)
    yield facts(promises(machine.terms), indent=1)
    yield Line("Story", Tone.HEAD)
    yield from _events(story.events, words)
    if story.folder.console:
        yield Line("Console", Tone.HEAD)
        yield from _console(story)
    yield Line("Outputs", Tone.HEAD)
    yield from _outputs(story, words)
    yield Line("Accounting", Tone.HEAD)
    yield from _records(story, words)


def machine_facts(machine: Machine, words: Words) -> Iterator[tuple[str, str]]:
    """Return the facts of a machine, each with its name; an empty one is not to be told."""
    yield "state", condition(machine)
    yield "space", machine.space
    yield "machinetype", machine.machinetype
    memory = f", {machine.memory_mb} MiB" if machine.memory_mb else ""
    flavor = f"{machine.flavor}: " if machine.flavor else ""
    yield "size", f"{flavor}{several(machine.processors, 'processor')}{memory}"
    yield "zone", machine.zone
    yield "address", machine.address
    yield "id in the cloud", machine.cloud_id
    yield "uuid", machine.uuid
    yield "asked for", words.ago(machine.created_at)
    yield "started", _ago(machine.started_at, words)
    yield "ran", ran(machine, now=words.now)
    if machine.stopped_at is not None:
        source = f", as told by {machine.end_source.in_words}" if machine.end_source else ""
        yield "ended", f"{words.ago(machine.stopped_at)}{source}"
    yield "gone", _ago(machine.gone_at, words)
    yield "aborted", "yes: its machinetype was backed off" if machine.is_aborted else ""
    yield "fault", machine.fault
    yield "warning", machine.warning
    yield "not listed since", _ago(machine.missing_since, words)
    yield "must leave", leave_text(machine, words)
    yield "deletion", deletion_text(machine, words)


def _ago(at: int | None, words: Words) -> str:
    return "" if at is None else words.ago(at)


def promises(terms: Terms) -> Iterator[tuple[str, str]]:
    """Return what a machine was promised, by the names of the options where there are any."""
    for name, seconds in (
        ("max_wallclock_seconds", terms.max_wallclock_seconds),
        ("fizzle_seconds", terms.fizzle_seconds),
        ("start_timeout_seconds", terms.start_timeout_seconds),
    ):
        yield name, f"{seconds} ({span(seconds)})"
    if terms.heartbeat_file:
        limit = terms.heartbeat_seconds
        fresh = f", fresh within {span(limit)}" if limit else ""
        yield "heartbeat_file", f"{terms.heartbeat_file}{fresh}"
    yield "site", terms.site if terms.is_published else f"{terms.site} (archived only)"
    yield "accounting_fqan", terms.fqan
    if terms.power_per_processor is not None:
        yield "power", f"{terms.power_per_processor:g} {terms.power_unit} per processor"


def _events(events: Sequence[Event], words: Words) -> Iterator[Block]:
    rows = tuple(
        (
            Line(words.stamp(event.at), Tone.FAINT),
            Line(event_sentence(event, words), Tone.WARN if is_loud(event) else Tone.PLAIN),
        )
        for event in events
    )
    if rows:
        yield Table(headings=("", ""), rows=rows, indent=1)
    else:
        yield Line("nothing is remembered any more", Tone.FAINT, 1)


def console_lines(console: str) -> list[str]:
    """Return what a console said, without blank lines and what would steer a terminal."""
    lines = [_STEERING.sub("", line).rstrip() for line in console.splitlines()]
    return [line for line in lines if line]


def _console(story: Story) -> Iterator[Block]:
    """Return the last lines of the console."""
    told = console_lines(story.folder.console)
    if len(told) > _CONSOLE_LINES:
        place = f"{story.folder.path}/{CONSOLE}"
        yield Line(f"the last {_CONSOLE_LINES} of {len(told)} lines in {place}", Tone.FAINT, 1)
    for line in told[-_CONSOLE_LINES:]:
        yield Line(line, indent=1)


def _outputs(story: Story, words: Words) -> Iterator[Block]:
    folder = story.folder
    if folder.error:
        yield Line(f"cannot be read: {folder.error}", Tone.WARN, 1)
    if not folder.path:
        yield Line("there is no folder of it", Tone.FAINT, 1)
        return
    message = folder.message or story.machine.message
    yield facts(
        (
            ("folder", folder.path),
            ("heartbeat", heartbeat_text(story, words)),
            ("shutdown message", message_text(message)),
        ),
        indent=1,
    )
    rows = tuple(
        (each.name, str(each.size), words.ago(each.written_at)) for each in folder.outputs
    )
    if rows:
        headings = ("FILE", "BYTES", "WRITTEN")
        yield Table(headings=headings, rows=rows, numbers=frozenset({"BYTES"}), indent=1)


def message_text(message: ShutdownMessage | None) -> str:
    """Return a shutdown message, and who wrote it unless the machine did."""
    if message is None:
        return "none"
    return f"{message.text} (left by the manager)" if is_by_manager(message) else message.text


def heartbeat_text(story: Story, words: Words) -> str:
    """Return when it last gave a sign of life; empty if it is not asked for any."""
    if not story.machine.terms.heartbeat_file:
        return ""
    at = story.folder.heartbeat_at
    return "none" if at is None else words.ago(at)


def _records(story: Story, words: Words) -> Iterator[Block]:
    for record in story.records:
        yield Line(record_sentence(record, words), Tone.PLAIN, 1)
    if not story.records:
        yield Line(no_record_sentence(story.machine), Tone.FAINT, 1)


def record_sentence(record: Record, words: Words) -> str:
    """Return what became of a run's record; see note [What became of the record]."""
    run = record.interval
    wall = span(run.ended_at - run.started_at)
    told = f"{words.stamp(run.started_at)} to {words.stamp(run.ended_at)} ({wall}): "
    if not run.is_final:
        return f"{told}record not written yet, as a better end may still turn up"
    if record.exported_at is None:
        return f"{told}record not written yet; it is at the next cycle"
    place = f" as {record.element}" if record.element else ""
    state = {
        Waiting.NO: "taken by ssmsend" if run.terms.is_published else "archived only",
        Waiting.YES: "waits for ssmsend",
        Waiting.LOCKED: "being sent",
    }[record.waiting]
    return f"{told}record written {words.ago(record.exported_at)}{place}; {state}"


def no_record_sentence(machine: Machine) -> str:
    """Return why there is no record."""
    fizzle = span(machine.terms.fizzle_seconds)
    if machine.stopped_at is None:
        return f"none yet: it has not ended. It gets one if it runs for {fizzle} or more"
    if machine.started_at is None:
        return "none: it never ran"
    return f"none: it ran for less than fizzle_seconds ({fizzle})"
