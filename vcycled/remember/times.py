"""Times that a clock left which was set wrong, put right by what the cloud says.

# Note [Clocks that were wrong]

While a manager's clock is a day behind, what it writes of a machine makes that a day older once
the clock is right, and the machine would be ended for its age. What a clock wrote that was a day
ahead lies in the future, and the machine would end before it began and have no record. A cloud's
own clock may differ a little from ours, so its word counts only where ours cannot be true: we
cannot have seen a machine run before the cloud made it, nor anything after now.
"""

from __future__ import annotations

from dataclasses import replace

from vcycled.model import ListedMachine, Machine
from vcycled.remember.ends import started_at

QUEUED_SECONDS = 600
"""A cloud may make a machine so long after it was asked for it."""


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
    if made is not None and machine.created_at + QUEUED_SECONDS < made:
        return made
    return machine.created_at


def _started_at(machine: Machine, listed: ListedMachine, now: int) -> int | None:
    began, made = machine.started_at, listed.created_at
    if began is None:
        return None
    is_before_all = machine.interval == 0 and made is not None and began < made
    if began <= now and not is_before_all:
        return began
    return started_at(machine, listed, now=now)
