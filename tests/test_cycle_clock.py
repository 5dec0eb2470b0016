"""A clock that is set at the worst moment is noticed all the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests import cycle_kit
from tests.world import SPACE, World
from vcycled.errors import StoreError
from vcycled.store import Store

world = cycle_kit.world
DAY = 86_400


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Let another process write into the database, and nobody wait for it."""
    world.store.close()
    url = f"sqlite:///{world.root}/vcycle.db?timeout=0.05"
    world.store = Store.open(url, clock=world.clock)
    world.manager._context = replace(world.manager._context, store=world.store)
    other = sqlite3.connect(world.root / "vcycle.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


def test_a_jump_is_not_forgotten_with_the_cycle_that_noticed_it(world: World) -> None:
    """The database refuses what that cycle learned; the next one knows it all the same."""
    world.cycles(2)
    world.clock.jump(864_000)
    with locked(world), pytest.raises(StoreError):
        world.cycle()
    world.clock.advance(60)
    world.cycle()
    assert sum(each.deletes for each in world.cloud.truth) == 0
    assert world.store.records(SPACE).memory.clock_jumped_at == world.clock.now() - 60


def test_a_jump_before_the_first_cycle_of_a_manager_is_noticed(world: World) -> None:
    """It knows the time since it was started."""
    world.cycles(2)
    world.restart()
    world.clock.jump(864_000)
    world.cycle()
    assert sum(each.deletes for each in world.cloud.truth) == 0
    assert world.store.records(SPACE).memory.clock_jumped_at == world.clock.now()


def test_a_machine_is_told_its_end_anew_once_its_start_is_put_right(world: World) -> None:
    """It started while the clock was a day ahead, and would else count on a day too much."""

    def run_without_a_time(name: str) -> None:
        world.cloud.run(name)
        world.cloud.change(name, lambda was: replace(was, started_at=None))

    world.set(processors_limit=1)
    world.cycle()
    world.clock.jump(DAY)
    world.all_here(run_without_a_time)
    world.cycle()
    world.clock.jump(-DAY)
    world.clock.advance(60)
    world.cycle()
    (ours,) = world.machines
    assert ours.started_at == world.clock.now()
    told = world.folder(ours.name) / "jobfeatures/jobstart_secs"
    assert told.read_text() == str(ours.started_at)
