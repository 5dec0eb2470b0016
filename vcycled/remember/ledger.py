"""What a step of the cycle learns, collected into one set of changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vcycled.errors import Unavailable
from vcycled.model import (
    Changes,
    Event,
    Machine,
    MachinetypeMemory,
    Records,
    RunInterval,
    SpaceMemory,
    Unfit,
    event_of,
)
from vcycled.remember.ends import interval_of

UNFIT_SECONDS = 300
UNFIT_MOST_SECONDS = 3600
"""How long a flavor in a zone is not tried again for want of room; doubled at each failure."""
PAUSE_SECONDS = 60
PAUSE_MOST_SECONDS = 900
"""How long nothing is created after the cloud turned us away; doubled at each time in a row."""
ASKED_MOST_SECONDS = 3600
"""A cloud that asks for a longer pause is tried again after so long."""


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
        self._has_quota = True

    def put(self, machine: Machine, event: str = "", detail: str = "") -> None:
        """Record the new value of a machine, and why."""
        self._machines[machine.uuid] = machine
        if event:
            self.note(machine, event, detail)

    def note(self, machine: Machine, event: str, detail: str = "") -> None:
        """Add a line to the story of `machine`."""
        self._events.append(event_of(machine, at=self.now, event=event, detail=detail))

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

    def lack_quota(self, error: str) -> None:
        """Count that the quota is used up; several machines in one step show it once."""
        if self._has_quota:
            self._has_quota = False
            failures = self.memory.quota_failures + 1
            self.memory = replace(
                self.memory, quota_failures=failures, quota_failed_at=self.now, quota_error=error
            )

    def find_quota(self, started: Machine) -> None:
        """Forget that the quota was used up if `started` was asked for after that.

        That a cloud takes a request proves nothing: many see only later that ports are lacking.
        """
        failed_at = self.memory.quota_failed_at
        if failed_at is not None and started.created_at > failed_at:
            self.memory = replace(
                self.memory, quota_failures=0, quota_failed_at=None, quota_error=""
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


def with_room(memory: SpaceMemory, *, now: int) -> SpaceMemory:
    """Return `memory` where room was made in the cloud, so that it may be asked again at once.

    How often it had none in a row is still known of flavors; a quota waits for the least time.
    """
    unfit = tuple(replace(each, until=min(each.until, now)) for each in memory.unfit)
    return replace(memory, unfit=unfit, quota_failures=min(memory.quota_failures, 1))


def is_turned_away(error: Exception | None) -> bool:
    """Return whether a cloud will not take more of the kind now, whatever is asked for."""
    return isinstance(error, Unavailable) and (error.is_undone or error.retry_after_s is not None)


def paused(memory: SpaceMemory, errors: Iterable[Exception | None], *, now: int) -> SpaceMemory:
    """Return `memory` with one pause for all of `errors` that turned us away."""
    away = [each for each in errors if isinstance(each, Unavailable) and is_turned_away(each)]
    if not away:
        return memory
    asked = [each.retry_after_s for each in away if each.retry_after_s is not None]
    over_at = memory.paused_until or now
    before = memory.pauses if now - over_at <= ASKED_MOST_SECONDS else 0
    grown = min(PAUSE_SECONDS << min(before, 10), PAUSE_MOST_SECONDS)
    wait = min(max(asked, default=grown), ASKED_MOST_SECONDS)
    return replace(
        memory,
        pauses=before + 1,
        paused_until=max(over_at, now + wait),
        pause_error=str(away[0]),
    )
