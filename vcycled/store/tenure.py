"""Managers that share a database, what they hold, and what that lets them do; pure.

# Note [Leases]

Managers that share a database share out its spaces: only the holder of a space's lease plans and
acts there. A manager *beats* every few seconds. Its leases are live until two of its beats were
missed, by the clock of the database; then they are free, and another takes them, as sharing.py
says. Each taking gives the lease a higher epoch. Three things follow from that:

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
from dataclasses import dataclass

BEATS = 2
"""After so many missed beats a lease is free."""
SKEW_MOST_SECONDS = 60.0
"""A manager whose clock is further off that of the database holds nothing."""
PROMPT_BEATS = 1.5
"""A manager that was silent for longer is not waited for: it may be dying."""
SETTLED_BEATS = 6
"""How long a manager has run that is worth a move; one that fails as it starts is not."""


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
    up_s: float
    """Seconds since it started."""
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

    @property
    def is_prompt(self) -> bool:
        """Whether it will surely take what is left to it."""
        late = self.silent_s > PROMPT_BEATS * self.presence.beat_seconds
        return self.is_live and not late and not self.is_clock_off

    @property
    def is_settled(self) -> bool:
        """Whether it had run for long enough, when it beat last, to be given what others hold."""
        return self.up_s - self.silent_s >= SETTLED_BEATS * self.presence.beat_seconds


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
    idle: frozenset[str] = frozenset()
    """Those that it was asked to hand over and in which nothing is under way any more."""

    @property
    def all(self) -> frozenset[str]:
        """All of them."""
        return self.spaces | self.removed


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

    def rival(self, mine: Presence) -> Presence | None:
        """Return another run that lives under our name."""
        other = self.managers.get(mine.name)
        if other is None or not other.is_live or other.presence.run == mine.run:
            return None
        return other.presence

    def refusal(self, space: str, lease: Lease | None) -> str:
        """Return why nobody may write of a space under `lease`; empty if that holds.

        Without a lease, as for a command: unless nobody holds one.
        """
        found = self.leases.get(space)
        holder = found.holder if found else ""
        if lease is None:
            is_free = self.is_free(space)
            return "" if is_free else f"{space}: only {holder}, which holds it, may write of it"
        if lease == found:
            return ""
        return f"{space}: {lease.holder} does not hold it any more, {holder or 'nobody'} does"

    def introduce(
        self, mine: Presence, spaces: frozenset[str], *, skew: float, now: float
    ) -> Manager:
        """Return the manager that beats now, by the database's clock, as this roster knows it."""
        before = self.managers.get(mine.name)
        if before is not None and before.presence.run != mine.run:
            before = None
        return Manager(
            presence=mine,
            started_at=before.started_at if before else int(now),
            up_s=before.up_s if before else 0.0,
            silent_s=0.0,
            ended_at=None,
            skew=skew,
            spaces=spaces,
        )


def skew_between(before: float, theirs: float, after: float) -> float:
    """Return how far ahead our clock is for sure, if theirs was read between two looks at ours."""
    return max(before - theirs, 0.0) + min(after - theirs, 0.0)
