"""Holding spaces in a database that managers share; see note [Leases] in tenure.py."""

from __future__ import annotations

import threading
from collections.abc import Container, Mapping
from typing import Protocol

from sqlalchemy.engine import Connection

from vcycled.clock import Clock
from vcycled.errors import LeaseLost, Outdated, StoreError
from vcycled.store import roster as rosters
from vcycled.store.database import Database
from vcycled.store.schema import REVISION
from vcycled.store.sharing import decide
from vcycled.store.tenure import BEATS, Lease, Presence, Roster, Wishes, skew_between


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
    def to_hand_over(self) -> str:
        """A held space that another manager is to have; empty if there is none.

        No cycle may begin there, and it is given up when the wishes call it idle.
        """
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
            Outdated: the tables are those of a newer Vcycle.
        """
        ...

    def is_worth_a_beat(self, wishes: Wishes) -> bool:
        """Return whether a beat now would take something, or hand it over.

        Raises:
            Outdated: the tables are those of a newer Vcycle.
        """
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
        self._to_hand_over = ""
        self._valid_until = 0.0
        self._skew = 0.0

    @property
    def held(self) -> Mapping[str, Lease]:
        """See Leases."""
        return self._held

    @property
    def to_hand_over(self) -> str:
        """See Leases."""
        return self._to_hand_over

    @property
    def skew(self) -> float:
        """See Leases."""
        return self._skew

    def enrol(self, presence: Presence) -> None:
        """Make sure that no other manager goes by our name; see Leases."""
        self._refuse_namesake(self._look(), presence)
        self._presence = presence

    def beat(self, wishes: Wishes) -> None:
        """Do it in one transaction; see Leases."""
        presence = self._enrolled()
        began = self._clock.monotonic()
        with self._database.write() as connection:
            roster = self._roster(connection)
            self._refuse_namesake(roster, presence)
            now = self._measure(connection)
            me = roster.introduce(presence, wishes.spaces, skew=self._skew, now=now)
            decision = decide(me, wishes, self._held, roster)
            self._keep(decision.kept)  # others may have the rest once this is committed
            rosters.put(connection, me, now=now)
            taken = rosters.settle(connection, presence.name, decision, now=now)
        with self._lock:
            self._held = {**self._held, **taken}
            self._to_hand_over = decision.to_hand_over  # after what was held: no cycle begins
            self._valid_until = began + BEATS * presence.beat_seconds
            self._has_beaten = True

    def is_worth_a_beat(self, wishes: Wishes) -> bool:
        """Look only if something is open; see Leases."""
        if wishes.idle:
            return True
        if wishes.all <= self._held.keys():
            return False
        presence, roster = self._enrolled(), self._look()
        me = roster.introduce(presence, wishes.spaces, skew=self._skew, now=0.0)
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
            self._refuse_newer(connection)
            rosters.end(connection, presence)

    def close(self) -> None:
        """See Leases."""
        self._keep(())

    def fence(self, connection: Connection, space: str, lease: Lease | None) -> None:
        """Compare with the row, which nobody can change meanwhile; see Leases."""
        refusal = rosters.read(connection, space=space).refusal(space, lease)
        if refusal:
            raise LeaseLost(refusal)

    def _enrolled(self) -> Presence:
        if self._presence is None:
            raise StoreError(f"{self._database.name}: this process has not enrolled as a manager")
        return self._presence

    def _look(self) -> Roster:
        with self._database.read() as connection:
            return self._roster(connection)

    def _roster(self, connection: Connection) -> Roster:
        self._refuse_newer(connection)
        return rosters.read(connection)

    def _refuse_newer(self, connection: Connection) -> None:
        """Hold nothing and write nothing once the tables may mean something else."""
        found = rosters.revision(connection)
        if found != REVISION:
            self._keep(())
            raise Outdated(
                f"{self._database.name}: a newer Vcycle has brought the database from version "
                f"{REVISION} to {found}; install that one here too"
            )

    def _keep(self, spaces: Container[str]) -> None:
        with self._lock:
            self._held = {space: each for space, each in self._held.items() if space in spaces}

    def _refuse_namesake(self, roster: Roster, mine: Presence) -> None:
        """Stand back from a live manager of our name, unless it is ourselves before a restart.

        One that ran in the same folder is dead: we hold the lock there. Should it be a copy of
        ours all the same, it stands back at its next beat, so that the two do not fight.
        """
        theirs = roster.rival(mine)
        if theirs is None:
            return
        if self._has_beaten or (theirs.host, theirs.root) != (mine.host, mine.root):
            self._keep(())
            raise StoreError(
                f"{self._database.name}: a manager of the name {mine.name} runs on {theirs.host} "
                f"in {theirs.root} (process {theirs.pid}); give each its own manager_hostname"
            )

    def _measure(self, connection: Connection) -> float:
        """Return the server's time, and note how far ours is from it at the least."""
        before = self._clock.now_ns() / 1e9
        now = rosters.server_time(connection)
        after = self._clock.now_ns() / 1e9
        self._skew = skew_between(before, now, after)
        return now
