"""Who grows, machine by machine, and why everybody stops.

# Note [Who yields]

The neediest machinetype is served first: the one with the least weight for its target share. One
that is held or has reached its own limit yields, so that no share lies idle. One that merely lacks
room does not: what becomes free is kept for it, or small machines would take every processor
before a large flavor ever fits. So the first that lacks room stops all, and so does the creation
cap, which must not favor the small either.

Preemptible machinetypes come after all others, whatever their shares, and so get only room that
nobody else wants.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from vcycled.model import Cause, Create, Flavor, Hold, SpaceFacts
from vcycled.plan.flavors import Choice, choose, unfit_until
from vcycled.plan.holds import is_on_probation, machinetype_hold, probing_hold, space_hold
from vcycled.plan.stock import Count, Stock, foreign

LEAST_CAP = 10
"""Processors that a percentage allows at least where no limit of the space is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What is made, and for each machinetype (or the whole space) why no more."""

    creates: tuple[Create, ...]
    holds: tuple[Hold, ...]
    total: Count
    """What the space holds with what is made."""
    budget: int
    """How many processors may be asked for in one cycle."""
    weight: float
    """What our machines weigh that are not gone, with what is made."""
    wanting: tuple[Candidate, ...] = ()
    """Those below their shares that would grow further, but for preemptible ones."""
    lacks_room: bool = False
    """Room is what they lack; else the cap stopped them."""


def plan_creates(
    facts: SpaceFacts,
    stocked: Sequence[Stock],
    total: Count,
    *,
    now: int,
    rng: random.Random,
    kept_for: str = "",
) -> Growth:
    """Return what to create, given what each machinetype (by name) and the whole space have.

    Preemptible machinetypes get nothing if the cloud lacks room for the one that it is `kept_for`.
    """
    ranks = _draw(stocked, rng)
    hold = space_hold(facts, now=now)
    budget = _budget(facts, total)
    weight = sum(stock.limited * stock.power for stock in stocked)
    if hold is not None:
        return Growth(creates=(), holds=(hold,), total=total, budget=budget, weight=weight)
    filling = _Filling(facts=facts, now=now, total=total, budget=budget, weight=weight)
    unfit = unfit_until(facts, now=now)
    for stock in stocked:
        kind = stock.machinetype
        hold = machinetype_hold(stock, facts, now=now)
        if hold is None and kind.preemptible and kept_for:
            hold = _kept(kind.name, kept_for)
        found = hold or choose(kind, facts, unfit)
        if isinstance(found, Hold):
            filling.holds.append(found)
        else:
            filling.enter(stock, found, ranks[stock.name])
    return filling.done()


def _draw(stocked: Sequence[Stock], rng: random.Random) -> dict[str, int]:
    """Return the place of each machinetype in one random order."""
    names = [stock.name for stock in stocked]
    rng.shuffle(names)
    return {name: rank for rank, name in enumerate(names)}


def _budget(facts: SpaceFacts, total: Count) -> int:
    """Return how many processors may be asked for in one cycle."""
    cap, limit = facts.creation_cap, facts.limits.processors
    if limit is not None:
        return cap.of(limit)
    amount = cap.of(total.processors)
    return amount if cap.count is not None else max(LEAST_CAP, amount)


@dataclass(slots=True, kw_only=True)
class Candidate:
    """A machinetype that may grow."""

    stock: Stock
    choice: Choice
    rank: int
    """Its place in the draw that breaks ties."""
    is_probe: bool
    """It gets one machine and then waits for what that shows."""

    @property
    def name(self) -> str:
        """Return the name of the machinetype."""
        return self.stock.name

    @property
    def is_preemptible(self) -> bool:
        """Tell whether all others come first."""
        return self.stock.machinetype.preemptible

    @property
    def per_share(self) -> float:
        """Return what it has for its share."""
        return self.stock.weight / self.stock.machinetype.target_share

    def need(self) -> tuple[bool, float, int]:
        """Return its place: the least is the neediest."""
        return self.is_preemptible, self.per_share, self.rank


@dataclass(slots=True, kw_only=True)
class _Filling:
    """The space as it would be if what is planned so far were done."""

    facts: SpaceFacts
    now: int
    total: Count
    budget: int
    weight: float
    spent: int = 0
    """Processors planned in this cycle."""
    wanting: tuple[Candidate, ...] = ()
    lacks_room: bool = False
    growing: dict[str, Candidate] = field(default_factory=dict)
    creates: list[Create] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    def enter(self, stock: Stock, choice: Choice, rank: int) -> None:
        """Let a machinetype take part."""
        is_probe = is_on_probation(stock, now=self.now)
        self.growing[stock.name] = Candidate(
            stock=stock, choice=choice, rank=rank, is_probe=is_probe
        )

    def done(self) -> Growth:
        """Return what comes of it, once every machinetype has dropped out."""
        while self.growing:
            neediest = min(self.growing.values(), key=Candidate.need)
            flavor = neediest.choice.flavor
            capped = own_limit(neediest)
            if capped is not None:
                self._drop(neediest, capped)
            elif self._excess(flavor) or self._is_over_budget(flavor):
                self._stop(neediest)
            else:
                self._create(neediest)
        holds = sorted(self.holds, key=lambda hold: hold.machinetype)
        return Growth(
            creates=tuple(self.creates),
            holds=tuple(holds),
            total=self.total,
            budget=self.budget,
            weight=self.weight,
            wanting=self.wanting,
            lacks_room=self.lacks_room,
        )

    def _excess(self, flavor: Flavor) -> str | None:
        return self.total.plus(flavor).excess(self.facts.limits, foreign(self.facts.memory))

    def _is_over_budget(self, flavor: Flavor) -> bool:
        """Tell whether the cap forbids it; it never forbids the first machine of a cycle."""
        return self.spent > 0 and self.spent + flavor.processors > self.budget

    def _create(self, candidate: Candidate) -> None:
        stock, choice = candidate.stock, candidate.choice
        why = (
            f"{stock.shared} processors for a share of {stock.machinetype.target_share:g}"
            f" is the least of the {len(self.growing)} that may grow"
        )
        self.creates.append(
            Create(machinetype=stock.name, flavor=choice.flavor, zone=choice.zone, why=why)
        )
        self.spent += choice.flavor.processors
        self.total = self.total.plus(choice.flavor)
        self.weight += choice.flavor.processors * stock.power
        candidate.stock = stock.plus(choice.flavor)
        if candidate.is_probe:
            self._drop(candidate, probing_hold(stock, now=self.now))

    def _drop(self, candidate: Candidate, hold: Hold) -> None:
        del self.growing[candidate.stock.name]
        self.holds.append(hold)

    def _stop(self, neediest: Candidate) -> None:
        """Let everybody drop out, as the neediest can get no more; see note [Who yields]."""
        lack = self._excess(neediest.choice.flavor)
        self.lacks_room = lack is not None
        self.wanting = tuple(
            each
            for each in self.growing.values()
            if not each.is_preemptible and is_below(each, self.facts, self.total, self.weight)
        )
        for each in list(self.growing.values()):
            hold = own_limit(each) or self._space_limit(each)
            if hold is None and lack is not None:
                hold = _reserved(each, neediest, lack)
            self._drop(each, hold or self._over_budget(each, neediest))

    def _space_limit(self, candidate: Candidate) -> Hold | None:
        flavor = candidate.choice.flavor
        lack = self._excess(flavor)
        if lack is None:
            return None
        detail = f"one more {flavor.name} would make {lack}"
        return _hold(candidate, Cause.SPACE_LIMIT, detail)

    def _over_budget(self, candidate: Candidate, neediest: Candidate) -> Hold:
        detail = (
            f"{self.spent} new processors in this cycle; one more {neediest.choice.flavor.name} of"
            f" {neediest.stock.name}, which is next, would pass the creation cap of {self.budget}"
        )
        return _hold(candidate, Cause.CREATION_CAP, detail, self.now + self.facts.cycle_seconds)


def is_below(candidate: Candidate, facts: SpaceFacts, total: Count, weight: float) -> bool:
    """Tell whether a machinetype may have more and has less than its share of the space.

    Of the space as if those that are not preemptible had all of ours, which weighs `weight`, and
    what is free beside the `total`.
    """
    limit = facts.limits.processors
    free = 0 if limit is None else max(0, limit - total.processors)
    whole = weight + free * candidate.stock.power
    promised = sum(kind.target_share for kind in facts.machinetypes if not kind.preemptible)
    return candidate.per_share * promised < whole and own_limit(candidate) is None


def own_limit(candidate: Candidate) -> Hold | None:
    """Return which limit of its own the machinetype would exceed by one more machine."""
    kind = candidate.stock.machinetype
    after = candidate.stock.plus(candidate.choice.flavor)
    one_more = f"one more {candidate.choice.flavor.name} would make"
    limit, starting_limit = kind.processors_limit, kind.max_starting_processors
    if limit is not None and after.limited > limit:
        detail = f"{one_more} {after.limited} processors of it; its limit is {limit}"
        return _hold(candidate, Cause.MACHINETYPE_LIMIT, detail)
    if starting_limit is not None and after.starting > starting_limit:
        detail = f"{one_more} {after.starting} starting processors; the limit is {starting_limit}"
        return _hold(candidate, Cause.STARTING_LIMIT, detail)
    return None


def _kept(name: str, kept_for: str) -> Hold:
    detail = (
        f"what becomes free is kept for {kept_for}, to which this one gives way: the cloud had no"
        " room for it"
    )
    return Hold(machinetype=name, cause=Cause.RESERVED, detail=detail)


def _reserved(candidate: Candidate, neediest: Candidate, lack: str) -> Hold:
    detail = (
        f"what is free is kept for {neediest.stock.name}, {_rank(candidate, neediest)}:"
        f" one more {neediest.choice.flavor.name} would make {lack}"
    )
    return _hold(candidate, Cause.RESERVED, detail)


def _rank(candidate: Candidate, neediest: Candidate) -> str:
    """Return in words why `neediest` comes first."""
    is_outranked = candidate.is_preemptible and not neediest.is_preemptible
    return "to which this one gives way" if is_outranked else "further below its share"


def _hold(candidate: Candidate, cause: Cause, detail: str, until: int | None = None) -> Hold:
    return Hold(machinetype=candidate.stock.name, cause=cause, detail=detail, until=until)
