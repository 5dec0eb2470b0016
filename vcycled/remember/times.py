"""Times that a clock left which was set wrong, put right by what the cloud says.

# Note [Clocks that were wrong]

While a manager's clock is a day behind, what it writes of a machine makes that a day older once
the clock is right, and the machine would be ended for its age. What a clock wrote that was a day
ahead lies in the future, and the machine would end before it began and have no record. A cloud's
own clock may differ a little from ours, so its word counts only where ours cannot be true: we
cannot have seen a machine run before the cloud made it, nor asked for it long after that, nor seen
anything after now.

Whatever else is remembered of the future would be waited for: an absence that is to last for five
minutes, a delay before the next attempt. It is taken for having been just now. A wait that is to
end later than any may is over.
"""

from __future__ import annotations

from dataclasses import replace

from vcycled.model import Changes, ListedMachine, Machine, MachinetypeMemory, Records, SpaceMemory
from vcycled.remember.ends import started_at
from vcycled.remember.ledger import ASKED_MOST_SECONDS, UNFIT_MOST_SECONDS

QUEUED_SECONDS = 600
"""A cloud may make a machine so long after it was asked for it; its clock may be as wrong."""
AHEAD_SECONDS = 60
"""The clock of another manager may be ahead of ours by so much."""


def rewound(records: Records, *, now: int) -> Changes | None:
    """Return `records` without what is remembered of the future; None if nothing is.

    What was asked for or seen to run after now is left alone: it may be now that is wrong.
    """
    machines = [(each, _machine(each, now)) for each in records.machines]
    kinds = [(each, _machinetype(each, now)) for each in records.machinetypes]
    memory = _space(records.memory, now)
    changed = Changes(
        space=records.memory.space,
        machines=tuple(new for old, new in machines if new != old),
        machinetypes=tuple(new for old, new in kinds if new != old),
        memory=None if memory == records.memory else memory,
    )
    return None if changed == Changes(space=changed.space) else changed


def _past(at: int | None, now: int, *, most: int = 0) -> int | None:
    """Return `at`, or now if it is later than what lies `most` seconds ahead by any clock."""
    return now if at is not None and at > now + most + AHEAD_SECONDS else at


def _machine(machine: Machine, now: int) -> Machine:
    is_sure = (
        machine.stopped_at is not None or max(machine.created_at, machine.started_at or 0) <= now
    )
    return replace(
        machine,
        missing_since=_past(machine.missing_since, now) if is_sure else machine.missing_since,
        missing_first_at=_past(machine.missing_first_at, now),
        delete_attempt_at=_past(machine.delete_attempt_at, now),
    )


def _machinetype(memory: MachinetypeMemory, now: int) -> MachinetypeMemory:
    return replace(
        memory,
        last_abort_at=_past(memory.last_abort_at, now),
        proven_at=_past(memory.proven_at, now),
        creation_failed_at=_past(memory.creation_failed_at, now),
        waiting_since=_past(memory.waiting_since, now),
    )


def _space(memory: SpaceMemory, now: int) -> SpaceMemory:
    latest = now + UNFIT_MOST_SECONDS + AHEAD_SECONDS
    return replace(
        memory,
        suspect_since=_past(memory.suspect_since, now),
        quota_failed_at=_past(memory.quota_failed_at, now),
        paused_until=_past(memory.paused_until, now, most=ASKED_MOST_SECONDS),
        unfit=tuple(each for each in memory.unfit if each.until <= latest),
        preempted_at=_past(memory.preempted_at, now),
    )


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
