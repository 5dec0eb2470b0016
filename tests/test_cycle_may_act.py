"""A manager that cannot be sure of its lease changes nothing in the cloud."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import SPACE, World
from vcycled.cycle import sweep
from vcycled.spaces.base import Leftover


class Gate:
    """Says that it is sure for so many questions, and not after."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        """Answer one question."""
        with self._lock:
            self.answers -= 1
            return self.answers >= 0


SURE = 10**9


@pytest.fixture
def gate() -> Gate:
    """Return a gate that is open."""
    return Gate(SURE)


@pytest.fixture
def world(tmp_path: Path, gate: Gate) -> Iterator[World]:
    """Return a manager that asks the gate before it acts."""
    made = World(tmp_path)
    made.manager = made.new_cycle(may_act=gate)
    yield made
    made.close()


def test_it_creates_nothing(world: World, gate: Gate) -> None:
    """What was intended is dropped; once it is sure again the space is filled."""
    gate.answers = 0
    world.cycle()
    assert world.cloud.calls["create"] == 0
    assert world.machines == ()
    gate.answers = SURE
    world.cycles(2)
    assert len(world.here) == 10


def test_doubts_in_the_midst_of_creations_end_them(world: World, gate: Gate) -> None:
    """Each call is looked at; those that were made are known."""
    gate.answers = 6  # some are asked before the first call
    world.cycle()
    assert 0 < len(world.here) < 6
    assert len(world.machines) == len(world.here)


def test_it_deletes_nothing(world: World, gate: Gate) -> None:
    """And does not count that as an attempt."""
    world.cycles(3)
    world.all_here(world.cloud.finish)
    world.set_kind(target_share=0.0)
    world.clock.advance(60)
    gate.answers = 0
    world.cycle()
    assert world.cloud.calls["delete"] == 0
    assert {each.delete_attempts for each in world.machines} == {0}
    gate.answers = SURE
    world.cycle()
    assert world.cloud.calls["delete"] == 10
    assert world.here == ()


def test_it_removes_no_leftovers(world: World, gate: Gate) -> None:
    """They wait for who is sure."""
    tags = {"vcycle_installation": world.store.installation_id()}
    left = Leftover(kind="volume", id="id-1", name="data-1", tags=tags)
    world.cloud.extras.leftovers["id-1"] = left
    world.set(processors_limit=0)
    gate.answers = 0
    world.cycles(4, seconds=sweep.SWEEP_SECONDS)
    assert world.cloud.extras.removed == []
    gate.answers = SURE
    world.cycles(2, seconds=sweep.SWEEP_SECONDS)
    assert world.cloud.extras.removed == ["id-1"]


def test_it_watches_on(world: World, gate: Gate) -> None:
    """Looking is no change: what ends meanwhile is recorded."""
    world.cycles(3)
    gate.answers = 0
    world.clock.advance(3600)
    world.all_here(world.cloud.finish)
    world.cycle()
    assert all(each.stopped_at is not None for each in world.store.records(SPACE).machines)
