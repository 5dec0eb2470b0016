"""What machines were told of their end, and who waits for their room, as it is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vcycled.model import Changes, Event, Machine, MachinetypeMemory, Plan, Records, Tell, event_of


def as_told(tell: Tell) -> Machine:
    """Return the machine of `tell` as it is once it has been told."""
    return replace(tell.machine, leave_by=tell.by, leave_why=tell.why or "")


def told(space: str, tells: Iterable[Tell], *, now: int) -> Changes:
    """Return what is remembered of machines that have been told of their ends."""
    heard = tuple(tells)
    return Changes(
        space=space,
        machines=tuple(as_told(tell) for tell in heard),
        events=tuple(_event(tell, now) for tell in heard),
    )


def told_wallclocks(records: Records, seconds: Mapping[str, int]) -> Changes | None:
    """Return what is remembered once all machines know max_wallclock_seconds; None if nothing.

    `seconds` has its value for each machinetype.
    """
    space = records.memory.space
    known = {memory.machinetype: memory for memory in records.machinetypes}
    memories = tuple(
        replace(memory, told_wallclock_seconds=value)
        for name, value in seconds.items()
        for memory in (known.get(name) or MachinetypeMemory(space=space, machinetype=name),)
        if memory.told_wallclock_seconds != value
    )
    return Changes(space=space, machinetypes=memories) if memories else None


def noted(records: Records, plan: Plan) -> Changes | None:
    """Return what is remembered of a plan itself: who waits, and that room was made."""
    space, memory = records.memory.space, records.memory
    since = {wait.machinetype: wait.since for wait in plan.waits}
    known = {each.machinetype: each for each in records.machinetypes}
    for name in since.keys() - known.keys():
        known[name] = MachinetypeMemory(space=space, machinetype=name)
    waiting = tuple(
        replace(known[name], waiting_since=since.get(name))
        for name in sorted(known)
        if known[name].waiting_since != since.get(name)
    )
    if not waiting and memory.preempted_at == plan.preempted_at:
        return None
    after = replace(memory, preempted_at=plan.preempted_at)
    return Changes(space=space, machinetypes=waiting, memory=after)


def _event(tell: Tell, now: int) -> Event:
    detail = f"to leave by {tell.by}: {tell.why}" if tell.why else "that it may stay after all"
    return event_of(tell.machine, at=now, event="machine-told", detail=detail)
