"""Managers of one PostgreSQL database as far as the store goes, for live tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.store_kit import SPACE, OnPostgresql, presence
from vcycled.clock import SystemClock
from vcycled.store import Lease, Store, Wishes
from vcycled.store.leases import SharedLeases
from vcycled.store.schema import managers
from vcycled.store.tenure import SETTLED_BEATS
from vcycled.testing.clock import FakeClock

ONE, TWO = "m1.example.org", "m2.example.org"
WISHES = Wishes(spaces=frozenset({SPACE}))
BEAT = 10


@dataclass(slots=True)
class Desk:
    """A manager as far as the store goes."""

    store: Store
    clock: FakeClock

    @property
    def leases(self) -> SharedLeases:
        """What it holds."""
        assert isinstance(self.store.leases, SharedLeases)
        return self.store.leases

    @property
    def lease(self) -> Lease:
        """The one lease that it holds."""
        (lease,) = self.leases.held.values()
        return lease

    @property
    def leased(self) -> Store:
        """The store as its cycle has it."""
        return self.store.under(self.lease)

    def beat(self, wishes: Wishes = WISHES) -> bool:
        """Give a sign of life; return whether it holds something now."""
        self.leases.beat(wishes)
        return bool(self.leases.held)

    def fall_silent(self, seconds: float = 2 * BEAT + 1) -> None:
        """Let its last beat be so long ago."""
        self._set(beaten_at=managers.c.beaten_at - seconds)

    def grow_old(self, seconds: int = SETTLED_BEATS * BEAT + 1) -> None:
        """Let it have started so long ago."""
        self._set(started_at=managers.c.started_at - seconds)

    def _set(self, **values: object) -> None:
        with self.store._database.write() as connection:
            named = managers.update().where(managers.c.name == self.leases._enrolled().name)
            assert connection.execute(named.values(**values)).rowcount == 1


class Office:
    """Makes managers of one database."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack

    def desk(self, name: str, **changes: object) -> Desk:
        """Return one that has enrolled, with `changes` to what it says of itself."""
        clock = FakeClock(SystemClock().now())
        store = self._stack.enter_context(Store.open(self._url, clock=clock))
        store.leases.enrol(presence(name, beat_seconds=BEAT, **changes))
        return Desk(store, clock)


class WithManagers(OnPostgresql):
    """Tests of several managers."""

    @pytest.fixture
    def office(self, url: str) -> Iterator[Office]:
        """Return what makes them."""
        with ExitStack() as stack:
            yield Office(url, stack)
