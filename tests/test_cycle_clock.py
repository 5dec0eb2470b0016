"""A clock that is set at the worst moment is noticed all the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests import cycle_kit
from tests.world import SPACE, World
from vcycled.cycle.remembering import JumpWatch
from vcycled.errors import StoreError, Unavailable
from vcycled.model import Changes, SpaceMemory
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


@pytest.mark.parametrize(
    ("seconds", "is_noticed"),
    [(59, False), (60, True), (-59, False), (-60, True)],
)
def test_a_minute_is_a_jump(world: World, seconds: int, is_noticed: bool) -> None:
    """What is less may be a clock that is slewed."""
    watch = JumpWatch(world.manager._context)
    world.clock.jump(seconds)
    watch.look(now=world.clock.now())
    memory = watch.mark(Changes(space=SPACE, memory=SpaceMemory(space=SPACE))).memory
    assert (memory is not None and memory.clock_jumped_at is not None) is is_noticed


@pytest.mark.parametrize(("noted", "marked"), [(None, 0), (-1, 0), (0, 0), (1, 1)])
def test_the_last_jump_is_noted_whoever_noticed_it(
    world: World, noted: int | None, marked: int
) -> None:
    """In seconds after our jump, which is noted again until it is known."""
    watch = JumpWatch(world.manager._context)
    world.clock.jump(DAY)
    at = world.clock.now()
    watch.look(now=at)
    known = SpaceMemory(space=SPACE, clock_jumped_at=None if noted is None else at + noted)
    changes = watch.mark(Changes(space=SPACE, memory=known))
    assert changes.memory == SpaceMemory(space=SPACE, clock_jumped_at=at + marked)


def test_the_plan_knows_of_a_clock_that_was_set_while_no_manager_ran(world: World) -> None:
    """What a clock ahead wrote tells it: machines that are too old wait, as in the next cycle."""
    world.cycles(2)
    world.clock.jump(DAY)
    world.cycle()
    world.clock.jump(-DAY)
    world.restart()
    world.clock.advance(10_001)
    before = world.store.records(SPACE).memory
    preview = world.manager.preview(world.config)
    assert any("the clock jumped" in sentence for sentence in preview.report.deferred)
    assert world.store.records(SPACE).memory == before
    assert world.cycle().report.deferred == preview.report.deferred
    assert world.store.records(SPACE).memory.clock_jumped_at == world.clock.now()


def test_a_pause_by_a_clock_ahead_is_over_when_it_is_set_right(world: World) -> None:
    """Also for a manager that was started since: the last listing tells it."""
    world.set(processors_limit=1)
    world.clock.jump(DAY)
    world.cloud.fail_next("create", Unavailable("create", "busy", is_undone=True))
    world.cycle()
    assert not world.here
    world.clock.jump(-DAY)
    world.restart()
    world.clock.advance(60)
    world.cycle()
    assert len(world.here) == 1
