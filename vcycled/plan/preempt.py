"""Which preemptible machines give way, and to whom.

# Note [Giving way]

A machinetype below its share that would grow but lacks room waits. Once it has waited for
preempt_after_seconds, the youngest preemptible machines are told to leave, as few as make room for
what the creation cap would let those who wait have at once. All is counted anew in each plan, with
what is on its way out already: whoever was told stays told while the need is there, and is told
that it may stay once it is not. So one need is never met twice.

The room goes to whoever waits. Should it be left over after all, as when a probe finds no work,
nothing preemptible takes it for a while (`holds`): machines do not go back and forth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from vcycled.model import GRACE_SECONDS, Cause, Flavor, Limits, Machine, Reason, SpaceFacts, Wait
from vcycled.plan.creates import Candidate, Growth, is_below
from vcycled.plan.crowded import Crowd, Crowded, full, is_told
from vcycled.plan.due import Rules, reasons, rules
from vcycled.plan.leaving import Leaves, can_be_told
from vcycled.plan.stock import LIVING, Count

SLOW_ATTEMPTS = 3
"""A machine that is there after so many deletions may well stay: its room is not counted on."""
_UNSURE = frozenset({Reason.NOT_STARTED, Reason.SILENT})
"""A sign of life may still do away with these."""
_PASSING = frozenset({Cause.HELD, Cause.ON_HOLD, Cause.LISTING_SUSPECT, Cause.PAUSED})
"""Under these holds of a space waits go on and nobody gives way; who was told keeps its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yielding:
    """Who waits, and who gives way."""

    waits: tuple[Wait, ...]
    uuids: frozenset[str]
    """Of the machines that give way, or did so and are not gone yet."""


def plan_yielding(
    facts: SpaceFacts,
    growth: Growth,
    crowd: Crowd,
    machines: Sequence[Machine],
    leaves: Leaves,
    *,
    now: int,
) -> Yielding:
    """Return who waits and who gives way, given who leaves for other reasons.

    `crowd` are those for which the cloud had no room. What they get others are not given.
    """
    names = frozenset(kind.name for kind in facts.machinetypes if kind.preemptible)
    if not names:
        return Yielding(waits=(), uuids=frozenset())
    under_way = [each.uuid for each in machines if _is_under_way(each)]
    if _PASSING & {hold.cause for hold in growth.holds if not hold.machinetype}:
        kept = [each.uuid for each in machines if is_told(each) and _told_by(each) >= now]
        return Yielding(waits=_kept(facts, now=now), uuids=frozenset((*under_way, *kept)))
    wanting, lacking = _apart(growth, crowd)
    waits = {wait.machinetype: wait for wait in _waits(growth, wanting, lacking, now=now)}
    known = rules(facts, leaves)
    going = {each.uuid: each for each in machines if _is_going(each, known, now=now)}
    staying = [each for each in machines if each.uuid not in going and each.machinetype in names]
    latest = now - facts.preempt_after_seconds
    ready = {name for name, wait in waits.items() if wait.since <= latest}
    room = _Room(total=crowd.total, pool=_pool(staying))
    room.give_up(going.values())
    if crowd.is_round and any(each.name in ready for each in lacking):
        room.give_up_told()
    elif not crowd.is_round:
        served = [each.candidate for each in lacking if each.is_refused and each.name in ready]
        as_is = replace(growth, total=crowd.total, weight=crowd.weight)
        _fill(room, served, full(facts, crowd.total), as_is)
    room.total = growth.total
    room.give_up(going.values())
    _fill(room, [each for each in wanting if each.name in ready], facts, growth)
    return Yielding(
        waits=tuple(waits[name] for name in sorted(waits)),
        uuids=frozenset((*under_way, *room.chosen)),
    )


def _kept(facts: SpaceFacts, *, now: int) -> tuple[Wait, ...]:
    """Return the waits as they are remembered, while something holds the space for a while."""
    known = sorted(facts.machinetypes, key=lambda kind: kind.name)
    return tuple(
        Wait(machinetype=kind.name, since=min(kind.memory.waiting_since, now))
        for kind in known
        if kind.memory.waiting_since is not None and not kind.preemptible
    )


def _apart(growth: Growth, crowd: Crowd) -> tuple[Sequence[Candidate], Sequence[Crowded]]:
    """Return who lacks room within the limits, and who only in the cloud; nobody is in both.

    Limits that would be full only with what a full cloud is asked for now are not full.
    """
    names = {each.name for each in crowd.members}
    is_full = not growth.creates
    wanting = [each for each in growth.wanting if is_full or each.name not in names]
    limited = {each.name for each in wanting}
    return wanting, [each for each in crowd.members if each.name not in limited]


def _waits(
    growth: Growth, wanting: Iterable[Candidate], lacking: Iterable[Crowded], *, now: int
) -> Iterator[Wait]:
    """Yield who waits.

    The creation cap ends no wait, but it begins none either; nor does a cloud that is asked again.
    """
    begins = [(each, growth.lacks_room) for each in wanting]
    begins += [(each.candidate, each.is_refused) for each in lacking]
    for each, is_begun in begins:
        since = each.stock.machinetype.memory.waiting_since
        if since is not None or is_begun:
            yield Wait(machinetype=each.name, since=now if since is None else min(since, now))


def _is_going(machine: Machine, known: Rules, *, now: int) -> bool:
    """Tell whether a machine is gone before one would be that is told to leave now."""
    soon = now + GRACE_SECONDS + 1
    ends = [due.at for due in reasons(machine, known) if due.reason not in _UNSURE]
    is_ending = machine.delete_attempts > 0 or any(at <= soon for at in ends)
    return is_ending and machine.delete_attempts < SLOW_ATTEMPTS


def _told_by(machine: Machine) -> float:
    """Return by when a machine leaves that gives way; later than any time if it was not told."""
    if machine.leave_by is None or not is_told(machine):
        return math.inf
    return machine.leave_by


def _is_under_way(machine: Machine) -> bool:
    """Tell whether a machine gave way and will not come back."""
    return is_told(machine) and (machine.delete_attempts > 0 or machine.state not in LIVING)


def _pool(machines: Iterable[Machine]) -> dict[str, Machine]:
    """Return the machines that may give way: those that were told so, then the youngest first."""
    able = [
        each
        for each in machines
        if can_be_told(each)
        and not each.delete_attempts
        and (each.missing_since is None or is_told(each))
    ]
    able.sort(key=lambda each: (each.name, each.uuid))
    able.sort(key=lambda each: each.created_at, reverse=True)
    able.sort(key=_told_by)
    return {each.uuid: each for each in able}


@dataclass(slots=True, kw_only=True)
class _Room:
    """The space as it would be once machines gave way and others took their room."""

    total: Count
    pool: dict[str, Machine]
    """Who may give way, in that order."""
    chosen: list[str] = field(default_factory=list)

    def give_up(self, machines: Iterable[Machine]) -> None:
        """Count `machines` no more."""
        for machine in machines:
            self.total = self.total.minus(machine)

    def give_up_told(self) -> None:
        """Let all give way that were told, and nobody else."""
        self.chosen = [uuid for uuid, machine in self.pool.items() if is_told(machine)]
        self.pool = {uuid: self.pool[uuid] for uuid in self.pool if uuid not in self.chosen}

    def take(self, flavor: Flavor, limits: Limits) -> bool:
        """Take room for one more machine; few machines give way for it. False if none will do."""
        after, leaving = self.total.plus(flavor), []
        for machine in self.pool.values():
            if not after.excess(limits):
                break
            after = after.minus(machine)
            leaving.append(machine)
        if after.excess(limits):
            return False
        for machine in leaving:
            if not is_told(machine) and not after.plus(machine).excess(limits):
                after = after.plus(machine)
            else:
                self.chosen.append(machine.uuid)
                del self.pool[machine.uuid]
        self.total = after
        return True


def _fill(room: _Room, ready: Iterable[Candidate], facts: SpaceFacts, growth: Growth) -> None:
    """Let those who waited long enough take room, the neediest first, up to the creation cap.

    Chance must not break ties here: machines would be told now for the one, now for the other. The
    first by name is served first, as they stand in that order.
    """
    growing = {each.name: replace(each) for each in ready}
    spent = 0
    while growing:
        neediest = min(growing.values(), key=lambda each: each.per_share)
        flavor = neediest.choice.flavor
        if not is_below(neediest, facts, growth.total, growth.weight):
            del growing[neediest.name]
            continue
        spent += flavor.processors
        if spent > max(growth.budget, flavor.processors) or not room.take(flavor, facts.limits):
            return
        neediest.stock = neediest.stock.plus(flavor)
        if neediest.is_probe:
            del growing[neediest.name]
