"""Holding spaces in a database that managers share; see note [Leases] in tenure.py."""

from __future__ import annotations

import threading
from collections.abc import Container, Mapping
from typing import Protocol

from sqlalchemy.engine import Connection

from vcycled.clock import Clock
from vcycled.errors import LeaseLost, StoreError
from vcycled.store import roster as rosters
from vcycled.store.database import Database
from vcycled.store.tenure import BEATS, Lease, Manager, Presence, Roster, Wishes, decide


class Leases(Protocol):
    """Which spaces this process may look after; to be used from any number of threads.

    What reads or writes the database raises StoreError if that does not answer.
    """

    @property
    def is_shared(self) -> bool:
        """Whether other managers may use the same database."""
        ...

    @property
    def held(self) -> Mapping[str, Lease]:
        """What the last beat left us, by space."""
        ...

    @property
    def skew(self) -> float:
        """How many seconds our clock is ahead of the database's, as far as that is certain."""
        ...

    def enrol(self, presence: Presence) -> None:
        """Become a manager of this database; nothing is held yet.

        Raises:
            StoreError: another one is there that keeps us from it.
        """
        ...

    def beat(self, wishes: Wishes) -> None:
        """Give a sign of life, take what is free and wished for, give up what is not.

        Raises:
            StoreError: it was not taken, or another manager goes by our name.
        """
        ...

    def would_take(self, wishes: Wishes) -> bool:
        """Return whether a beat now would take something."""
        ...

    def may_act(self, lease: Lease) -> bool:
        """Return whether it is certain that nobody else holds the space of `lease`; no I/O."""
        ...

    def leave(self) -> None:
        """Give up everything, once nothing is under way any more."""
        ...

    def close(self) -> None:
        """Hold nothing any more here; what the database knows runs out by itself."""
        ...

    def fence(self, connection: Connection, space: str, lease: Lease | None) -> None:
        """Refuse to write of `space` in this transaction unless `lease` still holds.

        Without a lease, as for a command: unless nobody holds one.

        Raises:
            LeaseLost: nothing may be written.
        """
        ...


class SharedLeases:
    """Leases in PostgreSQL."""

    is_shared = True

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._presence: Presence | None = None
        self._has_beaten = False
        self._lock = threading.Lock()
        self._held: Mapping[str, Lease] = {}
        self._valid_until = 0.0
        self._skew = 0.0

    @property
    def held(self) -> Mapping[str, Lease]:
        """See Leases."""
        return self._held

    @property
    def skew(self) -> float:
        """See Leases."""
        return self._skew

    def enrol(self, presence: Presence) -> None:
        """Make sure that no other manager goes by our name; see Leases."""
        with self._database.read() as connection:
            self._refuse_namesake(rosters.read(connection), presence)
        self._presence = presence

    def beat(self, wishes: Wishes) -> None:
        """Do it in one transaction; see Leases."""
        presence = self._enrolled()
        began = self._clock.monotonic()
        with self._database.write() as connection:
            roster = rosters.read(connection)
            self._refuse_namesake(roster, presence)
            now = self._measure(connection)
            me = self._me(presence, wishes, roster, now=now)
            decision = decide(me, wishes, self._held, roster)
            self._keep(decision.kept)  # others may have the rest once this is committed
            rosters.put(connection, me, now=now)
            taken = rosters.settle(connection, presence.name, decision, now=now)
        with self._lock:
            self._held = {**self._held, **taken}
            self._valid_until = began + BEATS * presence.beat_seconds
            self._has_beaten = True

    def would_take(self, wishes: Wishes) -> bool:
        """Look only if a wish is open; see Leases."""
        if wishes.all <= self._held.keys():
            return False
        presence = self._enrolled()
        with self._database.read() as connection:
            roster = rosters.read(connection)
        me = self._me(presence, wishes, roster, now=0.0)
        return bool(decide(me, wishes, self._held, roster).taken)

    def may_act(self, lease: Lease) -> bool:
        """Count from before the last beat that was taken; see Leases."""
        with self._lock:
            is_ours = self._held.get(lease.space) == lease
            return is_ours and self._clock.monotonic() < self._valid_until

    def leave(self) -> None:
        """Say so, so that nobody waits for our beats; see Leases."""
        presence = self._enrolled()
        self._keep(())
        with self._database.write() as connection:
            rosters.end(connection, presence)

    def close(self) -> None:
        """See Leases."""
        self._keep(())

    def fence(self, connection: Connection, space: str, lease: Lease | None) -> None:
        """Compare with the row, which nobody can change meanwhile; see Leases."""
        roster = rosters.read(connection, space=space)
        found = roster.leases.get(space)
        holder = found.holder if found else ""
        if lease is None and not roster.is_free(space):
            raise LeaseLost(f"{space}: only {holder}, which holds it, may write of it")
        if lease is not None and lease != found:
            raise LeaseLost(
                f"{space}: {lease.holder} does not hold it any more, {holder or 'nobody'} does"
            )

    def _enrolled(self) -> Presence:
        if self._presence is None:
            raise StoreError(f"{self._database.name}: this process has not enrolled as a manager")
        return self._presence

    def _keep(self, spaces: Container[str]) -> None:
        with self._lock:
            self._held = {space: each for space, each in self._held.items() if space in spaces}

    def _refuse_namesake(self, roster: Roster, mine: Presence) -> None:
        """Stand back from a live manager of our name, unless it is ourselves before a restart.

        One that ran in the same folder is dead: we hold the lock there. Should it be a copy of
        ours all the same, it stands back at its next beat, so that the two do not fight.
        """
        other = roster.managers.get(mine.name)
        if other is None or not other.is_live or other.presence.run == mine.run:
            return
        theirs = other.presence
        if self._has_beaten or (theirs.host, theirs.root) != (mine.host, mine.root):
            self._keep(())
            raise StoreError(
                f"{self._database.name}: a manager of the name {mine.name} runs on {theirs.host} "
                f"in {theirs.root} (process {theirs.pid}); give each its own manager_hostname"
            )

    def _me(self, presence: Presence, wishes: Wishes, roster: Roster, *, now: float) -> Manager:
        before = roster.managers.get(presence.name)
        is_known = before is not None and before.presence.run == presence.run
        return Manager(
            presence=presence,
            started_at=before.started_at if before is not None and is_known else int(now),
            silent_s=0.0,
            ended_at=None,
            skew=self._skew,
            spaces=wishes.spaces,
        )

    def _measure(self, connection: Connection) -> float:
        """Return the server's time, and note how far ours is from it at the least."""
        before = self._clock.now_ns() / 1e9
        now = rosters.server_time(connection)
        after = self._clock.now_ns() / 1e9
        self._skew = max(before - now, 0.0) + min(after - now, 0.0)
        return now
