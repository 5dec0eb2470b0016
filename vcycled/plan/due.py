"""From when on a machine must go, and why.

# Note [Rules as instants]

A rule is given as the first instant at which it holds, not as a test of `now`: the same number
decides about the delete and tells when to wake for it, so the two cannot disagree. "Longer than
600 s" is "from started_at + 601 on"; what holds whatever the time is due AT_ONCE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vcycled.model import (
    FATE,
    Fate,
    Machine,
    MachineState,
    Machinetype,
    Reason,
    SpaceFacts,
    Stage,
    Terms,
)
from vcycled.plan.leaving import Leaves

AT_ONCE = 0


class Due(NamedTuple):
    """A reason to delete a machine and the first instant at which it holds; the least is first."""

    at: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for the machines of a space, looked up once for all of them."""

    machinetypes: Mapping[str, Machinetype]
    leaves: Leaves
    receiver_up_since: int | None

    def of(self, machine: Machine) -> Machinetype | Terms:
        """Return the section of a machine as it is now, or else what the machine was promised."""
        return self.machinetypes.get(machine.machinetype) or machine.terms


def rules(facts: SpaceFacts, leaves: Leaves) -> Rules:
    """Return the rules of a space."""
    return Rules(
        machinetypes={kind.name: kind for kind in facts.machinetypes},
        leaves=leaves,
        receiver_up_since=facts.receiver_up_since,
    )


def reasons(machine: Machine, known: Rules) -> Sequence[Due]:
    """Return each reason to delete `machine` and from when on it holds, the most telling first.

    A machine that was never listed goes only by order or, once the cloud was asked for it, after
    the start timeout: there may be nothing to delete yet.
    """
    if machine.is_delete_ordered:
        return (Due(AT_ONCE, Reason.ORDERED),)
    if machine.delete_reason == Reason.DOUBLE:
        return (Due(AT_ONCE, Reason.DOUBLE),)
    if machine.stage is Stage.LISTED:
        return _listed(machine, known)
    if machine.stage is Stage.ASKED:
        return (_not_started(machine, known.of(machine)),)
    return ()


def _listed(machine: Machine, known: Rules) -> Sequence[Due]:
    fate = FATE[machine.state]
    if fate is Fate.REMOVE:
        is_failed = machine.state is MachineState.FAILED
        return (Due(AT_ONCE, Reason.FAILED if is_failed else Reason.FINISHED),)
    if fate is Fate.GOING:
        return (Due(AT_ONCE, Reason.DELETING),)
    leave = known.leaves.get(machine.uuid)
    aged = _aged(machine, known)
    if leave is None:
        return aged
    if leave.why is Reason.TOO_OLD:  # told by its promise, not by the option as it is now
        aged = [due for due in aged if due.reason is not Reason.TOO_OLD]
    return (Due(leave.by + 1, leave.why), *aged)


def _aged(machine: Machine, known: Rules) -> Sequence[Due]:
    terms = known.of(machine)
    if machine.started_at is None:
        return (_not_started(machine, terms),)
    too_old = Due(machine.started_at + terms.max_wallclock_seconds + 1, Reason.TOO_OLD)
    silent_at = _silent_at(machine, terms, machine.started_at, known.receiver_up_since)
    return (too_old,) if silent_at is None else (too_old, Due(silent_at, Reason.SILENT))


def _not_started(machine: Machine, terms: Machinetype | Terms) -> Due:
    return Due(machine.created_at + terms.start_timeout_seconds + 1, Reason.NOT_STARTED)


def _silent_at(
    machine: Machine, terms: Machinetype | Terms, started_at: int, receiver_up_since: int | None
) -> int | None:
    """Return from when on the heartbeat is missing or stale for certain; None if it never is.

    For certain: the site that receives heartbeats was up for as long as we wait for one.
    """
    if not (terms.heartbeat_file and machine.is_heartbeat_known) or receiver_up_since is None:
        return None
    patience = terms.heartbeat_seconds or terms.fizzle_seconds
    known_at = max(judged_at(terms, started_at), receiver_up_since + patience)
    if machine.heartbeat_at is None:
        return known_at
    if not terms.heartbeat_seconds:
        return None
    return max(known_at, stale_at(terms, machine.heartbeat_at))


def judged_at(terms: Machinetype | Terms, started_at: int) -> int:
    """Return from when on a machine must have a heartbeat."""
    return started_at + max(terms.fizzle_seconds, terms.heartbeat_seconds) + 1


def stale_at(terms: Machinetype | Terms, heartbeat_at: int) -> int:
    """Return from when on a heartbeat is too old, if the file has to be kept fresh."""
    return heartbeat_at + terms.heartbeat_seconds + 1
