"""What a step of the cycle learns, collected into one set of changes."""

from __future__ import annotations

from dataclasses import replace

from vcycled.model import (
    Changes,
    Event,
    Machine,
    MachinetypeMemory,
    Records,
    RunInterval,
    SpaceMemory,
    Unfit,
)
from vcycled.remember.ends import interval_of

UNFIT_SECONDS = 300
UNFIT_MOST_SECONDS = 3600
"""How long a flavor in a zone is not tried again for want of room; doubled at each failure."""


class Ledger:
    """What is learned, collected; of two values under one key the last holds."""

    def __init__(self, records: Records, memory: SpaceMemory, now: int) -> None:
        self.now = now
        self.listed_before = records.memory.listed_at
        self.memory = memory
        self._machines: dict[str, Machine] = {}
        self._events: list[Event] = []
        self._intervals: dict[tuple[str, int], RunInterval] = {}
        self._before = {each.machinetype: each for each in records.machinetypes}
        self._machinetypes: dict[str, MachinetypeMemory] = {}
        self._failed: set[str] = set()

    def put(self, machine: Machine, event: str = "", detail: str = "") -> None:
        """Record the new value of a machine, and why."""
        self._machines[machine.uuid] = machine
        if event:
            self.note(machine, event, detail)

    def note(self, machine: Machine, event: str, detail: str = "") -> None:
        """Add a line to the story of `machine`."""
        self._events.append(
            Event(
                at=self.now,
                space=machine.space,
                machinetype=machine.machinetype,
                machine=machine.name,
                event=event,
                detail=detail,
            )
        )

    def account(self, machine: Machine, *, is_final: bool) -> None:
        """Record the run of an ended machine, if it is to be accounted."""
        interval = interval_of(machine, is_final=is_final)
        if interval is not None:
            self._intervals[interval.uuid, interval.interval] = interval

    def of(self, machine: Machine) -> MachinetypeMemory:
        """Return what is remembered of the machinetype of `machine`, as learned so far."""
        name = machine.machinetype
        empty = MachinetypeMemory(space=machine.space, machinetype=name)
        return self._machinetypes.get(name) or self._before.get(name) or empty

    def remember(self, memory: MachinetypeMemory) -> None:
        """Record the new value of a machinetype's memory."""
        self._machinetypes[memory.machinetype] = memory

    def fail(self, machine: Machine, error: str) -> None:
        """Count one failed creation; several in one cycle are one failure."""
        memory = self.of(machine)
        failures = memory.creation_failures + (machine.machinetype not in self._failed)
        self._failed.add(machine.machinetype)
        self.remember(
            replace(
                memory,
                creation_failures=failures,
                creation_failed_at=self.now,
                creation_error=error,
            )
        )

    def changes(self) -> Changes:
        """Return all that was collected."""
        return Changes(
            space=self.memory.space,
            machines=tuple(self._machines.values()),
            machinetypes=tuple(self._machinetypes.values()),
            intervals=tuple(self._intervals.values()),
            memory=self.memory,
            events=tuple(self._events),
        )


def without_capacity(memory: SpaceMemory, flavor: str, zone: str, *, now: int) -> SpaceMemory:
    """Return `memory` with this flavor in this zone marked as not to be had for a while."""
    known = {(each.flavor, each.zone): each for each in memory.unfit}
    before = known.pop((flavor, zone), None)
    failures = 1 if before is None else before.failures + (before.until <= now)
    wait = min(UNFIT_SECONDS * 2 ** min(failures - 1, 10), UNFIT_MOST_SECONDS)
    fresh = [each for each in known.values() if each.until + UNFIT_MOST_SECONDS > now]
    unfit = Unfit(flavor=flavor, zone=zone, until=now + wait, failures=failures)
    return replace(memory, unfit=(*fresh, unfit))
