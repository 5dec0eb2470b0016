"""Why a space or a machinetype may not grow at all now, whatever room there is.

What keeps it from growing *further* (limits, the creation cap, another's claim) is in creates.
"""

from __future__ import annotations

from collections.abc import Mapping

from vcycled.model import (
    Cause,
    Drain,
    Hold,
    Machine,
    Machinetype,
    MachinetypeMemory,
    Reason,
    SpaceFacts,
    SpaceMemory,
    Stage,
)
from vcycled.plan.instants import FIRST_RETRY_SECONDS, retry_at
from vcycled.plan.stock import Stock, is_starting

MOST_FAILURE_SECONDS = 3600
MOST_QUOTA_SECONDS = 900


def space_hold(facts: SpaceFacts, *, now: int) -> Hold | None:
    """Return the most telling reason to create nothing in the space; what a person does first."""
    memory, ends_at = facts.memory, facts.shutdown_time
    if facts.held:
        return _hold("", Cause.HELD, facts.held)
    if ordered := _ordered("", facts.drains, now=now):
        return ordered
    if ends_at is not None and now >= ends_at:
        detail = f"shutdown_time passed at {ends_at}, {now - ends_at} s ago"
        return _hold("", Cause.SHUTDOWN_TIME, detail)
    if memory.suspect_since is not None:
        before = f"before, they showed {memory.listed_machines}"
        detail = f"listings have shown far too few machines since {memory.suspect_since}; {before}"
        return _hold("", Cause.LISTING_SUSPECT, detail)
    return _refused(memory, now=now)


def _refused(memory: SpaceMemory, *, now: int) -> Hold | None:
    """Return what the cloud's last answers forbid for a while."""
    if memory.paused_until is not None and now < memory.paused_until:
        detail = f"the cloud turned us away {memory.pauses} times in a row"
        return _hold("", Cause.PAUSED, _with(detail, memory.pause_error), memory.paused_until)
    until = retry_at(
        memory.quota_failures, memory.quota_failed_at, most_seconds=MOST_QUOTA_SECONDS
    )
    if until is not None and now < until:
        detail = f"the quota was exceeded {memory.quota_failures} times in a row"
        return _hold("", Cause.QUOTA, _with(detail, memory.quota_error), until)
    return None


def machinetype_hold(stock: Stock, facts: SpaceFacts, *, now: int) -> Hold | None:
    """Return the most telling reason to create none of a machinetype now, if there is one."""
    kind, shutdown_time = stock.machinetype, facts.shutdown_time
    if kind.target_share <= 0:
        return _hold(kind.name, Cause.NO_SHARE, f"target_share is {kind.target_share:g}")
    if kind.held:
        return _hold(kind.name, Cause.HELD, kind.held)
    if ordered := _ordered(kind.name, facts.drains, now=now):
        return ordered
    if shutdown_time is not None and now + kind.min_wallclock_seconds > shutdown_time:
        left = f"shutdown_time is {shutdown_time - now} s away"
        detail = f"{left} and min_wallclock_seconds is {kind.min_wallclock_seconds}"
        return _hold(kind.name, Cause.SHUTDOWN_TIME, detail)
    return _failing(stock, now=now) or _aborting(stock, now=now) or _giving_way(kind, facts, now)


def _giving_way(kind: Machinetype, facts: SpaceFacts, now: int) -> Hold | None:
    """Return whether a preemptible machinetype must wait for what becomes of the room it gave.

    So long that whoever got the room has shown whether it has work, and may even have aborted and
    waited for more: a machine is not preempted for room that the next preemptible one gets.
    """
    preempted_at = facts.memory.preempted_at
    if not kind.preemptible or preempted_at is None:
        return None
    others = [each.fizzle_seconds for each in facts.machinetypes if not each.preemptible]
    until = preempted_at + max(others, default=0) + facts.preempt_after_seconds
    if now >= until:
        return None
    if ends := [by for machine in facts.machines if (by := _gives_way_by(machine)) is not None]:
        detail = f"preemptible machines are making room for others, the last by {max(ends)}"
        return _hold(kind.name, Cause.MAKING_ROOM, detail)  # how long is known once they are gone
    detail = f"preemptible machines made room for others {now - preempted_at} s ago"
    return _hold(kind.name, Cause.MAKING_ROOM, detail, until)


def _gives_way_by(machine: Machine) -> int | None:
    is_there = machine.stage is not Stage.GONE
    return machine.leave_by if is_there and machine.leave_why == Reason.PREEMPTED else None


def is_on_probation(stock: Stock, *, now: int) -> bool:
    """Tell whether a machinetype has aborted and nothing has shown since that it has work.

    Proof is a machine created after the abort that ended well (remembered) or has run for
    fizzle_seconds (seen here): evidence, not time, so that a slow boot ends no probation.
    """
    kind = stock.machinetype
    aborted_at, proven_at = kind.memory.last_abort_at, kind.memory.proven_at
    if aborted_at is None or (proven_at is not None and proven_at > aborted_at):
        return False
    return not any(
        machine.created_at > aborted_at and _has_run(machine, kind.fizzle_seconds, now=now)
        for machine in stock.living
    )


def probing_hold(stock: Stock, *, now: int) -> Hold:
    """Return the hold of a machinetype that has its one probe."""
    kind = stock.machinetype
    aborted_at = kind.memory.last_abort_at
    assert aborted_at is not None, "only what has aborted is probed"
    detail = (
        f"one probe at a time since the abort {now - aborted_at} s ago, until a machine has run"
        f" for {kind.fizzle_seconds} s or ended without abort"
    )
    proofs = [
        machine.started_at + kind.fizzle_seconds
        for machine in stock.living
        if machine.started_at is not None and machine.created_at > aborted_at
    ]
    return _hold(kind.name, Cause.PROBING, detail, min(proofs, default=None))


def _failing(stock: Stock, *, now: int) -> Hold | None:
    memory = stock.machinetype.memory
    until = retry_at(
        memory.creation_failures, memory.creation_failed_at, most_seconds=MOST_FAILURE_SECONDS
    )
    if until is None or now >= until:
        return None
    return creation_failed(memory, until)


def creation_failed(memory: MachinetypeMemory, until: int | None = None) -> Hold:
    """Return the hold of a machinetype of which no machine came to run lately."""
    detail = f"creation failed {memory.creation_failures} times in a row"
    detail = _with(detail, memory.creation_error)
    return _hold(memory.machinetype, Cause.CREATION_FAILED, detail, until)


def fails_for_long(memory: MachinetypeMemory) -> bool:
    """Return whether creations failed so often in a row that they are tried once an hour only.

    At one failure a cycle that takes an hour: 60 s after the first, twice as long after each.
    """
    return FIRST_RETRY_SECONDS << memory.creation_failures >= 2 * MOST_FAILURE_SECONDS


def _aborting(stock: Stock, *, now: int) -> Hold | None:
    kind = stock.machinetype
    aborted_at = kind.memory.last_abort_at
    if aborted_at is None:
        return None
    until = aborted_at + kind.backoff_seconds
    if now < until:
        detail = f"a machine aborted {now - aborted_at} s ago"
        detail = f"{detail} and backoff_seconds is {kind.backoff_seconds}"
        return _hold(kind.name, Cause.BACKOFF, detail, until)
    return probing_hold(stock, now=now) if _is_probing(stock, now=now) else None


def _is_probing(stock: Stock, *, now: int) -> bool:
    """Tell whether a machinetype on probation still waits for what some machine will show."""
    fizzle_seconds = stock.machinetype.fizzle_seconds
    return is_on_probation(stock, now=now) and any(
        is_starting(machine) or not _has_run(machine, fizzle_seconds, now=now)
        for machine in stock.living
    )


def _has_run(machine: Machine, seconds: int, *, now: int) -> bool:
    return machine.started_at is not None and now - machine.started_at >= seconds


def _ordered(name: str, drains: Mapping[str, Drain], *, now: int) -> Hold | None:
    """Return what an operator ordered, unless it is over by itself."""
    drain = drains.get(name)
    if drain is None or (drain.until is not None and now >= drain.until):
        return None
    if not drain.is_hold:
        return _hold(name, Cause.DRAIN, _drained(drain))
    who = f" by {drain.who}" if drain.who else ""
    detail = _with(f"held since {drain.since}{who}", drain.reason)
    return _hold(name, Cause.ON_HOLD, detail, drain.until)


def _drained(drain: Drain) -> str:
    who = f" by {drain.who}" if drain.who else ""
    by = f", everything must be gone at {drain.by}" if drain.by is not None else ""
    return f"drained since {drain.since}{who}{by}"


def _with(detail: str, error: str) -> str:
    return f"{detail}: {error}" if error else detail


def _hold(name: str, cause: Cause, detail: str, until: int | None = None) -> Hold:
    return Hold(machinetype=name, cause=cause, detail=detail, until=until)
