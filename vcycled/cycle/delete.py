"""Act: ask the cloud to delete machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vcycled.config import SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.tend import settle
from vcycled.errors import SpaceError
from vcycled.model import MESSAGES, Changes, Delete, Event, Machine, Records


def delete_all(
    context: Context, config: SpaceConfig, records: Records, deletes: Sequence[Delete]
) -> Records:
    """Ask for every machine in `deletes` to be deleted; a failure harms no other.

    The attempts are stored before the first call, the answers after the last. A machine that left
    no shutdown message is given the reason as one (compat.md 3).
    """
    if not deletes:
        return records
    now = context.clock.now()
    tried = [_tried(each, now) for each in deletes]
    events = tuple(_event(each, now) for each in deletes)
    before = Changes(space=context.name, machines=tuple(tried), events=events)
    records = settle(context, config, records, before)
    for each in deletes:
        _leave_message(context, each)
    return context.save(records, _asked(context, tried))


def _asked(context: Context, tried: Sequence[Machine]) -> Changes:
    """Call the cloud for each machine and return what its answers change."""
    calls = [_call(context, machine) for machine in tried]
    done, events = [], []
    for outcome in context.calls.run_all("delete", calls):
        machine = tried[outcome.number]
        if outcome.error is None:
            done.append(replace(machine, is_delete_acknowledged=True))
        else:
            events.append(_failure(machine, outcome.error, context.clock.now()))
    return Changes(space=context.name, machines=tuple(done), events=tuple(events))


def _tried(delete: Delete, now: int) -> Machine:
    """Return the machine with one more attempt; the first reason of ours is the one kept."""
    machine = delete.machine
    is_first_word = not machine.delete_reason and machine.stopped_at is None
    return replace(
        machine,
        delete_reason=delete.reason if is_first_word else machine.delete_reason,
        delete_attempts=machine.delete_attempts + 1,
        delete_attempt_at=now,
    )


def _event(delete: Delete, now: int) -> Event:
    machine = delete.machine
    return Event(
        at=now,
        space=machine.space,
        event="machine-delete",
        machinetype=machine.machinetype,
        machine=machine.name,
        detail=MESSAGES.get(delete.reason, delete.reason),
    )


def _failure(machine: Machine, error: SpaceError, now: int) -> Event:
    return Event(
        at=now,
        space=machine.space,
        event="delete-failed",
        machinetype=machine.machinetype,
        machine=machine.name,
        detail=f"attempt {machine.delete_attempts}: {error}",
    )


def _leave_message(context: Context, delete: Delete) -> None:
    message = MESSAGES.get(delete.reason)
    if message is None:
        return
    try:
        context.tree.leave_message(delete.machine.space, delete.machine.name, message)
    except OSError as error:
        context.log.warning("tree-failed", machine=delete.machine.name, error=str(error))


def _call(context: Context, machine: Machine) -> Callable[[], None]:
    return lambda: context.space.delete(machine.name, machine.cloud_id)
