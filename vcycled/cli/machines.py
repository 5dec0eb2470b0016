"""`vcycle machines`: which there are, in what state, for how long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vcycled.cli.as_json import condition
from vcycled.cli.printing import Block, Cell, Json, Line, Table, Tone
from vcycled.cli.words import Words, several, span
from vcycled.model import Machine, MachineState, Stage, said

_TONES = {
    MachineState.RUNNING: Tone.GOOD,
    MachineState.FAILED: Tone.BAD,
    MachineState.UNKNOWN: Tone.WARN,
    MachineState.DELETING: Tone.FAINT,
    MachineState.SHUTDOWN: Tone.FAINT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which machines are wanted; None is any."""

    machinetype: str | None = None
    condition: str | None = None
    """A state, or how far it is; see `condition`."""

    def takes(self, machine: Machine) -> bool:
        """Return whether `machine` is wanted."""
        is_kind = self.machinetype in {None, machine.machinetype}
        return is_kind and self.condition in {None, condition(machine)}


def wanted(machines: Iterable[Machine], given: Filter) -> tuple[Machine, ...]:
    """Return those that are wanted by space and machinetype, the oldest first."""
    chosen = [machine for machine in machines if given.takes(machine)]
    return tuple(
        sorted(chosen, key=lambda each: (each.space, each.machinetype, each.created_at, each.name))
    )


def in_order(documents: Sequence[Mapping[str, Json]]) -> Json:
    """Return documents of machines in the order of `wanted`."""
    keys = ("space", "machinetype", "created_at", "name")
    return sorted(documents, key=lambda each: [each.get(key) for key in keys])


def machine_blocks(machines: Sequence[Machine], words: Words) -> tuple[Block, ...]:
    """Return the table; the space is told only if there are several."""
    if not machines:
        return (Line("no machines"),)
    has_spaces = len({machine.space for machine in machines}) > 1
    headings: tuple[str, ...] = ("NAME", "STATE", "PROCS", "AGE", "RAN", "REMARKS")
    rows = [_row(machine, words) for machine in machines]
    if has_spaces:
        headings = ("SPACE", *headings)
        rows = [(machine.space, *row) for machine, row in zip(machines, rows, strict=True)]
    processors = sum(machine.processors for machine in machines)
    return (
        Table(headings=headings, rows=tuple(rows), numbers=frozenset({"PROCS"})),
        Line(f"{several(len(machines), 'machine')}, {several(processors, 'processor')}"),
    )


def state_line(machine: Machine) -> Line:
    """Return its state or how far it is, with what that is to the reader."""
    known = condition(machine)
    tone = _TONES.get(machine.state, Tone.PLAIN) if known == machine.state else Tone.FAINT
    return Line(known, tone)


def _row(machine: Machine, words: Words) -> tuple[Cell, ...]:
    return (
        machine.name,
        state_line(machine),
        str(machine.processors),
        span(words.now - machine.created_at),
        ran(machine, now=words.now),
        remarks(machine, words),
    )


def ran(machine: Machine, *, now: int) -> str:
    """Return for how long it has run, or did; `-` if it never started."""
    if machine.started_at is None:
        return "-"
    end = now if machine.stopped_at is None else machine.stopped_at
    return span(end - machine.started_at)


def leave_text(machine: Machine, words: Words) -> str:
    """Return by when it must leave, as it was told, and why; empty if it may go on or is over."""
    if machine.leave_by is None or machine.stopped_at is not None:
        return ""
    return f"told to leave by {words.instant(machine.leave_by)} ({machine.leave_why})"


def remarks(machine: Machine, words: Words) -> str:
    """Return what else one should know of it, the most telling first."""
    told = []
    if machine.is_aborted:
        told.append("aborted")
    if machine.message is not None:
        told.append(said(machine.message))
    if machine.fault:
        told.append(machine.fault)
    if machine.stage is Stage.GONE:
        return "; ".join(told)
    if machine.missing_since is not None:
        told.append(f"not listed since {words.instant(machine.missing_since)}")
    if machine.delete_attempts:
        tries = f", tried {machine.delete_attempts} times" if machine.delete_attempts > 1 else ""
        failed = f", last error: {machine.delete_error}" if machine.delete_error else ""
        told.append(f"deletion asked for ({machine.delete_reason or 'ended'}{tries}{failed})")
    elif machine.is_delete_ordered:
        told.append("deletion ordered")
    else:
        told += filter(None, (leave_text(machine, words),))
    return "; ".join(told)
