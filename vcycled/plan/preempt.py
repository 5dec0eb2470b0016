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

from vcycled.model import GRACE_SECONDS, Flavor, Limits, Machine, Reason, SpaceFacts, Wait
from vcycled.plan.creates import Candidate, Growth, is_below
from vcycled.plan.due import Rules, reasons, rules
from vcycled.plan.leaving import Leaves, can_be_told
from vcycled.plan.stock import LIVING, Count

SLOW_ATTEMPTS = 3
"""A machine that is there after so many deletions may well stay: its room is not counted on."""
_UNSURE = frozenset({Reason.NOT_STARTED, Reason.SILENT})
"""A sign of life may still do away with these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yielding:
    """Who waits, and who gives way."""

    waits: tuple[Wait, ...]
    uuids: frozenset[str]
    """Of the machines that give way, or did so and are not gone yet."""


def plan_yielding(
    facts: SpaceFacts, growth: Growth, machines: Sequence[Machine], leaves: Leaves, *, now: int
) -> Yielding:
    """Return who waits and who gives way, given who leaves for other reasons."""
    names = frozenset(kind.name for kind in facts.machinetypes if kind.preemptible)
    if not names:
        return Yielding(waits=(), uuids=frozenset())
    waits = tuple(sorted(_waits(growth, now=now), key=lambda wait: wait.machinetype))
    known = rules(facts, leaves)
    going = {each.uuid: each for each in machines if _is_going(each, known, now=now)}
    staying = [each for each in machines if each.uuid not in going and each.machinetype in names]
    room = _Room(limits=facts.limits, total=growth.total, pool=_pool(staying))
    room.give_up(going.values())
    since = {wait.machinetype: wait.since for wait in waits}
    patience = facts.preempt_after_seconds
    ready = [each for each in growth.wanting if now - since.get(each.name, now) >= patience]
    _fill(room, ready, facts, growth)
    under_way = (each.uuid for each in machines if _is_under_way(each))
    return Yielding(waits=waits, uuids=frozenset((*under_way, *room.chosen)))


def _waits(growth: Growth, *, now: int) -> Iterator[Wait]:
    """Yield who waits; the creation cap ends no wait, but it begins none either."""
    for each in growth.wanting:
        since = each.stock.machinetype.memory.waiting_since
        if since is not None or growth.lacks_room:
            yield Wait(machinetype=each.name, since=now if since is None else min(since, now))


def _is_going(machine: Machine, known: Rules, *, now: int) -> bool:
    """Tell whether a machine is gone before one would be that is told to leave now."""
    soon = now + GRACE_SECONDS + 1
    ends = [due.at for due in reasons(machine, known) if due.reason not in _UNSURE]
    is_ending = machine.delete_attempts > 0 or any(at <= soon for at in ends)
    return is_ending and machine.delete_attempts < SLOW_ATTEMPTS


def _is_told(machine: Machine) -> bool:
    return machine.leave_why == Reason.PREEMPTED


def _told_by(machine: Machine) -> float:
    """Return by when a machine leaves that gives way; later than any time if it was not told."""
    if machine.leave_by is None or not _is_told(machine):
        return math.inf
    return machine.leave_by


def _is_under_way(machine: Machine) -> bool:
    """Tell whether a machine gave way and will not come back."""
    return _is_told(machine) and (machine.delete_attempts > 0 or machine.state not in LIVING)


def _pool(machines: Iterable[Machine]) -> dict[str, Machine]:
    """Return the machines that may give way: those that were told so, then the youngest first."""
    able = [
        each
        for each in machines
        if can_be_told(each)
        and not each.delete_attempts
        and (each.missing_since is None or _is_told(each))
    ]
    able.sort(key=lambda each: (each.name, each.uuid))
    able.sort(key=lambda each: each.created_at, reverse=True)
    able.sort(key=_told_by)
    return {each.uuid: each for each in able}


@dataclass(slots=True, kw_only=True)
class _Room:
    """The space as it would be once machines gave way and others took their room."""

    limits: Limits
    total: Count
    pool: dict[str, Machine]
    """Who may give way, in that order."""
    chosen: list[str] = field(default_factory=list)

    def give_up(self, machines: Iterable[Machine]) -> None:
        """Count `machines` no more."""
        for machine in machines:
            self.total = self.total.minus(machine)

    def take(self, flavor: Flavor) -> bool:
        """Take room for one more machine; few machines give way for it. False if none will do."""
        after, leaving = self.total.plus(flavor), []
        for machine in self.pool.values():
            if not after.excess(self.limits):
                break
            after = after.minus(machine)
            leaving.append(machine)
        if after.excess(self.limits):
            return False
        for machine in leaving:
            if not _is_told(machine) and not after.plus(machine).excess(self.limits):
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
        if spent > max(growth.budget, flavor.processors) or not room.take(flavor):
            return
        neediest.stock = neediest.stock.plus(flavor)
        if neediest.is_probe:
            del growing[neediest.name]
