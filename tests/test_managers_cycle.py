"""Two managers on one cloud, one of which is overtaken in the midst of its cycle."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lease_kit import ONE, TWO, Desk, Office
from tests.store_kit import OnPostgresql
from tests.world import SPACE, World
from vcycled.cycle import SpaceCycle
from vcycled.errors import LeaseLost
from vcycled.model import Records
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.memory import MemorySpace
from vcycled.store import Store, Wishes
from vcycled.store.leases import SharedLeases

WISHES = Wishes(spaces=frozenset({SPACE}))
LIMIT = 10


class Shared(World):
    """A world whose store is that of a manager."""

    desk: Desk

    def _open_store(self) -> Store:
        """Return nothing of its own: each manager has its store."""
        return self.desk.store

    def cycle_of(self, desk: Desk, **changes: object) -> SpaceCycle:
        """Return the cycles of a manager for as long as it holds the space."""
        lease = desk.lease
        return self.new_cycle(
            store=desk.store.under(lease), may_act=lambda: desk.leases.may_act(lease), **changes
        )


class Trap(random.Random):
    """Chance that lets something happen at the first number that is drawn after it is set."""

    def __init__(self) -> None:
        super().__init__(1)
        self.spring: Callable[[], None] | None = None

    def getrandbits(self, k: int, /) -> int:
        """Draw a number."""
        spring, self.spring = self.spring, None
        if spring is not None:
            spring()
        return super().getrandbits(k)


class Springy(MemorySpace):
    """A space that lets something happen before the first creation after it is set."""

    spring: Callable[[], None] | None = None

    def create(self, request: CreateRequest) -> str:
        """Make a machine."""
        spring, self.spring = self.spring, None
        if spring is not None:
            spring()
        return super().create(request)


@pytest.mark.live
class TestOvertaken(OnPostgresql):
    """A manager that stops for a minute between two lines, and wakes up."""

    @pytest.fixture
    def desks(self, url: str) -> Iterator[tuple[Desk, Desk]]:
        """Return two managers; the first holds the space."""
        with ExitStack() as stack:
            office = Office(url, stack)
            one, two = office.desk(ONE), office.desk(TWO)
            assert one.beat(WISHES)
            yield one, two

    @pytest.fixture
    def world(self, desks: tuple[Desk, Desk], tmp_path: Path) -> Shared:
        """Return a cloud of ten processors."""
        Shared.desk = desks[0]
        made = Shared(tmp_path, processors_limit=LIMIT)
        made.clock._now = float(desks[0].clock.now())
        return made

    def overtake(self, world: Shared, one: Desk, two: Desk) -> Callable[[], None]:
        """Return what lets the second manager take over and fill the space."""

        def spring() -> None:
            one.fall_silent()
            assert two.beat(WISHES)
            world.cycle_of(two).run(world.config)
            assert len(world.here) == LIMIT

        return spring

    def test_what_it_had_planned_is_not_asked_for(
        self, world: Shared, desks: tuple[Desk, Desk]
    ) -> None:
        """It had counted an empty space; its intents are refused."""
        one, two = desks
        trap = Trap()
        cycle = world.cycle_of(one, rng=trap)
        trap.spring = self.overtake(world, one, two)
        with pytest.raises(LeaseLost):
            cycle.run(world.config)
        assert len(world.here) == LIMIT
        assert len(two.store.records(SPACE).machines) == LIMIT

    def test_without_the_fence_the_limit_would_be_passed(
        self, world: Shared, desks: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """So the test above can fail."""
        one, two = desks
        monkeypatch.setattr(SharedLeases, "fence", lambda *_: None)
        trap = Trap()
        cycle = world.cycle_of(one, rng=trap)
        trap.spring = self.overtake(world, one, two)
        cycle.run(world.config)
        assert len(world.here) == 2 * LIMIT

    def test_what_it_had_asked_for_counts_for_the_next(
        self, world: Shared, desks: tuple[Desk, Desk]
    ) -> None:
        """Overtaken in its calls: the other finds them on record, and makes up for the rest."""
        one, two = desks
        space = Springy(world.cloud)

        def take_over() -> None:
            one.fall_silent()
            assert two.beat(WISHES)
            assert world.cycle_of(two).run(world.config).report.creates == 0

        space.spring = take_over
        cycle = world.cycle_of(one, space=space)
        with pytest.raises(LeaseLost):
            cycle.run(world.config)
        found = two.store.records(SPACE)
        assert len(found.machines) == LIMIT
        later = world.cycle_of(two)
        for _ in range(3):
            world.clock.advance(60)
            later.run(world.config)
        assert {each.listed.name for each in world.here} == names(two.store.records(SPACE))
        assert len(world.here) == LIMIT


def names(records: Records) -> set[str]:
    """Return the names of machines."""
    return {machine.name for machine in records.machines}
