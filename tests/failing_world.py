"""A world in which no machine comes to run, as its manager tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.world import SPACE, World
from vcycled.cli.stuck import stuck
from vcycled.cli.views import SpaceView
from vcycled.errors import Refused
from vcycled.model import Cause

FAULT = "Build of instance aborted: image damaged"


def space_view(world: World) -> SpaceView:
    """Run a cycle now; return what commands and metrics are made from after it."""
    done = world.cycle()
    return SpaceView(
        name=SPACE,
        config=world.config,
        report=done.report,
        records=world.store.records(SPACE),
    )


def is_stuck(view: SpaceView, world: World) -> bool:
    """Return whether it is told that creations fail until a person acts."""
    causes = {hold.cause for hold in stuck(view, now=world.clock.now())}
    assert causes <= {Cause.CREATION_FAILED}
    return bool(causes)


def refuse(operation: str) -> None:
    """Take no request for a machine.

    Raises:
        Refused: if it is one.
    """
    if operation == "create":
        raise Refused(operation, "no image")


def _nothing(_operation: str) -> None:
    """Let all be taken."""


def play(
    folder: Path, *, slots: int, is_taken: bool, minutes: int, mended_at: int
) -> Iterator[bool]:
    """Yield each minute whether creations are told to fail; from `mended_at` on none fails.

    Args:
        folder: an empty one.
        slots: how many machines there may be.
        is_taken: requests are taken, and their machines go to ERROR; else they are refused.
        minutes: how long it is played.
        mended_at: when the cloud is mended.
    """
    world = World(folder, processors_limit=slots)
    for minute in range(minutes):
        is_broken = minute < mended_at
        world.cloud.latency = refuse if is_broken and not is_taken else _nothing
        view = space_view(world)
        if is_broken and is_taken:
            for machine in world.here:
                if machine.listed.stopped_at is None:
                    world.cloud.fail(machine.listed.name, FAULT)
        yield is_stuck(view, world)
        world.clock.advance(60)
    world.close()
