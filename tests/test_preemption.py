"""Preemption in whole cycles: what machines are shown, what is remembered, what is accounted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import SPACE, World, kind
from vcycled.errors import NoCapacity, QuotaExceeded, SpaceError
from vcycled.model import GRACE_SECONDS, Cause, Order, OrderKind
from vcycled.options import Amount
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.memory import Truth

PATIENCE = 300


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a space of four that a preemptible machinetype fills while the other is drained."""
    made = World(
        tmp_path,
        kind("prod"),
        kind("back", preemptible=True),
        processors_limit=4,
        preempt_after_seconds=PATIENCE,
        max_creations_per_cycle=Amount(count=2),
        max_deletions_per_cycle=Amount(count=4),
    )
    order(made, OrderKind.DRAIN)
    made.cycles(4)
    assert names(made, "back") == names(made)
    assert len(names(made)) == 4
    yield made
    made.close()


def order(world: World, what: OrderKind) -> None:
    """Order the drain of prod, or its end."""
    at = world.clock.now()
    world.store.order(Order(kind=what, space=SPACE, machinetype="prod", at=at, who="ops"))


def names(world: World, machinetype: str = "") -> list[str]:
    """Return the names of our machines in the cloud, of one machinetype or of all."""
    prefix = f"vcycle-{machinetype}"
    return sorted(each.listed.name for each in world.here if each.listed.name.startswith(prefix))


def shown(world: World, name: str) -> int:
    """Return by when a machine must leave, as it reads it."""
    return int((world.folder(name) / "jobfeatures/shutdowntime_job").read_text())


def told(world: World) -> set[str]:
    """Return the names of those that were told to make room."""
    return {each.name for each in world.machines if each.leave_why == "preempted"}


def wait_long_enough(world: World) -> None:
    """Let prod be wanted again, and wait until machines have been told to make room for it."""
    order(world, OrderKind.UNDRAIN)
    world.cycles(PATIENCE // 60)
    assert told(world) == set()
    world.clock.advance(60)
    world.cycle()


def test_room_is_made_for_who_waited(world: World) -> None:
    """Told, left in peace for the grace, deleted, replaced, accounted; and no abort."""
    wait_long_enough(world)
    leaving = told(world)
    assert len(leaving) == 2
    end = world.clock.now() + GRACE_SECONDS
    assert {shown(world, name) for name in leaving} == {end}
    world.clock.advance(GRACE_SECONDS)
    world.cycle()
    assert leaving < set(names(world))
    world.clock.advance(1)
    world.cycles(4)
    assert not leaving & set(names(world))
    assert len(names(world, "prod")) == 2
    gone = [world.store.machine(name)[0] for name in leaving]
    assert {each.delete_reason for each in gone} == {"preempted"}
    assert {each.message.text for each in gone if each.message} == {
        "700 Made room for another machinetype"
    }
    assert not any(each.last_abort_at for each in world.store.records(SPACE).machinetypes)
    world.cycles(30)
    assert len(names(world, "prod")) == 4
    world.cycles(3)
    assert world.audit() == []


def test_the_wait_outlives_the_manager(world: World) -> None:
    """It is in the database, and so is who was told."""
    order(world, OrderKind.UNDRAIN)
    world.cycle()
    (prod,) = (
        each for each in world.store.records(SPACE).machinetypes if each.machinetype == "prod"
    )
    assert prod.waiting_since == world.clock.now()
    world.restart()
    world.clock.advance(PATIENCE)
    world.cycle()
    leaving = told(world)
    assert len(leaving) == 2
    world.restart()
    world.clock.advance(60)
    world.cycle()
    assert told(world) == leaving
    assert world.store.records(SPACE).memory.preempted_at == world.clock.now()


def test_who_was_told_may_stay_when_nobody_waits_any_more(world: World) -> None:
    """It reads its old end again, and nothing of its kind is made for a while."""
    before = {name: shown(world, name) for name in names(world)}
    wait_long_enough(world)
    order(world, OrderKind.DRAIN)
    world.cycle()
    assert told(world) == set()
    assert {name: shown(world, name) for name in names(world)} == before
    world.clock.advance(GRACE_SECONDS + 60)
    world.cycle()
    assert sorted(before) == names(world)
    waits = [each.waiting_since for each in world.store.records(SPACE).machinetypes]
    assert waits == [None, None]


def test_nothing_preemptible_takes_the_room_at_once(world: World) -> None:
    """A queue that dried up after all leaves it free until that is certain."""
    wait_long_enough(world)
    world.clock.advance(GRACE_SECONDS + 1)
    world.cycle()
    order(world, OrderKind.DRAIN)
    world.clock.advance(60)
    holds = {each.machinetype: each for each in world.cycle().report.holds}
    assert holds["back"].cause is Cause.MAKING_ROOM
    assert len(names(world)) == 2
    until = holds["back"].until
    assert until is not None
    world.clock.advance(until - world.clock.now())
    world.cycle()
    assert len(names(world, "back")) == 4


@pytest.mark.parametrize("error", [NoCapacity, QuotaExceeded])
def test_room_is_made_where_the_cloud_itself_is_full(
    world: World, monkeypatch: pytest.MonkeyPatch, error: type[SpaceError]
) -> None:
    """Its limits allow more; one machine first, then what the cap allows, and all is kept."""
    make = world.cloud.make

    def make_if_there_is_room(request: CreateRequest) -> Truth:
        if len(world.cloud.here) >= 4:
            raise error("create", "there is no room")
        return make(request)

    monkeypatch.setattr(world.cloud, "make", make_if_there_is_room)
    world.set(processors_limit=100)
    order(world, OrderKind.UNDRAIN)
    world.cycles(12)
    assert len(told(world)) == 1
    world.cycles(14)
    assert (len(names(world, "prod")), len(names(world, "back"))) == (1, 3)
    world.cycles(90)
    assert (len(names(world, "prod")), len(names(world, "back"))) == (4, 0)
    gone = [each.detail for each in world.store.events(limit=1000) if each.event == "machine-told"]
    assert len(gone) == 4
    assert world.audit() == []


def test_a_disk_that_fills_now_and_then_does_not_begin_the_wait_anew(world: World) -> None:
    """The space is held for one cycle in four, less than the wait apart."""
    order(world, OrderKind.UNDRAIN)
    for _ in range(14):
        world.cycles(3)
        world.clock.advance(60)
        world.cycle(held="disk: low")
        world.clock.advance(60)
    assert len(names(world, "prod")) == 4
