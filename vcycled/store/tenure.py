"""Which spaces a manager keeps, takes and gives up; pure.

# Note [Leases]

Managers that share a database share out its spaces: only the holder of a space's lease plans and
acts there. A manager *beats* every few seconds. Its leases are live until two of its beats were
missed, by the clock of the database; then they are free, and whoever comes first takes them.
Each taking gives the lease a higher epoch. Three things follow from that:

* What is written of a space names the epoch it is written under, and is refused in the same
  transaction if the lease has another by now. Writers stand in line (see [One writer]), so an
  intent of a manager that was overtaken is never stored, and what is not stored is not asked for.
* A manager that hears nothing from the database cannot know whether it was overtaken. It counts
  two beats on its own monotonic clock, from before it asked last, and acts no more after that.
* A clock that is set wrong frees no lease. But machines get their times from it, so a manager
  that is far off the database's clock takes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

BEATS = 2
"""After so many missed beats a lease is free."""
SKEW_MOST_SECONDS = 60.0
"""A manager whose clock is further off that of the database holds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What a manager that starts says of itself."""

    name: str
    """Of this manager among those that share the database; the same after a restart."""
    run: str
    """Different at every start."""
    host: str
    root: str
    pid: int
    version: str
    beat_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """A manager as the database knows it; times are by the database's clock."""

    presence: Presence
    started_at: int
    silent_s: float
    """Seconds since its last beat."""
    ended_at: int | None
    """When it ended in order; None if it runs, or died."""
    skew: float
    """How many seconds its clock is ahead."""
    spaces: frozenset[str]
    """Those in its configuration."""

    @property
    def is_live(self) -> bool:
        """Whether its leases hold."""
        return self.ended_at is None and self.silent_s <= BEATS * self.presence.beat_seconds

    @property
    def is_clock_off(self) -> bool:
        """Whether its clock is too far off for it to hold anything."""
        return abs(self.skew) > SKEW_MOST_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A space left to a manager."""

    space: str
    holder: str
    """Name of the manager; empty while it is nobody's."""
    epoch: int
    """Higher at each taking."""
    taken_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The spaces that a manager would look after."""

    spaces: frozenset[str] = frozenset()
    """Those in its configuration."""
    removed: frozenset[str] = frozenset()
    """Those that were in it and still have something to clean up."""

    @property
    def all(self) -> frozenset[str]:
        """Both."""
        return self.spaces | self.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of the leases of one manager."""

    kept: AbstractSet[str]
    taken: Mapping[str, int]
    """With their new epochs."""
    given_up: AbstractSet[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """All managers and leases, as of one instant."""

    managers: Mapping[str, Manager]
    leases: Mapping[str, Lease]

    def is_free(self, space: str) -> bool:
        """Return whether no live manager holds the space."""
        lease = self.leases.get(space)
        holder = self.managers.get(lease.holder) if lease else None
        return holder is None or not holder.is_live


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
    wanted = frozenset() if me.is_clock_off else _wanted(name, wishes, roster)
    mine = {space for space, lease in roster.leases.items() if lease.holder == name}
    kept = {space for space in mine & wanted if roster.leases[space] == held.get(space)}
    free = {space for space in wanted - kept if space in mine or roster.is_free(space)}
    return Decision(
        kept=kept,
        taken={space: _epoch(roster, space) + 1 for space in sorted(free)},
        given_up=mine - wanted,
    )


def _wanted(name: str, wishes: Wishes, roster: Roster) -> frozenset[str]:
    """Return what the manager may hold: a removed space only if no other has it configured."""
    others = (each for each in roster.managers.values() if each.presence.name != name)
    configured = frozenset().union(*(each.spaces for each in others if each.is_live))
    return wishes.spaces | (wishes.removed - configured)


def _epoch(roster: Roster, space: str) -> int:
    lease = roster.leases.get(space)
    return lease.epoch if lease else 0
