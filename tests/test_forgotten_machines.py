"""A machine that comes back after its history was forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World

DAY = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of one machine."""
    made = World(tmp_path / "root", processors_limit=1)
    yield made
    made.close()


def names(world: World) -> list[str]:
    """Return the machines that are not gone, as far as is known."""
    return [each.name for each in world.machines]


def test_a_machine_that_comes_back_when_it_is_forgotten_has_a_run_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first run was accounted for and stays so; the space goes on."""
    world.cycles(10)
    (truth,) = world.here
    with monkeypatch.context() as away:
        away.setattr(world.cloud, "shown", tuple)
        away.setattr(world.cloud, "look_up", lambda _name, _cloud_id: None)
        world.set(processors_limit=0)
        world.cycles(80)
        assert names(world) == []
        world.clock.advance(10 * DAY)
        world.store.forget_before(world.clock.now() - 7 * DAY)
        assert world.store.machine(truth.listed.name) == ()
        (first,) = world.store.intervals()
        assert first.exports != ()
    world.cycles(10)
    (back,) = world.machines
    assert (back.uuid, back.interval) == (first.interval.uuid, 1)
    world.cloud.finish(truth.listed.name)
    world.cycles(80)
    assert names(world) == []
    later, same = world.store.intervals()
    assert same == first
    assert (later.interval.interval, later.interval.is_final) == (1, True)
    assert later.interval.started_at > first.interval.ended_at
    assert later.exports != ()
