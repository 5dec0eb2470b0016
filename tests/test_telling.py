"""Machines are told of an earlier end before it comes, whatever changes, fails or dies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.mines import Fuse, Killed, Mined
from tests.world import SPACE, World, kind
from vcycled.machinedir import MachineDir
from vcycled.model import GRACE_SECONDS, Order, OrderKind
from vcycled.store import Store

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py

WALLCLOCK = 10_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a space of three small machines that have run for some minutes."""
    made = World(tmp_path, processors_limit=3)
    made.cycles(4)
    yield made
    made.close()


def order(world: World, kind_: OrderKind, **more: str | int) -> None:
    """Leave an order as the command line does."""
    usual = Order(kind=kind_, space=SPACE, at=world.clock.now(), who="ops")
    world.store.order(replace(usual, **more))  # type: ignore[arg-type] # tests name real fields


def shown(world: World, name: str = "") -> int:
    """Return by when a machine (the first, unless it is named) must leave, as it reads it."""
    folder = world.folder(name or names(world)[0])
    job = (folder / "jobfeatures/shutdowntime_job").read_text()
    assert (folder / "machinefeatures/shutdowntime").read_text() == job
    return int(job)


def names(world: World) -> list[str]:
    """Return the names of our machines in the cloud."""
    return sorted(truth.listed.name for truth in world.here)


def usual_end(world: World, name: str = "") -> int:
    """Return when a machine would end by its age."""
    (machine,) = (each for each in world.machines if each.name == (name or names(world)[0]))
    assert machine.started_at is not None
    return machine.started_at + WALLCLOCK


def reasons(world: World) -> set[str]:
    """Return why machines were deleted."""
    gone = [row for each in world.cloud.truth for row in world.store.machine(each.listed.name)]
    return {each.delete_reason for each in gone}


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("ago", [-100, 0, 5000])
def test_a_shutdown_time_moved_to_now_or_the_past_leaves_the_grace(
    world: World, ago: int, *, is_down: bool
) -> None:
    """From the news on, also where the manager was down as the file was edited."""
    world.set(shutdown_time=world.clock.now() - ago)
    if is_down:
        world.clock.advance(7000)
        world.restart()
    world.cycle()
    told_at = world.clock.now()
    assert shown(world) == told_at + GRACE_SECONDS
    world.clock.advance(GRACE_SECONDS)
    world.cycle()
    assert len(names(world)) == 3
    world.clock.advance(1)
    world.cycle()
    assert names(world) == []
    assert reasons(world) == {"shutdown-time"}
    world.cycles(3)
    assert world.audit() == []
    assert world.store.records(SPACE).machinetypes[0].last_abort_at is None


def test_what_was_told_long_ago_needs_no_second_grace(world: World) -> None:
    """A manager that comes back after the time acts at once: the machines could read it."""
    end = world.clock.now() + 2000
    world.set(shutdown_time=end)
    world.cycle()
    assert shown(world) == end
    world.clock.advance(3000)
    world.restart()
    world.cycle()
    assert world.here == ()


def test_an_end_that_is_taken_back_restores_the_old_terms(world: World) -> None:
    """For each kind of order, and for the option."""
    name = names(world)[0]
    before = usual_end(world)
    soon = world.clock.now() + 900
    for only in ({}, {"machinetype": "prod"}, {"machine": name}):
        order(world, OrderKind.DRAIN, by=soon, **only)
        world.cycle()
        assert shown(world) == soon
        order(world, OrderKind.UNDRAIN, **only)
        world.cycle()
        assert shown(world) == before
    world.set(shutdown_time=soon)
    world.cycle()
    assert shown(world) == soon
    world.set(shutdown_time=None)
    world.cycle()
    assert shown(world) == before
    world.clock.advance(1000)
    world.cycle()
    assert len(world.here) == 3


def test_a_single_machine_can_be_drained(world: World) -> None:
    """It is told to leave in ten minutes unless the order says later; another takes its place."""
    one, two, three = names(world)
    order(world, OrderKind.DRAIN, machine=one)
    order(world, OrderKind.DRAIN, machine=two, by=world.clock.now() + 5000)
    before = usual_end(world, three)
    world.cycle()
    assert shown(world, one) == world.clock.now() + GRACE_SECONDS
    assert shown(world, two) == world.clock.now() + 5000
    assert shown(world, three) == before
    world.clock.advance(GRACE_SECONDS + 1)
    world.cycles(3)
    assert one not in names(world)
    assert {two, three} < set(names(world))
    story = [each.event for each in world.store.events(machine=one, oldest_first=True)]
    assert story.index("order-drain") < story.index("machine-told") < story.index("machine-delete")


def test_a_machine_that_stops_as_it_was_told_has_not_aborted(world: World) -> None:
    """However short it ran and though it says nothing: that is no word about the queue."""
    world.close()
    fresh = World(world.root.parent / "fresh", kind(fizzle_seconds=5000), processors_limit=1)
    fresh.cycles(2)
    order(fresh, OrderKind.DRAIN, by=fresh.clock.now() + 700)
    fresh.cycle()
    fresh.clock.advance(100)
    fresh.all_here(fresh.cloud.finish)
    fresh.cycles(2)
    assert fresh.store.records(SPACE).machinetypes[0].last_abort_at is None
    fresh.close()


def test_a_new_machine_knows_the_shutdown_time_from_the_start(world: World) -> None:
    """Its features have it before the cloud is asked, so no word is needed later."""
    end = world.clock.now() + 3000
    world.set(shutdown_time=end)
    world.cycle()
    gone = names(world)[0]
    world.cloud.finish(gone)
    world.cycles(3)
    (new,) = (each for each in world.machines if each.created_at > world.clock.now() - 200)
    assert shown(world, new.name) == end
    story = [each.event for each in world.store.events(machine=new.name)]
    assert "machine-told" not in story
    assert new.leave_by == end


def test_a_lower_wallclock_ends_nobody_unwarned(world: World) -> None:
    """Machines that are past it already are told, and go when their grace is over."""
    world.set_kind(max_wallclock_seconds=60)
    world.cycle()
    told_at = world.clock.now()
    assert shown(world) == told_at + GRACE_SECONDS
    world.restart()
    world.clock.advance(GRACE_SECONDS)
    world.cycle()
    assert len(world.here) == 3
    assert shown(world) == told_at + GRACE_SECONDS
    world.clock.advance(1)
    old = set(names(world))
    world.cycles(6)
    assert not old & set(names(world))
    assert "max-wallclock" in reasons(world)


def test_a_machine_that_cannot_be_told_is_not_ended(world: World) -> None:
    """What it could not read does not count; the grace begins when it can."""
    name = names(world)[0]
    folder = world.folder(name) / "jobfeatures"
    folder.rename(folder.with_name("aside"))
    folder.write_text("not a folder")
    order(world, OrderKind.DRAIN, by=world.clock.now() + GRACE_SECONDS)
    world.cycle()
    world.clock.advance(2000)
    world.cycle()
    assert names(world) == [name]
    folder.unlink()
    folder.with_name("aside").rename(folder)
    world.cycle()
    told_at = world.clock.now()
    assert shown(world) == told_at + GRACE_SECONDS
    world.clock.advance(GRACE_SECONDS)
    world.cycle()
    assert names(world) == [name]
    world.clock.advance(1)
    world.cycle()
    assert names(world) == []


def test_a_wallclock_that_could_not_be_shown_is_shown_later(world: World) -> None:
    """It is remembered as told only once every machine can read it."""
    name = names(world)[0]
    folder = world.folder(name) / "jobfeatures"
    folder.rename(folder.with_name("aside"))
    folder.write_text("not a folder")
    world.set_kind(max_wallclock_seconds=WALLCLOCK - 1000)
    world.cycle()
    assert world.store.records(SPACE).machinetypes[0].told_wallclock_seconds == WALLCLOCK
    folder.unlink()
    folder.with_name("aside").rename(folder)
    world.cycle()
    assert world.store.records(SPACE).machinetypes[0].told_wallclock_seconds == WALLCLOCK - 1000
    assert shown(world, name) == usual_end(world, name) - 1000


def test_a_manager_that_may_have_lost_the_space_tells_nobody(world: World) -> None:
    """The one that has it does."""
    before = shown(world)
    world.set(shutdown_time=world.clock.now())
    world.manager = world.new_cycle(may_act=lambda: False)
    world.cycle()
    assert shown(world) == before
    assert world.machines[0].leave_by is None


def test_observing_tells_nobody(world: World) -> None:
    """Another manager is in charge of what machines read."""
    before = shown(world)
    world.set(mode="observe", shutdown_time=world.clock.now() + 900)
    plan = world.cycle().plan
    assert plan is not None
    assert len(plan.tells) == 3
    assert shown(world) == before
    assert world.machines[0].leave_by is None


class Doomed(Mined):
    """Dies where something is published or saved."""

    def __getattr__(self, name: str) -> object:
        """Return the method with a step on either side if it is one of the two."""
        return super().__getattr__(name) if name in {"publish", "save"} else self.plain(name)

    def plain(self, name: str) -> object:
        """Return the method as it is."""
        return getattr(self._thing, name)


def test_nobody_goes_untold_whenever_the_manager_dies(tmp_path: Path) -> None:
    """Killed before and after each publication and each save: the grace counts from the last."""
    for length in range(1, 100):
        world = World(tmp_path / str(length), processors_limit=2)
        world.cycles(3)
        has_died = dies_telling(world, Fuse(length))
        end = max(shown(world, name) for name in names(world))
        assert end >= world.clock.now() + GRACE_SECONDS - 400
        world.clock.advance(end - world.clock.now())
        world.cycle()
        assert len(names(world)) == 2
        world.clock.advance(1)
        world.cycle()
        assert names(world) == []
        world.close()
        if not has_died:
            assert length > 8
            return
    pytest.fail("the cycle has more steps than were tried")


def dies_telling(world: World, fuse: Fuse) -> bool:
    """Let all be told to go now, by a manager that may die of it; its successor comes later."""
    world.set(shutdown_time=world.clock.now())
    world.manager = world.new_cycle(
        store=cast(Store, Doomed(world.store, fuse)),
        tree=cast(MachineDir, Doomed(world.tree, fuse)),
    )
    has_died = False
    try:
        world.cycle()
    except Killed:
        has_died = True
    world.restart()
    world.clock.advance(400)
    world.cycle()
    return has_died
