"""Which spaces a manager keeps, takes and gives up; pure.

# Note [Fair shares]

A free space goes to the manager that holds fewest of those that have it configured, the first by
name among equals. All managers see the same rows and reckon alike, so the others leave it alone.
Who has not beaten lately is passed over: nobody waits for a manager that may be dead too.

A manager gives up a space, one at a time, to one that would still hold fewer than itself: with the
same spaces everywhere nobody holds two more than another in the end. Each such move makes the
shares more even and none is made for less, so they come to rest and stay so.

A space is handed over between two cycles. A beat names it, the supervisor begins no further cycle
there, and once nothing is under way in it (`Wishes.idle`) the next beat gives it up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from vcycled.store.tenure import Lease, Manager, Roster, Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of the leases of one manager."""

    kept: AbstractSet[str]
    taken: Mapping[str, int]
    """With their new epochs."""
    given_up: AbstractSet[str]
    to_hand_over: str
    """One of those kept, which another is to have once nothing is under way in it; or empty."""


def decide(me: Manager, wishes: Wishes, held: Mapping[str, Lease], roster: Roster) -> Decision:
    """Return what `me` keeps, takes and gives up.

    Args:
        me: as it is at this beat.
        wishes: what it would hold.
        held: what it holds as far as it knows; what the roster gives it beyond that it held in
            an earlier run, or took without hearing that it had it.
        roster: as of now.
    """
    name = me.presence.name
    roster = replace(roster, managers={**roster.managers, name: me})
    wanted = frozenset() if me.is_clock_off else _wanted(name, wishes, roster)
    mine = {space for space, lease in roster.leases.items() if lease.holder == name}
    kept = {space for space in mine & wanted if roster.leases[space] == held.get(space)}
    shares = _Shares(roster)
    left = {space for space, to in shares.free.items() if to != name}
    free = {space for space in wanted - kept if space in mine or roster.is_free(space)}
    surplus = shares.surplus(me, kept)
    handed_over = {surplus} & wishes.idle
    return Decision(
        kept=kept - handed_over,
        taken={space: _epoch(roster, space) + 1 for space in sorted(free - left)},
        given_up=(mine - wanted) | handed_over,
        to_hand_over="" if handed_over else surplus,
    )


def heirs(roster: Roster) -> Mapping[str, str]:
    """Return which manager is to take which of the free spaces."""
    return _Shares(roster).free


class _Shares:
    """How many spaces each manager holds once every free one is taken."""

    def __init__(self, roster: Roster) -> None:
        self._able = [each for each in roster.managers.values() if each.is_prompt]
        self._load = Counter(each.holder for each in roster.leases.values())
        self.free: dict[str, str] = {}
        """Who is to take which of the free spaces that somebody has configured."""
        for space in sorted(frozenset().union(*(each.spaces for each in self._able))):
            to = self._poorest(space)
            if to is not None and roster.is_free(space):
                self.free[space] = to.presence.name
                self._load[to.presence.name] += 1

    def surplus(self, me: Manager, kept: Collection[str]) -> str:
        """Return the first of the spaces that `me` keeps and another should have, or empty."""
        most = self._load[me.presence.name] - 2
        for space in sorted(kept):
            to = self._poorest(space)
            if to is not None and to.is_settled and self._load[to.presence.name] <= most:
                return space
        return ""

    def _poorest(self, space: str) -> Manager | None:
        """Return who holds fewest of those that have a space configured."""
        able = (each for each in self._able if space in each.spaces)
        return min(
            able,
            key=lambda each: (self._load[each.presence.name], each.presence.name),
            default=None,
        )


def _wanted(name: str, wishes: Wishes, roster: Roster) -> frozenset[str]:
    """Return what the manager may hold: a removed space only if no other has it configured."""
    others = (each for each in roster.managers.values() if each.presence.name != name)
    configured = frozenset().union(*(each.spaces for each in others if each.is_live))
    return wishes.spaces | (wishes.removed - configured)


def _epoch(roster: Roster, space: str) -> int:
    lease = roster.leases.get(space)
    return lease.epoch if lease else 0
