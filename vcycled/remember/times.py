"""Times that a clock left which was set wrong, put right.

# Note [Clocks that were wrong]

At each look at a cloud, whatever is remembered of its space and lies ahead of now is taken for
having been just now (`rewound`): nobody waits for the end of an absence, a backoff or a pause that
a clock ahead wrote. That there was such a time says that the clock was set, whoever saw it happen.

What a run is told by is spared, as it may be now that is wrong and nobody waits for these times:
when a machine was asked for, when it began, and when it was last listed, which is kept with the
machine before the time of the last listing is brought back. An end is never later than now
(`ended`), so that this one needs no more. The others only the cloud's word puts right, at each
listing (`in_time`). A cloud's own clock may differ a little from ours, so its word counts only
where ours cannot be true: nobody can have seen a machine run before the cloud made it, asked for
it long after that, or seen it after now.

A machine that by our clock has yet to begin has not ended either, unless the cloud says when
(`is_yet_to_begin`): while a clock is behind, all signs of an end lie before the start, and the run
would be lost. Its absence begins anew when the clock is right.
"""

from __future__ import annotations

from dataclasses import replace

from vcycled.model import (
    CLOCK_SLACK_SECONDS,
    Changes,
    Event,
    ListedMachine,
    Machine,
    MachinetypeMemory,
    Records,
    SpaceMemory,
    Stage,
)
from vcycled.remember.ends import started_at
from vcycled.remember.ledger import ASKED_MOST_SECONDS, UNFIT_MOST_SECONDS

QUEUED_SECONDS = 600
"""A cloud may make a machine so long after it was asked for it; its clock may be as wrong."""


def rewound(records: Records, *, now: int) -> Changes | None:
    """Return `records` without what is remembered of the future; None if nothing is."""
    past = _Past(now, listed_at=records.memory.listed_at)
    machines = [(each, past.machine(each)) for each in records.machines]
    kinds = [(each, past.kind(each)) for each in records.machinetypes]
    memory = past.space(records.memory)
    changed = Changes(
        space=memory.space,
        machines=tuple(new for old, new in machines if new is not old),
        machinetypes=tuple(new for old, new in kinds if new != old),
    )
    if past.lead:
        told = _event(memory.space, past.lead, now)
        memory = replace(memory, clock_jumped_at=now)
        changed = replace(changed, memory=memory, events=(told,))
    return changed if changed.machines or past.lead else None


def _event(space: str, lead: int, now: int) -> Event:
    detail = f"what is remembered was of the future, by up to {lead} s"
    return Event(at=now, space=space, event="times-rewound", detail=detail)


class _Past:
    """Brings what lies ahead of now back to it."""

    def __init__(self, now: int, *, listed_at: int | None) -> None:
        self._now = now
        self._latest = now + CLOCK_SLACK_SECONDS
        self._sighted_at = listed_at if (listed_at or 0) > self._latest else None
        """When all was listed that is not missing, if that lies ahead."""
        self.lead = 0
        """By how much the latest of all was ahead, in seconds; 0 if none was."""

    def _of(self, at: int | None, *, most: int = 0) -> int | None:
        """Return `at`, or now if it is later than what may lie `most` seconds ahead."""
        if at is None or at - most <= self._latest:
            return at
        self.lead = max(self.lead, at - most - self._now)
        return self._now

    def machine(self, machine: Machine) -> Machine:
        """Return `machine`, itself if nothing changes: there may be thousands."""
        tried_at = self._of(machine.delete_attempt_at)
        first_at = self._of(machine.missing_first_at)
        began = max(machine.created_at, machine.started_at or 0)
        if first_at is not None and first_at < began <= self._now:
            first_at = self._now  # a clock behind noted that
        since = machine.missing_since
        if since is None and machine.stage is Stage.LISTED and machine.stopped_at is None:
            since = self._sighted_at
        known = (machine.missing_since, machine.delete_attempt_at, machine.missing_first_at)
        if (since, tried_at, first_at) == known:
            return machine
        return replace(
            machine, missing_since=since, delete_attempt_at=tried_at, missing_first_at=first_at
        )

    def kind(self, memory: MachinetypeMemory) -> MachinetypeMemory:
        """Return what is remembered of a machinetype."""
        return replace(
            memory,
            last_abort_at=self._of(memory.last_abort_at),
            proven_at=self._of(memory.proven_at),
            creation_failed_at=self._of(memory.creation_failed_at),
            waiting_since=self._of(memory.waiting_since),
        )

    def space(self, memory: SpaceMemory) -> SpaceMemory:
        """Return what is remembered of the space; flavors that wait for too long are tried."""
        ends = [(each, self._of(each.until, most=UNFIT_MOST_SECONDS)) for each in memory.unfit]
        return replace(
            memory,
            listed_at=self._of(memory.listed_at),
            suspect_since=self._of(memory.suspect_since),
            quota_failed_at=self._of(memory.quota_failed_at),
            paused_until=self._of(memory.paused_until, most=ASKED_MOST_SECONDS),
            unfit=tuple(each for each, until in ends if until == each.until),
            clock_jumped_at=self._of(memory.clock_jumped_at),
            preempted_at=self._of(memory.preempted_at),
        )


def is_yet_to_begin(machine: Machine, *, now: int) -> bool:
    """Return whether by our clock a machine has not begun that was seen to run and not to end."""
    is_running = machine.started_at is not None and machine.stopped_at is None
    return is_running and now < (machine.started_at or 0)


def in_time(machine: Machine, listed: ListedMachine, *, now: int) -> Machine:
    """Return `machine` with times that can be true; itself if they are, or if it has ended.

    If the cloud made it after now, it is now that is wrong.
    """
    is_set_back = listed.created_at is not None and now < listed.created_at
    if is_set_back or machine.stopped_at is not None:
        return machine
    created = _created_at(machine, listed, now)
    began = _started_at(replace(machine, created_at=created), listed, now)
    if (created, began) == (machine.created_at, machine.started_at):
        return machine
    return replace(machine, created_at=created, started_at=began)


def _created_at(machine: Machine, listed: ListedMachine, now: int) -> int:
    made = listed.created_at
    if machine.created_at > now:
        return now if made is None else made
    if made is not None and abs(made - machine.created_at) > QUEUED_SECONDS:
        return made
    return machine.created_at


def _started_at(machine: Machine, listed: ListedMachine, now: int) -> int | None:
    began, made = machine.started_at, listed.created_at
    if began is None:
        return None
    is_before_all = machine.interval == 0 and made is not None and began < made
    stated = None if machine.interval else listed.started_at
    is_long_after = stated is not None and began - stated > QUEUED_SECONDS
    if began <= now and not is_before_all and not is_long_after:
        return began
    return started_at(machine, listed, now=now)
