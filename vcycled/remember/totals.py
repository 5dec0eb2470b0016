"""What is counted for ever: the one place that says which events raise which totals.

Totals are raised in the transaction that stores what they count, so they are right whatever dies
when, survive restarts, and are the same for any number of managers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from vcycled.model import MESSAGES, Changes, Event, Machine
from vcycled.remember.ends import duration


class Tally(NamedTuple):
    """What is counted: key of one total."""

    space: str
    machinetype: str
    """Empty if it is of the whole space."""
    name: str
    label: str = ""
    """Which kind of it, where there are several."""


_TOTALS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "machine-created": ("creations", ""),
        "machine-stopped": ("ends", ""),
        "machine-aborted": ("aborts", ""),
        "creation-failed": ("errors", "creation-failed"),
        "creation-undone": ("errors", "creation-undone"),
        "creation-unknown": ("errors", "creation-unknown"),
        "delete-failed": ("errors", "delete-failed"),
        "no-capacity": ("errors", "no-capacity"),
        "quota-exceeded": ("errors", "quota-exceeded"),
    }
)
"""Name and label of the total that an event raises."""
_REASONS = {text: str(reason) for reason, text in reversed(tuple(MESSAGES.items()))}
"""Reasons by what stories say of them; of two that say the same, the first."""


def tallies(changes: Changes) -> Counter[Tally]:
    """Return by how much each total is raised by these changes."""
    ended = {machine.name: machine for machine in changes.machines}
    return Counter(
        Tally(event.space, event.machinetype, name, label)
        for event in changes.events
        for name, label in _raised(event, ended.get(event.machine))
    )


def _raised(event: Event, machine: Machine | None) -> Iterator[tuple[str, str]]:
    if event.event in _TOTALS:
        yield _TOTALS[event.event]
    if event.event == "machine-delete":
        yield "deletions", _REASONS.get(event.detail, event.detail)
    if event.event == "machine-stopped" and machine is not None and _has_fizzled(machine):
        yield "fizzles", ""


def _has_fizzled(machine: Machine) -> bool:
    """Return whether a machine ran too briefly to be accounted, whatever the reason."""
    return machine.started_at is not None and duration(machine) < machine.terms.fizzle_seconds


def cycle_tallies(space: str, *, calls: Mapping[str, int], trouble: str) -> Counter[Tally]:
    """Return by how much each total is raised by a cycle, whatever it did.

    Args:
        space: whose cycle it was.
        calls: made to its cloud in it, by what for.
        trouble: which kind of error kept it from looking at the cloud; empty if it looked.
    """
    raised = Counter({Tally(space, "", "cycles"): 1})
    raised.update({Tally(space, "", "api-calls", each): made for each, made in calls.items()})
    if trouble:
        raised[Tally(space, "", "errors", trouble)] = 1
    return raised


def record_tally(space: str, machinetype: str, sink: str) -> Tally:
    """Return what counts the records of a machinetype that a sink was given."""
    return Tally(space, machinetype, "records", sink)
