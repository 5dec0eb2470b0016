"""What tests of the way from Vcycle 3 share: a space that it looked after, and the import.

The cloud is in memory, the tree is one as Vcycle 3 leaves it, and all else is real. A module takes
the fixture by its name: `move = takeover_kit.move`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.vcycle3_tree import Vcycle3Tree
from tests.world import SPACE, AnyWorld, World
from vcycled.apel.commands import listing
from vcycled.apel.record import JobRecord
from vcycled.cycle.facts import terms_of_lost
from vcycled.model import Machine
from vcycled.store import APEL
from vcycled.testing.clock import START
from vcycled.vcycle3 import Takeover, read_tree, survey

NAMES = [f"vcycle-prod-{number:010}" for number in range(8)]
NAME = NAMES[0]
HOUR = 3600


def take_over(world: AnyWorld) -> Takeover:
    """Import the tree in the folder of a world, as the command does."""
    found = survey(
        world.root,
        read_tree(world.root, clock=world.clock),
        world.store,
        sites={SPACE: "SITE"},
        terms=lambda _, name: terms_of_lost(world.config, name, host="manager.example.org"),
        now=world.clock.now(),
    )
    world.store.take_over(found.changes, sink=APEL)
    return found


class Move:
    """A world whose space Vcycle 3 looked after; it was stopped ten minutes ago, at `stopped`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.old = Vcycle3Tree(world.root, SPACE)
        self.born = START
        world.clock.advance(2 * HOUR)
        self.now = world.clock.now()
        self.stopped = self.now - 600

    def running(self, name: str = NAME, **facts: Any) -> str:  # noqa: ANN401 - of Vcycle3Tree.machine
        """Let a machine run that Vcycle 3 made when the world began; return the cloud's id."""
        cloud_id = self.in_cloud(name)
        times = {"created": self.born, "started": self.born + 30, "seen": self.stopped}
        self.old.machine(name, uuid=cloud_id, **{**times, **facts})
        return cloud_id

    def in_cloud(self, name: str) -> str:
        """Let the cloud have a machine that runs since the world began."""
        cloud_id = self.world.cloud.add_foreign(name)
        at = self.born
        self.world.cloud.change(name, lambda was: replace(was, created_at=at, started_at=at + 30))
        return cloud_id

    def gone(self, name: str = NAME, **facts: Any) -> None:  # noqa: ANN401 - as above
        """Write what is left of a machine that the cloud does not have any more."""
        times = {"created": self.born, "started": self.born + 30, "seen": self.stopped}
        self.old.machine(name, **{**times, **facts})

    def take_over(self) -> Takeover:
        """Import the tree as the command does."""
        return take_over(self.world)

    def only(self) -> Machine:
        """Return the one machine that the store holds, gone or not."""
        (machine,) = self.world.store.machines(include_gone=True)
        return machine

    def records(self) -> list[JobRecord]:
        """Return what we wrote for APEL: Vcycle 3's have names of digits only."""
        entries = listing(self.world.queue, now=self.world.clock.now())
        ours = (each for each in entries if not each.element.replace("/", "").isdigit())
        return [record for entry in ours for record in entry.records]


@pytest.fixture
def move(tmp_path: Path) -> Iterator[Move]:
    """Return a space of eight processors that Vcycle 3 looked after."""
    world = World(tmp_path / "root", processors_limit=8)
    yield Move(world)
    world.close()
