"""Two spaces on one project, as when a section got another name: each has its own machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.world import SPACE, World
from vcycled.config import SpaceConfig
from vcycled.cycle import SpaceCycle
from vcycled.model import Changes, Machine, Order, OrderKind, Stage
from vcycled.options import Amount

OTHER = "other.example.org"


class Shared:
    """A world with a second space on its cloud, looked after by the same manager."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.config = replace(world.config, name=OTHER)
        self.spaces: tuple[SpaceConfig, ...] = (world.config, self.config)
        folder = world.tree.layout.files(OTHER, "prod")
        folder.mkdir(parents=True)
        (folder / "template").write_text("#!/bin/sh\n")
        self.manager = self.new_cycle(OTHER)
        world.manager = self.new_cycle(SPACE)

    def new_cycle(self, name: str) -> SpaceCycle:
        """Return the cycles of one of them."""
        return self.world.new_cycle(name=name, configured=lambda: self.spaces)

    def cycles(self, count: int) -> None:
        """Run cycles of both, a minute apart, ours first."""
        for _ in range(count):
            self.world.cycle()
            self.manager.run(self.config)
            self.world.clock.advance(60)

    def give_other(self, **options: Any) -> None:  # noqa: ANN401 - replace() refuses wrong names
        """Change options of the second space."""
        self.config = replace(self.config, options=replace(self.config.options, **options))
        self.spaces = (self.world.config, self.config)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Those of the second space."""
        return self.world.store.records(OTHER).machines


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    """Give both; 10 processors are the limit of each."""
    world = World(tmp_path / "root")
    yield Shared(world)
    world.close()


def test_no_space_takes_machines_of_another_for_its_own(shared: Shared) -> None:
    """Not for second ones of its requests either, which would be deleted: they are foreign."""
    shared.give_other(processors_limit=14)
    shared.cycles(8)
    assert len(shared.world.machines) == 10
    assert len(shared.machines) == 4
    assert shared.world.cloud.calls["delete"] == 0
    assert shared.world.store.records(OTHER).memory.foreign_machines == 10


def test_what_both_make_in_turn_is_told_apart(shared: Shared) -> None:
    """A machine is on record before the cloud is asked for it."""
    one_by_one = Amount(1)
    shared.world.set(processors_limit=6, max_creations_per_cycle=one_by_one)
    shared.give_other(processors_limit=6, max_creations_per_cycle=one_by_one)
    shared.cycles(8)
    assert len(shared.world.machines) == len(shared.machines) == 3
    assert shared.world.cloud.calls["delete"] == 0


def test_of_two_machines_of_one_request_its_own_space_deletes_the_second(shared: Shared) -> None:
    """The other space counts it and leaves it alone."""
    world = shared.world
    world.set(processors_limit=1)
    shared.give_other(processors_limit=0)
    world.cycle()
    (made,) = world.cloud.here
    second = world.cloud.add_foreign("second")
    world.cloud.change("second", lambda was: replace(was, tags=made.listed.tags))
    shared.manager.run(shared.config)
    assert shared.machines == ()
    assert world.store.records(OTHER).memory.foreign_machines == 2
    shared.cycles(3)
    assert [each.listed.cloud_id for each in world.cloud.here] == [made.listed.cloud_id]
    assert second != made.listed.cloud_id


@pytest.mark.parametrize("is_cared_for", [True, False])
def test_one_that_another_space_held_for_gone_is_that_ones_to_find_again(
    shared: Shared, is_cared_for: bool
) -> None:
    """Unless nobody looks after it any more: then it is adopted, and is not left to itself."""
    world = shared.world
    world.set(processors_limit=1)
    shared.give_other(processors_limit=0)
    world.cycles(3)
    (machine,) = world.machines
    gone = replace(machine, stage=Stage.GONE, gone_at=world.clock.now())
    world.store.save(Changes(space=SPACE, machines=(gone,)))
    if not is_cared_for:
        shared.spaces = (shared.config,)
    shared.manager.run(shared.config)
    assert [each.uuid for each in shared.machines] == [machine.uuid] * (not is_cared_for)
    world.cycle()
    assert [each.uuid for each in world.machines] == [machine.uuid] * is_cared_for
    assert world.cloud.calls["delete"] == 0


def test_after_the_database_was_lost_each_takes_back_its_own(shared: Shared) -> None:
    """By the tags: in the other space nobody would hear a machine's heartbeats."""
    world = shared.world
    shared.give_other(processors_limit=14)
    shared.cycles(4)
    before = [{each.uuid for each in world.machines}, {each.uuid for each in shared.machines}]
    world.lose_database()
    shared.manager, world.manager = shared.new_cycle(OTHER), shared.new_cycle(SPACE)
    shared.cycles(2)
    assert [
        {each.uuid for each in world.machines},
        {each.uuid for each in shared.machines},
    ] == before
    assert world.cloud.calls["delete"] == 0


def test_no_operator_can_give_it_to_two_spaces(shared: Shared) -> None:
    """Both would look after it."""
    world = shared.world
    shared.give_other(processors_limit=0)
    world.cycles(3)
    name = world.machines[0].name
    order = Order(kind=OrderKind.ADOPT, space=OTHER, at=1, who="op", machine=name)
    world.store.order(order)
    shared.cycles(1)
    assert shared.machines == ()
