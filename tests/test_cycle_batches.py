"""Creations in batches: the next one is made ready while this one is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import SPACE, World
from vcycled.calls import CallPool
from vcycled.clock import SystemClock
from vcycled.cycle.create import BATCH, FIRST_BATCH
from vcycled.errors import QuotaExceeded, SpaceError, Unavailable
from vcycled.model import Stage

PATIENCE_S = 60
ALL = FIRST_BATCH + BATCH + 5
"""Three batches."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a manager with room for three batches of small machines."""
    made = World(tmp_path, processors_limit=ALL)
    yield made
    made.close()


def folders(world: World) -> int:
    """Return how many machines have a folder."""
    return len(list(world.folders.iterdir()))


def test_the_next_batch_is_made_ready_while_one_is_asked_for(world: World) -> None:
    """The first call returns only when the trees of the second batch are there, as intents."""
    seen: list[tuple[int, int]] = []

    def wait(operation: str) -> None:
        if operation != "create" or seen:
            return
        clock, pause = SystemClock(), threading.Event()
        deadline = clock.monotonic() + PATIENCE_S
        while folders(world) < FIRST_BATCH + BATCH and clock.monotonic() < deadline:
            pause.wait(0.01)
        asked = sum(each.stage is Stage.ASKED for each in world.machines)
        seen.append((folders(world), asked))

    world.cloud.latency = wait
    alone = world.new_cycle(calls=CallPool(1, timeout_s=90, clock=world.clock))
    alone.run(world.config)
    assert seen == [(FIRST_BATCH + BATCH, FIRST_BATCH)]
    assert len(world.here) == folders(world) == ALL


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (QuotaExceeded("create", "ports"), "quota-exceeded"),
        (Unavailable("create", "429", retry_after_s=90, is_undone=True), "creation-undone"),
    ],
    ids=["no quota", "turned away"],
)
def test_what_was_made_ready_in_vain_is_withdrawn(
    world: World, error: SpaceError, event: str
) -> None:
    """The cloud is not asked for it, its row and folder are gone, and so is its user_data."""
    world.cloud.fail_next("create", error)
    alone = world.new_cycle(calls=CallPool(1, timeout_s=90, clock=world.clock))
    alone.run(world.config)
    assert world.cloud.calls["create"] == 1
    assert (world.here, world.machines, folders(world)) == ((), (), 0)
    retired = list(world.tree.layout.deleted(SPACE).iterdir())
    assert len(retired) == FIRST_BATCH + BATCH
    assert not any((each / "user_data").exists() for each in retired)
    told = [each.event for each in world.store.events(space=SPACE)]
    assert sorted(set(told)) == sorted({event, "intent-dropped"})
    assert told.count("intent-dropped") == ALL - 1


def test_want_of_time_withdraws_what_was_made_ready(world: World) -> None:
    """The batch that is under way is finished; the next cycle begins the rest anew."""
    late = world.config.options.cycle_seconds * 1000
    world.cloud.latency = lambda call: world.clock.advance(late) if call == "create" else None
    alone = world.new_cycle(calls=CallPool(1, timeout_s=10**9, clock=world.clock))
    alone.run(world.config)
    assert world.cloud.calls["create"] == len(world.machines) == folders(world) == FIRST_BATCH


def test_a_bug_in_making_ready_costs_no_outcome(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the cloud answered meanwhile is saved before the bug is raised."""
    prepare = world.tree.prepare
    made: list[str] = []

    def broken(new: object) -> None:
        made.append("")
        if len(made) > FIRST_BATCH:
            raise ZeroDivisionError
        prepare(new)  # type: ignore[arg-type] # handed on

    monkeypatch.setattr(world.tree, "prepare", broken)
    with pytest.raises(ZeroDivisionError):
        world.cycle()
    known = {each.cloud_id for each in world.machines if each.stage is not Stage.INTENDED}
    assert known == {each.listed.cloud_id for each in world.here}
    assert len(known) == FIRST_BATCH
