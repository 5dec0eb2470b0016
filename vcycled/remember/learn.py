"""Every transition of a space's machines, recorded once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vcycled.model import (
    FATE,
    Changes,
    EndSource,
    Fate,
    ListedMachine,
    Machine,
    MachineState,
    Reason,
    Records,
    Stage,
    said,
)
from vcycled.remember.adopt import renewed
from vcycled.remember.ends import (
    OWN_REASONS,
    LastWords,
    duration,
    ended,
    has_found_work,
    started_at,
)
from vcycled.remember.ledger import Ledger, with_room, without_capacity
from vcycled.remember.match import Matched
from vcycled.remember.times import in_time, is_yet_to_begin

CLOSE_SECONDS = 3600
"""A machine that ended so long ago has its final end, though the cloud still shows it."""
_NOTHING = LastWords()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the shell found out (see `questions`)."""

    words: Mapping[str, LastWords] = field(default_factory=dict)
    """By uuid, for the ended."""
    found: Mapping[str, ListedMachine | None] = field(default_factory=dict)
    """By uuid, for the doubtful; one that could not be asked for is left out."""
    adopted: tuple[tuple[Machine, ListedMachine], ...] = ()
    """For the strangers."""


def learn(records: Records, matched: Matched, answers: Answers, *, now: int) -> Changes:
    """Return what this listing changes, as one transaction for the store."""
    ledger = Ledger(records, matched.memory, now)
    for machine in matched.unasked:
        ledger.put(
            replace(machine, stage=Stage.GONE, gone_at=now),
            "intent-dropped",
            "the cloud was never asked for it",
        )
    for machine, listed in matched.seen:
        _see(ledger, machine, listed, answers.words.get(machine.uuid, _NOTHING))
    for machine, listed in answers.adopted:
        ledger.note(machine, "machine-adopted", _found_text(machine))
        _see(ledger, machine, listed, answers.words.get(machine.uuid, _NOTHING), is_new=True)
    for machine in matched.absent:
        _miss(ledger, machine, answers)
    return ledger.changes()


def _see(
    ledger: Ledger,
    before: Machine,
    listed: ListedMachine,
    words: LastWords,
    *,
    is_new: bool = False,
) -> None:
    """Record what the listing says of one machine; nothing if nothing changed."""
    machine = in_time(_identified(ledger, before, listed), listed, now=ledger.now)
    fate = FATE[listed.state]
    was_told = False
    if fate in {Fate.REMOVE, Fate.GOING}:
        has_begun = not is_yet_to_begin(machine, now=ledger.now)
        if machine.stopped_at is None and (has_begun or listed.stopped_at is not None):
            machine = stop(ledger, machine, listed, words)
            was_told = True
        machine = _closed(ledger, machine)
    else:
        if machine.stopped_at is not None:
            machine = renewed(machine)
            ledger.note(machine, "machine-back", f"it is {listed.state} again")
            was_told = True
        machine = _warned(ledger, machine, listed)
        if machine.started_at is None and _has_begun(machine, listed):
            machine = _start(ledger, machine, listed)
            was_told = True
    if before.state is not listed.state and before.stage is Stage.LISTED and not was_told:
        ledger.note(machine, "machine-state", f"{before.state} -> {listed.state}")
    if is_new or machine is not before:
        ledger.put(machine)


def _identified(ledger: Ledger, machine: Machine, listed: ListedMachine) -> Machine:
    """Return `machine` as listed: stage, state, id and address; itself if all is as before."""
    is_same = (
        machine.stage is Stage.LISTED
        and machine.state is listed.state
        and machine.cloud_id == listed.cloud_id
        and machine.missing_since is None
        and (machine.address == listed.address or not listed.address)
        and machine.fault == listed.fault
    )
    if is_same:
        return machine
    if machine.stage is not Stage.LISTED:
        ledger.note(machine, "machine-seen", f"listed as {listed.state}")
    elif machine.missing_listings:
        ledger.note(machine, "machine-found", f"absent from {machine.missing_listings} listings")
    return replace(
        machine,
        stage=Stage.LISTED,
        state=listed.state,
        cloud_id=listed.cloud_id,
        seen_at=ledger.now if machine.seen_at is None else machine.seen_at,
        address=listed.address or machine.address,
        flavor=machine.flavor or listed.flavor,
        processors=listed.processors or machine.processors,
        memory_mb=listed.memory_mb or machine.memory_mb,
        fault=listed.fault,
        missing_since=None,
        missing_first_at=None,
        missing_listings=0,
    )


def _warned(ledger: Ledger, machine: Machine, listed: ListedMachine) -> Machine:
    """Return `machine` with what the cloud says it will do to it, told once.

    A word that is not repeated still holds: some clouds say it only once.
    """
    warning = listed.warning or machine.warning
    ends_at = machine.ends_at if listed.ends_at is None else listed.ends_at
    if (warning, ends_at) == (machine.warning, machine.ends_at):
        return machine
    left = f", in {max(0, ends_at - ledger.now)} s" if ends_at is not None else ""
    ledger.note(machine, "machine-warned", f"{warning or 'the cloud will end it'}{left}")
    return replace(machine, warning=warning, ends_at=ends_at)


def _has_begun(machine: Machine, listed: ListedMachine) -> bool:
    """Return whether it runs, or did before the cloud lost sight of its state.

    The cloud's time of a start is that of the first run.
    """
    is_in_doubt = FATE[listed.state] is Fate.DOUBT and not machine.interval
    return FATE[listed.state] is Fate.KEEP or (is_in_doubt and listed.started_at is not None)


def _start(ledger: Ledger, machine: Machine, listed: ListedMachine) -> Machine:
    began = started_at(machine, listed, now=ledger.now)
    ledger.note(machine, "machine-started", f"after {began - machine.created_at} s")
    ledger.find_quota(machine)
    memory = ledger.of(machine)
    failed_at = memory.creation_failed_at
    if failed_at is not None and machine.created_at > failed_at:
        ledger.remember(
            replace(memory, creation_failures=0, creation_failed_at=None, creation_error="")
        )
    # Until it runs, its zone stays the one asked for: what the planner may have to avoid.
    return replace(machine, started_at=began, zone=listed.zone or machine.zone)


def stop(
    ledger: Ledger, machine: Machine, listed: ListedMachine | None, words: LastWords
) -> Machine:
    """Record the end of a machine, with all that follows from it."""
    sighted_at = ledger.listed_before if listed is not None else machine.missing_since
    has_been_seen = machine.seen_at not in {None, ledger.now}  # before this listing
    stopped = ended(
        machine,
        listed,
        words,
        sighted_at=sighted_at if has_been_seen else None,
        now=ledger.now,
    )
    ledger.note(stopped, "machine-stopped", _end_text(stopped))
    _judge(ledger, stopped, listed)
    ledger.account(stopped, is_final=False)
    return stopped


def _judge(ledger: Ledger, stopped: Machine, listed: ListedMachine | None) -> None:
    """Draw the conclusions from an end: an abort, evidence of work, or a failed creation."""
    memory = ledger.of(stopped)
    if stopped.is_aborted and stopped.stopped_at is not None:
        at = max(memory.last_abort_at or 0, min(stopped.stopped_at, ledger.now))
        ledger.remember(replace(memory, last_abort_at=at))
        ledger.note(stopped, "machine-aborted", f"it ran {duration(stopped)} s")
    elif has_found_work(stopped):
        at = max(memory.proven_at or 0, stopped.created_at)
        ledger.remember(replace(memory, proven_at=at))
    elif stopped.started_at is None:
        _judge_failure(ledger, stopped, listed)


def _judge_failure(ledger: Ledger, stopped: Machine, listed: ListedMachine | None) -> None:
    """Tell what kept a machine from running: the quota, the cloud's room, or itself."""
    if listed is not None and listed.lacks_quota:
        ledger.lack_quota(stopped.fault)
        ledger.note(stopped, "quota-exceeded", stopped.fault)
    elif listed is not None and listed.lacks_capacity:
        ledger.memory = without_capacity(
            ledger.memory, stopped.flavor, stopped.zone, now=ledger.now
        )
        ledger.note(stopped, "no-capacity", stopped.fault)
    elif _was_to_start(stopped):
        ledger.fail(stopped, stopped.fault or _why_never_ran(stopped))
        ledger.note(stopped, "creation-failed", stopped.fault or _why_never_ran(stopped))


def _was_to_start(machine: Machine) -> bool:
    """True unless we ended it before it could run, or Vcycle 3 did, which leaves no reason."""
    if machine.is_delete_acknowledged and not machine.delete_reason:
        return False
    return machine.delete_reason not in OWN_REASONS - {Reason.NOT_STARTED}


def _why_never_ran(machine: Machine) -> str:
    if machine.delete_reason == Reason.NOT_STARTED:
        return f"not started within {machine.terms.start_timeout_seconds} s"
    return "it ended before it ran" if machine.state is MachineState.FAILED else "it vanished"


def _found_text(machine: Machine) -> str:
    if machine.delete_reason == Reason.DOUBLE:
        return f"the cloud made a second one of this request: {machine.cloud_id}, which must go"
    return f"found in the cloud as {machine.cloud_id}"


def _end_text(machine: Machine) -> str:
    last_words = f", {said(machine.message)}" if machine.message else ""
    source = machine.end_source or EndSource.SIGHTING
    ran = f"ran {duration(machine)} s" if machine.started_at is not None else "never ran"
    return f"{ran}, end as told by {source.in_words}{last_words}"


def _closed(ledger: Ledger, machine: Machine) -> Machine:
    """Return `machine` with its interval final once its end is old enough."""
    stopped_at = machine.stopped_at
    if machine.is_closed or stopped_at is None or ledger.now - stopped_at < CLOSE_SECONDS:
        return machine
    ledger.account(machine, is_final=True)
    return replace(machine, is_closed=True)


def _miss(ledger: Ledger, machine: Machine, answers: Answers) -> None:
    """Record that a machine was not listed, and whether it is gone."""
    if machine.uuid not in answers.found:
        is_expected = machine.is_delete_acknowledged or machine.stage is Stage.ASKED
        if machine.missing_listings == 1 and not is_expected:
            ledger.note(machine, "machine-missing", "absent from a complete listing")
        ledger.put(machine)
        return
    found = answers.found[machine.uuid]
    words = answers.words.get(machine.uuid, _NOTHING)
    if found is not None:
        _see(ledger, machine, found, words)
        return
    if machine.stopped_at is None:
        machine = stop(ledger, machine, None, words)
    if not machine.is_closed:
        ledger.account(machine, is_final=True)
    if machine.leave_why == Reason.PREEMPTED:
        ledger.memory = with_room(ledger.memory, now=ledger.now)
    gone = replace(machine, stage=Stage.GONE, gone_at=ledger.now, is_closed=True)
    ledger.put(gone, "machine-gone", "confirmed absent")
