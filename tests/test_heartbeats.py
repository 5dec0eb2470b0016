"""Heartbeats are read in every cycle: always the newest, and no machine is copied for nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.world import SPACE, World, kind
from vcycled.cycle.heartbeats import Heartbeats
from vcycled.model import Machine


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A machine that runs and must beat."""
    world = World(tmp_path / "root", kind(heartbeat_file="heartbeat"), processors_limit=1)
    world.cycles(2)
    world.beat(one(world).name)
    yield world
    world.close()


@pytest.fixture
def heartbeats(world: World) -> Heartbeats:
    """What reads its heartbeats."""
    return Heartbeats(world.tree)


def one(world: World) -> Machine:
    """Return the machine as the store gives it, without a heartbeat."""
    (machine,) = world.store.records(SPACE).machines
    return machine


def seen(world: World, heartbeats: Heartbeats, machine: Machine) -> Machine:
    """Return the machine with its heartbeat."""
    (found,) = heartbeats.of([machine], world.config)
    return found


def test_a_machine_that_beats_again_is_seen_to(world: World, heartbeats: Heartbeats) -> None:
    """Its heartbeat is the newest, in each cycle."""
    machine = one(world)
    first = seen(world, heartbeats, machine).heartbeat_at
    world.clock.advance(60)
    world.beat(machine.name)
    assert first == world.clock.now() - 60
    assert seen(world, heartbeats, machine).heartbeat_at == world.clock.now()


def test_a_machine_that_did_not_beat_again_is_not_made_again(
    world: World, heartbeats: Heartbeats
) -> None:
    """The cycle gets the very object of the one before."""
    machine = one(world)
    before = seen(world, heartbeats, machine)
    assert seen(world, heartbeats, machine) is before


def test_what_is_learned_of_a_machine_is_seen_though_it_did_not_beat(
    world: World, heartbeats: Heartbeats
) -> None:
    """What was made in an earlier cycle does not hide what the store says now."""
    machine = one(world)
    before = seen(world, heartbeats, machine)
    moved = replace(machine, address="192.0.2.7")
    assert seen(world, heartbeats, moved) == replace(before, address="192.0.2.7")


def test_a_heartbeat_that_is_gone_is_seen_to_be_gone(world: World, heartbeats: Heartbeats) -> None:
    """Known to be missing if only the file is gone; not known if the folder is."""
    machine = one(world)
    seen(world, heartbeats, machine)
    outputs = world.tree.layout.outputs(SPACE, machine.name)
    (outputs / "heartbeat").unlink()
    missing = seen(world, heartbeats, machine)
    shutil.rmtree(outputs)
    unknown = seen(world, heartbeats, machine)
    assert (missing.heartbeat_at, missing.is_heartbeat_known) == (None, True)
    assert (unknown.heartbeat_at, unknown.is_heartbeat_known) == (None, False)


def test_a_machine_that_need_not_beat_is_given_as_it_is(
    world: World, heartbeats: Heartbeats
) -> None:
    """Without a heartbeat_file, or before it runs, nothing is read."""
    machine = one(world)
    starting = replace(machine, started_at=None)
    assert seen(world, heartbeats, starting) is starting
    world.set_kind(heartbeat_file=None)
    assert seen(world, heartbeats, machine) is machine
