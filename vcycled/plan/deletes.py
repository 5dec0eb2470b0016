"""Which machines go now, which are due but held back, and when to look for the next.

# Note [What waits unseen]

A machine whose delete was asked for and whose next attempt is not due yet is neither planned nor
deferred: nothing is wrong, the cloud has its time. It only wakes the planner. The delay grows with
the attempts, so that a machine the cloud cannot delete costs ever fewer calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vcycled.model import Deferred, Delete, Machine, Reason, SpaceFacts
from vcycled.plan.due import AT_ONCE, Due, Rules, judged_at, reasons, rules, stale_at
from vcycled.plan.instants import retry_at
from vcycled.plan.leaving import Leaves
from vcycled.plan.stock import LIVING

MOST_RETRY_SECONDS = 3600
JUMP_HOLD_SECONDS = 600
"""For so long after a jump of the clock nothing is deleted for its age."""
FEWEST_TOGETHER = 3
"""So many heartbeats must go stale at once to suspect the network and not the machines."""

UNCAPPED = frozenset(
    {
        Reason.FINISHED,
        Reason.FAILED,
        Reason.DELETING,
        Reason.ORDERED,
        Reason.DOUBLE,
        Reason.SHUTDOWN_TIME,
        Reason.DRAINED,
    }
)
"""What has ended, was made twice or is unwanted: neither capped nor held by a suspect listing."""

BY_CLOCK = frozenset(
    {
        Reason.TOO_OLD,
        Reason.NOT_STARTED,
        Reason.SILENT,
        Reason.SHUTDOWN_TIME,
        Reason.DRAINED,
        Reason.PREEMPTED,
    }
)
"""What a wrong clock could bring about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What goes and what does not."""

    deletes: tuple[Delete, ...]
    deferred: tuple[Deferred, ...]
    waits: tuple[int, ...]
    """Instants to come at which something is due or no longer held."""


def plan_deletes(
    facts: SpaceFacts, machines: Sequence[Machine], leaves: Leaves, *, now: int
) -> Removal:
    """Return the deletes of a space, oldest machine first, behind their guards and the cap."""
    known = rules(facts, leaves)
    due, waits = _due(machines, known, now=now)
    stale = len(_stale_together(machines, known, now=now))
    room = most = facts.deletion_cap.of(len(machines))  # rounded up: at least one
    deletes: list[Delete] = []
    deferred: list[Deferred] = []
    for delete in due:
        held = _held(delete, facts, stale, now=now)
        if held is None and delete.reason not in UNCAPPED:
            room -= 1
            held = _capped(delete, facts, most, now=now) if room < 0 else None
        if held is None:
            deletes.append(delete)
        else:
            deferred.append(held)
    waits += [held.until for held in deferred if held.until is not None]
    return Removal(deletes=tuple(deletes), deferred=tuple(deferred), waits=tuple(waits))


def _due(machines: Iterable[Machine], known: Rules, *, now: int) -> tuple[list[Delete], list[int]]:
    """Return what may be tried now, oldest first, and when each of the others will be."""
    due: list[Delete] = []
    waits: list[int] = []
    for machine in machines:
        nearest = _nearest(reasons(machine, known), now=now)
        if nearest is None:
            continue
        at = max(nearest.at, _retried_at(machine))
        if at > now:
            waits.append(at)
        else:
            due.append(Delete(machine=machine, reason=nearest.reason))
    due.sort(key=lambda each: (each.machine.created_at, each.machine.name, each.machine.uuid))
    return due, waits


def _nearest(dues: Sequence[Due], *, now: int) -> Due | None:
    """Return the first that holds at `now`, or else the one that will hold first."""
    for due in dues:
        if due.at <= now:
            return due
    return min(dues, default=None)


def _retried_at(machine: Machine) -> int:
    last_at = machine.delete_attempt_at
    again_at = retry_at(machine.delete_attempts, last_at, most_seconds=MOST_RETRY_SECONDS)
    return AT_ONCE if again_at is None else again_at


def _stale_together(machines: Iterable[Machine], known: Rules, *, now: int) -> list[Machine]:
    """Return the machines whose heartbeats have gone stale if every one has, else none.

    Only machines that are to keep theirs fresh, are old enough to be judged by it and have ever
    sent one tell anything.
    """
    stale: list[Machine] = []
    for machine in machines:
        terms = known.of(machine)
        if not (terms.heartbeat_file and terms.heartbeat_seconds and machine.state in LIVING):
            continue
        if machine.started_at is None or machine.heartbeat_at is None:
            continue
        if judged_at(terms, machine.started_at) > now:
            continue
        if stale_at(terms, machine.heartbeat_at) > now:
            return []
        stale.append(machine)
    return stale


def _held(delete: Delete, facts: SpaceFacts, stale: int, *, now: int) -> Deferred | None:
    """Return why a delete is not to be trusted now, if it is not."""
    machine, reason = delete.machine, delete.reason
    if machine.missing_since is not None and reason is not Reason.ORDERED:
        return _deferred(delete, "it was absent from the last listing")
    if _is_new(machine, facts) and reason is not Reason.ORDERED:
        why = "only one listing has shown it so far, and nothing else is known of it"
        return _deferred(delete, why, now + facts.cycle_seconds)
    jumped_at = facts.memory.clock_jumped_at
    if jumped_at is not None and now < jumped_at + JUMP_HOLD_SECONDS and reason in BY_CLOCK:
        why = (
            f"the clock jumped at {jumped_at}; nothing is deleted by age for {JUMP_HOLD_SECONDS} s"
        )
        return _deferred(delete, why, jumped_at + JUMP_HOLD_SECONDS)
    suspect_since = facts.memory.suspect_since
    if suspect_since is not None and reason not in UNCAPPED:
        return _deferred(delete, f"listings have shown far too few machines since {suspect_since}")
    is_stale = reason is Reason.SILENT and machine.heartbeat_at is not None
    if is_stale and stale >= FEWEST_TOGETHER:
        why = f"all {stale} heartbeats went stale together: suspect the network or the web site"
        return _deferred(delete, why)
    return None


def _is_new(machine: Machine, facts: SpaceFacts) -> bool:
    """Return whether all that is known of a machine is that the last listing showed it.

    One that we made is known by its intent, and has a token.
    """
    if machine.token_hash or machine.seen_at is None:
        return False
    return machine.seen_at == facts.memory.listed_at


def _capped(delete: Delete, facts: SpaceFacts, most: int, *, now: int) -> Deferred:
    why = f"no more than {most} machines are deleted in one cycle (deletion cap)"
    return _deferred(delete, why, now + facts.cycle_seconds)


def _deferred(delete: Delete, why: str, until: int | None = None) -> Deferred:
    return Deferred(machine=delete.machine, reason=delete.reason, why=why, until=until)
