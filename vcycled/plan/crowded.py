"""Who lacks room because the cloud itself has none, whatever limits are known.

# Note [A cloud that is full]

A cloud that refuses a machine for want of capacity or quota does not say how much it has. What is
there is then all that there may be: what a machinetype gets, preemptible machines must give first.
So its share is one of what is there, and room is made round by round: machines are told, and only
when all of them are gone and a machine has started that was asked for after that does a new wait
begin. If none starts, as when it needs hosts of another kind, that is an hour later, and what
became free is not kept for it meanwhile; and room is made for one machine only.

A cloud is asked again now and then, and each time it might have room. So what it refused lately
counts for a while: it keeps a wait and a round going, but begins neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vcycled.model import Cause, Hold, Machine, Reason, SpaceFacts
from vcycled.plan.creates import Candidate, is_below
from vcycled.plan.flavors import Place, choose
from vcycled.plan.holds import is_on_probation, machinetype_hold, space_hold
from vcycled.plan.stock import Count, Stock

LATELY_SECONDS = 3600
"""What the cloud said of its capacity counts for so long after it may be asked again."""
ROUND_SECONDS = 3600
"""A round that brought nothing is over so long after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """A machinetype below its share of what is there for which the cloud lately had no room."""

    candidate: Candidate
    is_refused: bool
    """The cloud is not asked for it now; else it may be asked again."""

    @property
    def name(self) -> str:
        """Return the name of the machinetype."""
        return self.candidate.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Those of a space for which the cloud lately had no room, by name."""

    members: tuple[Crowded, ...]
    total: Count
    """What the space holds."""
    weight: float
    """What our machines weigh."""
    is_round: bool
    """Machines that were told to make room are there; nobody else is told for these."""

    @property
    def first(self) -> str:
        """Return for whom preemptible machinetypes leave what is free; empty if for nobody."""
        return next((each.name for each in self.members), "")


def is_told(machine: Machine) -> bool:
    """Tell whether a machine was told to make room."""
    return machine.leave_why == Reason.PREEMPTED


def full(facts: SpaceFacts, total: Count) -> SpaceFacts:
    """Return `facts` where what is there, in `total`, is all that there may be."""
    known = (total.processors, facts.limits.processors)
    most = min(each for each in known if each is not None)
    return replace(facts, limits=replace(facts.limits, processors=most))


def crowded(
    facts: SpaceFacts,
    stocked: Sequence[Stock],
    total: Count,
    machines: Sequence[Machine],
    *,
    now: int,
) -> Crowd:
    """Return who lacks nothing but room in the cloud that could be made."""
    weight = sum(stock.limited * stock.power for stock in stocked)
    is_round = any(is_told(machine) for machine in machines)
    to_give = sum(stock.limited for stock in stocked if stock.machinetype.preemptible)
    given, preempted_at = full(facts, total), facts.memory.preempted_at
    members = []
    for each in _refused(facts, stocked, now=now):
        candidate = each.candidate
        if is_round and candidate.stock.machinetype.memory.waiting_since is not None:
            members.append(each)  # what is there changes while machines leave one by one
            continue
        has_helped = _has_started(candidate, preempted_at)
        is_over = preempted_at is None or now >= preempted_at + ROUND_SECONDS
        if (
            (has_helped or is_over)
            and candidate.choice.flavor.processors <= to_give
            and is_below(candidate, given, total, weight)
        ):
            is_probe = candidate.is_probe or not has_helped
            members.append(replace(each, candidate=replace(candidate, is_probe=is_probe)))
    return Crowd(members=tuple(members), total=total, weight=weight, is_round=is_round)


def _refused(facts: SpaceFacts, stocked: Sequence[Stock], *, now: int) -> Iterator[Crowded]:
    """Yield whom the cloud lately had no room for; nobody if something else holds the space."""
    hold = space_hold(facts, now=now)
    has_no_quota = hold is not None and hold.cause is Cause.QUOTA
    if hold is not None and not has_no_quota:
        return
    known = _known(facts, now=now)
    for stock in stocked:
        kind = stock.machinetype
        if kind.preemptible or machinetype_hold(stock, facts, now=now) is not None:
            continue
        choice, refusal = choose(kind, facts, {}), choose(kind, facts, known)
        if isinstance(choice, Hold):
            continue
        until = refusal.until if isinstance(refusal, Hold) else None
        if until is not None or facts.memory.quota_failures:
            is_probe = is_on_probation(stock, now=now)
            candidate = Candidate(stock=stock, choice=choice, rank=0, is_probe=is_probe)
            is_refused = has_no_quota or (until is not None and now < until)
            yield Crowded(candidate=candidate, is_refused=is_refused)


def _known(facts: SpaceFacts, *, now: int) -> Mapping[Place, int]:
    """Return for what the cloud lately had no capacity, and until when it is not asked again."""
    return {
        (each.flavor, each.zone): each.until
        for each in facts.memory.unfit
        if now < each.until + LATELY_SECONDS
    }


def _has_started(candidate: Candidate, preempted_at: int | None) -> bool:
    """Tell whether one of its machines runs that was asked for after room was last made."""
    return preempted_at is not None and any(
        each.started_at is not None and each.created_at > preempted_at
        for each in candidate.stock.living
    )
