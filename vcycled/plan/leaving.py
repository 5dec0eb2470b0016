"""Which machines must leave before their time, by when, and what they must be told of it.

# Note [Told first]

A machine reads in its features when it will be ended, and it is promised GRACE_SECONDS between the
news of an earlier end and that end. So nothing is deleted because the configuration or an operator
wants it gone by some time: what counts is what the machine was told, `leave_by`, which is
remembered once it is published. A nearer end is told with the grace that is promised, whenever the
manager learns of it; a later end, or none, holds at once.

max_wallclock_seconds is such a promise too. Most machines need no word about it, since it was in
their features from the start; only where the option was lowered under one that has run for long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from vcycled.model import GRACE_SECONDS, Machine, Machinetype, Reason, SpaceFacts, Stage, Tell
from vcycled.plan.stock import LIVING


class Leave(NamedTuple):
    """The last instant that a machine may stay, and why."""

    by: int
    why: Reason


_BY = attrgetter("by")
Leaves = Mapping[str, Leave]
"""By uuid, for the machines that must leave before their time."""


def leaves(
    facts: SpaceFacts,
    machines: Iterable[Machine],
    *,
    now: int,
    giving_way: Collection[str] = (),
) -> Leaves:
    """Return when each machine must leave that must, as it was told or is to be told now.

    `giving_way` are the uuids of preemptible machines that make room.
    """
    kinds = {kind.name: kind for kind in facts.machinetypes}
    found: dict[str, Leave] = {}
    for machine in machines:
        if not can_be_told(machine):
            continue
        each: Iterable[Leave] = _wanted(machine, kinds.get(machine.machinetype), facts, now=now)
        if machine.uuid in giving_way:
            each = (*each, Leave(machine.created_at, Reason.PREEMPTED))  # as soon as it may
        wanted = min(each, key=_BY, default=None)
        if wanted is not None:
            found[machine.uuid] = promised(machine, wanted, now=now)
    return found


def can_be_told(machine: Machine) -> bool:
    """Tell whether a machine lives and may read its features."""
    return machine.stage is not Stage.INTENDED and machine.state in LIVING


def promised(machine: Machine, wanted: Leave, *, now: int) -> Leave:
    """Return `wanted`, but not sooner than the machine was told or else its grace allows."""
    told = machine.leave_by
    soonest = now + GRACE_SECONDS if told is None else min(told, now + GRACE_SECONDS)
    return Leave(max(wanted.by, soonest), wanted.why)


def _wanted(
    machine: Machine, kind: Machinetype | None, facts: SpaceFacts, *, now: int
) -> Iterator[Leave]:
    """Yield by when a machine is to be gone, by each reason that it may have to be told of."""
    if facts.shutdown_time is not None:
        yield Leave(facts.shutdown_time, Reason.SHUTDOWN_TIME)
    for drain in (facts.drains.get(""), facts.drains.get(machine.machinetype)):
        if drain is not None and drain.by is not None:
            yield Leave(drain.by, Reason.DRAINED)
    if machine.drain_by is not None:
        yield Leave(machine.drain_by, Reason.DRAINED)
    if kind is not None and machine.started_at is not None:
        end = machine.started_at + kind.max_wallclock_seconds
        if _has_news_of(end, machine, kind, now=now):
            yield Leave(end, Reason.TOO_OLD)


def _has_news_of(end: int, machine: Machine, kind: Machinetype, *, now: int) -> bool:
    """Tell whether the wallclock was lowered so far that a machine needs a word, or got one."""
    if machine.leave_by is not None and machine.leave_why == Reason.TOO_OLD:
        return end <= machine.leave_by
    told_seconds = kind.memory.told_wallclock_seconds
    is_lowered = told_seconds is not None and kind.max_wallclock_seconds < told_seconds
    return is_lowered and end < now + GRACE_SECONDS


def tells(machines: Iterable[Machine], known: Leaves, without: Iterable[str]) -> tuple[Tell, ...]:
    """Return what is news to machines; those whose uuids are `without` go now and need no word."""
    left_out = set(without)
    news = (
        Tell(machine=machine, by=leave.by if leave else None, why=leave.why if leave else None)
        for machine in machines
        if can_be_told(machine) and machine.uuid not in left_out
        for leave in (known.get(machine.uuid),)
        if (machine.leave_by, machine.leave_why) != (leave or (None, ""))
    )
    return tuple(sorted(news, key=lambda each: (each.machine.name, each.machine.uuid)))
