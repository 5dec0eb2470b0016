"""When a machine began and ended, whether that was an abort, and what it is accounted for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vcycled.model import (
    GRACE_SECONDS,
    EndSource,
    ListedMachine,
    Machine,
    MachineState,
    Reason,
    RunInterval,
    ShutdownMessage,
    is_by_manager,
)

ABORT_CODES = range(300, 700)
"""Codes of shutdown messages that mean "no work here now" (compat.md 3)."""
OWN_REASONS = frozenset(Reason) - {Reason.FINISHED, Reason.FAILED, Reason.DELETING}
"""Reasons of ours to delete a machine that had not ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """What a machine left behind, as the published tree has it."""

    message: ShutdownMessage | None = None
    heartbeat_at: int | None = None


def started_at(machine: Machine, listed: ListedMachine, *, now: int) -> int:
    """Return when a machine that is seen to run began, as the cloud says or else now.

    A cloud's time is that of the first boot, so it says nothing of a later interval. Never before
    it was asked for: the manager that did may have another clock.

    If it is yet to come, that clock is ahead of ours or ours is behind. Either way it tells how
    long the machine took from being made to its start, and ours when it was asked for.
    """
    stated = None if machine.interval else listed.started_at
    if stated is None:
        return max(now, machine.created_at)
    if stated > now and listed.created_at is not None:
        stated += machine.created_at - listed.created_at
    return max(min(stated, now), machine.created_at)


def ended(
    machine: Machine,
    listed: ListedMachine | None,
    words: LastWords,
    *,
    sighted_at: int | None,
    now: int,
) -> Machine:
    """Return `machine` with its end: stopped_at, its source, message and whether it aborted.

    Args:
        machine: not ended so far.
        listed: what the cloud still shows of it, None if it is gone.
        words: its shutdown message and last heartbeat.
        sighted_at: last time it was listed as not ended, if ever.
        now: an upper bound of the end, unless the machine has yet to begin by it: then the clock
            is wrong. An end that the cloud says is yet to come tells how long the machine ran.
    """
    words = _of_this_run(machine, words)
    began = _began(machine, listed, words, now=now)
    at, source = _end(machine, listed, words, sighted_at=sighted_at, now=now)
    earliest = max(machine.created_at, began or 0)
    at = max(at, earliest)
    ran_s = None if at <= now else _stated_run(machine, listed)
    if ran_s is not None:
        at = earliest + ran_s
    elif now >= earliest:
        at = min(at, now)
    ending = replace(
        machine, started_at=began, stopped_at=at, end_source=source, message=words.message
    )
    return replace(ending, is_aborted=is_abort(ending))


def _of_this_run(machine: Machine, words: LastWords) -> LastWords:
    """Return `words` without what an earlier interval left."""
    began = machine.started_at if machine.interval else None
    if began is None:
        return words
    message, heartbeat_at = words.message, words.heartbeat_at
    return LastWords(
        message=message if message is not None and message.written_at >= began else None,
        heartbeat_at=heartbeat_at if heartbeat_at is not None and heartbeat_at >= began else None,
    )


def _began(
    machine: Machine, listed: ListedMachine | None, words: LastWords, *, now: int
) -> int | None:
    """Return when it began to run; None if nothing says that it ever did."""
    if machine.started_at is not None or machine.interval:
        return machine.started_at
    if listed is not None and listed.started_at is not None:
        if listed.stopped_at is None:
            return started_at(machine, listed, now=now)
        return max(listed.started_at, machine.created_at)  # both by the same clock
    has_written = words.message is not None and not is_by_manager(words.message)
    has_shut_down = listed is not None and listed.state is MachineState.SHUTDOWN
    if has_shut_down or has_written or words.heartbeat_at is not None:
        stated = listed.created_at if listed is not None else None
        return max(stated or machine.created_at, machine.created_at)
    return None


def _end(
    machine: Machine,
    listed: ListedMachine | None,
    words: LastWords,
    *,
    sighted_at: int | None,
    now: int,
) -> tuple[int, EndSource]:
    """Return the end by the cloud's word or, without it, the last sign of life.

    A message is one of these signs, not more: some machines say why they stop and then go on for
    long, or are listed as running until we delete them. A deletion may have been asked for once
    more when the machine had long gone: it is then no sign of a later end. The last heartbeat of a
    machine that went on in silence is no sign of its end at all.
    """
    if listed is not None and listed.stopped_at is not None:
        return listed.stopped_at, EndSource.CLOUD
    found: list[tuple[int, EndSource]] = []
    if words.message is not None and not is_by_manager(words.message):
        found.append((words.message.written_at, EndSource.MESSAGE))
    if machine.is_delete_acknowledged and machine.delete_attempt_at is not None:
        gone_by = machine.missing_first_at
        deleted_at = machine.delete_attempt_at
        found.append(
            (deleted_at if gone_by is None else min(deleted_at, gone_by), EndSource.DELETED)
        )
    if words.heartbeat_at is not None and machine.delete_reason != Reason.SILENT:
        found.append((words.heartbeat_at, EndSource.HEARTBEAT))
    if sighted_at is not None:
        found.append((sighted_at, EndSource.SIGHTING))
    # It was seen to run, so what lies before that was written by a clock that was behind: then it
    # had ended when it was first found absent by a clock that was right, if not by now.
    found = [each for each in found if each[0] >= (machine.started_at or 0)]
    last = now if machine.missing_first_at is None else min(machine.missing_first_at, now)
    return max(found, default=(last, EndSource.SIGHTING))


def _stated_run(machine: Machine, listed: ListedMachine | None) -> int | None:
    """Return for how many seconds it ran by the cloud's own clock, None if that does not tell."""
    if listed is None or listed.started_at is None or listed.stopped_at is None:
        return None
    return None if machine.interval else max(0, listed.stopped_at - listed.started_at)


def is_abort(machine: Machine) -> bool:
    """Return whether an ended machine aborted (compat.md 3); our own deletes are no aborts."""
    message, terms = machine.message, machine.terms
    if message is not None and message.code is not None and not is_by_manager(message):
        return message.code in ABORT_CODES or (message.code >= 700 and terms.abort_on_700)
    if machine.delete_reason in OWN_REASONS:
        return terms.abort_on_heartbeat and machine.delete_reason == Reason.SILENT
    if has_left_as_told(machine):
        return False
    return machine.started_at is not None and duration(machine) < terms.fizzle_seconds


def has_left_as_told(machine: Machine) -> bool:
    """True if a machine ended in the grace before the end that it was told, or after it."""
    if machine.leave_by is None or machine.stopped_at is None:
        return False
    return machine.stopped_at >= machine.leave_by - GRACE_SECONDS


def duration(machine: Machine) -> int:
    """Return how long an ended machine ran, in seconds; 0 if it never did."""
    if machine.started_at is None or machine.stopped_at is None:
        return 0
    return machine.stopped_at - machine.started_at


def has_found_work(machine: Machine) -> bool:
    """True if this ended machine is evidence that there is work (see the ruling on probing)."""
    if machine.is_aborted:
        return False
    survived = machine.started_at is not None and duration(machine) >= machine.terms.fizzle_seconds
    has_said_so = (
        machine.message is not None
        and machine.message.code is not None
        and not is_by_manager(machine.message)
    )
    return survived or has_said_so


def interval_of(machine: Machine, *, is_final: bool) -> RunInterval | None:
    """Return what is accounted for an ended machine; None if it ran too briefly or not at all."""
    began, ended_at, source = machine.started_at, machine.stopped_at, machine.end_source
    if began is None or ended_at is None or source is None:
        return None
    if ended_at - began < machine.terms.fizzle_seconds:
        return None
    return RunInterval(
        uuid=machine.uuid,
        interval=machine.interval,
        space=machine.space,
        machinetype=machine.machinetype,
        name=machine.name,
        processors=machine.processors,
        memory_mb=machine.memory_mb,
        started_at=began,
        ended_at=ended_at,
        end_source=source,
        is_final=is_final,
        terms=machine.terms,
    )
