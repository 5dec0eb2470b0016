"""Killed between any two lines: no machine lost or doubled, no limit exceeded, one record each.

One short history of a space is played again and again. Each time the manager dies at another of
its steps (before or after a call to the store, the tree, the queue or the cloud), a new one starts
on what is left, and at the end the auditor compares the cloud's truth with everything on record.
Creations come in batches of one and two machines, so that one is made ready beside the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import settings

from tests.mines import Fuse, Killed, Mined
from tests.world import FIZZLE, World
from vcycled.accounting.apel import ApelSink
from vcycled.accounting.base import NoOptions, Sink
from vcycled.cycle import SpaceCycle, create
from vcycled.machinedir import MachineDir
from vcycled.spaces.memory import MemorySpace
from vcycled.store import Store

pytestmark = pytest.mark.no_cover  # a manager that dies a hundred times: see tests/conftest.py

LIMIT = 3


def mined(world: World, fuse: Fuse) -> SpaceCycle:
    """Return a manager that dies when the fuse has burnt down."""
    store = cast(Store, Mined(world.store, fuse))
    sink = ApelSink("apel", NoOptions(), root=world.root)
    outlet = world.new_outlet(sink=cast(Sink, Mined(sink, fuse)), store=store)
    return world.new_cycle(
        store=store,
        tree=cast(MachineDir, Mined(world.tree, fuse)),
        outlets=lambda: (outlet,),
        space=cast(MemorySpace, Mined(MemorySpace(world.cloud), fuse)),
    )


def step(world: World, do: Callable[[], None] = lambda: None) -> None:
    """Let a minute pass, something happen, and a cycle run; a dead manager is replaced."""
    world.clock.advance(60)
    do()
    try:
        world.cycle()
    except Killed:
        world.restart()


def play(world: World, length: int) -> int:
    """Play the history with a manager that dies at step `length`; return the steps it took."""
    fuse = Fuse(length)
    world.manager = mined(world, fuse)
    step(world)
    step(world)
    first, second, third = itertools.islice(itertools.cycle(names(world) or ["none"]), 3)
    world.clock.advance(FIZZLE)
    step(world, lambda: finish(world, first))
    step(world, lambda: vanish(world, second))
    step(world)
    step(world, lambda: say(world, third))
    for _ in range(6):
        step(world)
    return fuse.steps


def names(world: World) -> list[str]:
    """Return the names of our machines in the cloud."""
    return [truth.listed.name for truth in world.here]


def finish(world: World, name: str) -> None:
    """Let a machine end by itself, if it is there."""
    if name in names(world):
        world.cloud.finish(name)


def vanish(world: World, name: str) -> None:
    """Let somebody else delete a machine."""
    if name in names(world):
        world.cloud.vanish(name)


def say(world: World, name: str) -> None:
    """Let a machine say that it has done its work, and end."""
    if name in names(world):
        world.say(name, "200 Intended work completed ok")
        world.cloud.finish(name)


def settle(world: World) -> None:
    """Let everything end, and a healthy manager take note of it."""
    world.clock.advance(2 * FIZZLE)
    world.all_here(world.cloud.finish)
    world.set(processors_limit=0)
    world.unseen = 1000
    for _ in range(4):
        step(world)
    world.clock.advance(2000)
    for _ in range(3):
        step(world)


def check(world: World) -> None:
    """Nothing is leaked, doubled, lost or killed wrongly, and no limit was passed."""
    assert world.audit() == []
    assert world.here == ()
    assert world.machines == ()
    assert world.cloud.peak_processors["*"] <= LIMIT
    killed = [
        truth.listed.name
        for truth in world.cloud.truth
        if truth.deletes and truth.listed.stopped_at is None
    ]
    assert killed == []
    assert not any(world.folders.iterdir())


@pytest.fixture(scope="module", autouse=True)
def small_batches() -> Iterator[None]:
    """Let three machines be two batches: one is made ready while the other is asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(create, "FIRST_BATCH", 1)
        patch.setattr(create, "BATCH", 2)
        yield


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many steps the history has when nobody dies."""
    world = World(tmp_path_factory.mktemp("whole"), processors_limit=LIMIT)
    total = play(world, 10**9)
    settle(world)
    check(world)
    assert len(world.cloud.truth) >= LIMIT + 2
    world.close()
    return total


STRIDE = 31
PARTS = STRIDE if settings().max_examples > 100 else 1
"""All steps with HYPOTHESIS_PROFILE=long, one of so many otherwise."""


@pytest.mark.parametrize("part", range(PARTS))
def test_the_manager_may_die_at_any_step(steps: int, part: int, tmp_path: Path) -> None:
    """Every step of the history is a place to die."""
    lengths = range(1 + part, steps + 1, STRIDE)
    assert len(lengths) > 5
    for length in lengths:
        world = World(tmp_path / str(length), processors_limit=LIMIT)
        try:
            play(world, length)
            settle(world)
            check(world)
        except AssertionError as error:
            error.add_note(f"killed at step {length} of {steps}")
            raise
        finally:
            world.close()
