"""Act: ask the cloud to delete machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from vcycled.config import SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.tend import settle
from vcycled.errors import SpaceError, Unavailable
from vcycled.model import MESSAGES, Changes, Delete, Event, Machine, Records, event_of
from vcycled.remember import is_turned_away, paused


def delete_all(
    context: Context, config: SpaceConfig, records: Records, deletes: Sequence[Delete]
) -> Records:
    """Ask for every machine in `deletes` to be deleted; a failure harms no other.

    The attempts are stored before the first call, the answers after the last. A machine that left
    no shutdown message is given the reason as one (compat.md 3). Once the cloud asks us to wait,
    the rest is left for the next cycle and does not count as tried.
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
    answers = list(_asked(context, tried))
    return context.save(records, _concluded(context, records, deletes, answers))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What came of asking for one machine; nothing if the cloud was not asked any more."""

    number: int
    """Of the machine in the order it was planned."""
    machine: Machine
    was_asked: bool
    error: SpaceError | None


@dataclass(slots=True)
class _Calls:
    """Deletions of one cycle, until the cloud asks us to wait or the space may be lost."""

    context: Context
    is_over: bool = False

    def of(self, machine: Machine) -> Callable[[], bool]:
        """Return the call; it returns False if the cloud was not asked any more."""

        def delete() -> bool:
            if self.is_over or not self.context.may_act():
                return False
            try:
                self.context.space.delete(machine.name, machine.cloud_id)
            except SpaceError as error:
                if is_turned_away(error):
                    self.is_over = True
                raise
            return True

        return delete


def _asked(context: Context, tried: Sequence[Machine]) -> Iterator[_Answer]:
    """Call the cloud for each machine and yield its answers as they come."""
    calls = _Calls(context)
    jobs = [calls.of(machine) for machine in tried]
    for outcome in context.calls.run_all("delete", jobs):
        yield _Answer(
            number=outcome.number,
            machine=tried[outcome.number],
            was_asked=outcome.value is not False,
            error=outcome.error,
        )


def _concluded(
    context: Context, records: Records, deletes: Sequence[Delete], answers: Sequence[_Answer]
) -> Changes:
    """Return what the answers change; an attempt that did not reach the cloud is taken back."""
    now = context.clock.now()
    machines, events = [], []
    for answer in answers:
        before, machine, error = deletes[answer.number].machine, answer.machine, answer.error
        if not answer.was_asked:
            machines.append(before)
        elif error is None:
            machines.append(replace(machine, is_delete_acknowledged=True, delete_error=""))
        else:
            is_undone = isinstance(error, Unavailable) and error.is_undone
            machines.append(replace(before if is_undone else machine, delete_error=str(error)))
            events.append(_failure(machine, error, now))
    memory = paused(records.memory, [answer.error for answer in answers], now=now)
    return Changes(
        space=context.name,
        machines=tuple(machines),
        events=tuple(events),
        memory=memory if memory is not records.memory else None,
    )


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
    why = MESSAGES.get(delete.reason, delete.reason)
    return event_of(delete.machine, at=now, event="machine-delete", detail=why)


def _failure(machine: Machine, error: SpaceError, now: int) -> Event:
    detail = f"attempt {machine.delete_attempts}: {error}"
    return event_of(machine, at=now, event="delete-failed", detail=detail)


def _leave_message(context: Context, delete: Delete) -> None:
    message = MESSAGES.get(delete.reason)
    if message is None:
        return
    try:
        context.tree.leave_message(delete.machine.space, delete.machine.name, message)
    except OSError as error:
        context.log.warning("tree-failed", machine=delete.machine.name, error=str(error))
