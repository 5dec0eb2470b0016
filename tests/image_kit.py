"""A manager whose cloud takes images, for the tests of images on their way there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World, kind
from vcycled.config import MachinetypeConfig
from vcycled.cycle import Outcome
from vcycled.images.status import ImageStatus
from vcycled.model import Hold
from vcycled.spaces.memory_images import MemoryImages

MIB = 2**20


class Site:
    """A world whose cloud takes images, and an image file."""

    def __init__(self, folder: Path, *kinds: MachinetypeConfig) -> None:
        self.folder = folder
        self.path = folder / "disk.img"
        self.write(b"first")
        self.world = World(folder / "root", *(kinds or (self.kind(),)))
        self.images: MemoryImages = self.world.cloud.take_images()

    def kind(self, name: str = "prod", image: str = "", **changes: object) -> MachinetypeConfig:
        """Return a machinetype of our image, or of another."""
        return kind(name, root_image=image or str(self.folder / "disk.img"), **changes)

    def write(self, content: bytes) -> None:
        """Replace the image file by another."""
        new = self.path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(self.path)

    def cycle(self, count: int = 1, seconds: int = 60) -> Outcome:
        """Run cycles, each after so many seconds; after each, what it started has ended."""
        outcome = self.world.cycle()
        assert self.world.manager.images.wait(60)
        for _ in range(count - 1):
            self.world.clock.advance(seconds)
            outcome = self.world.cycle()
            assert self.world.manager.images.wait(60)
        return outcome

    def later(self, seconds: int = 60, count: int = 1) -> Outcome:
        """Run cycles, the first after so many seconds too."""
        self.world.clock.advance(seconds)
        return self.cycle(count, seconds)

    @property
    def used(self) -> list[str]:
        """The images that machines were made of, in order, without repeating."""
        requests = [truth.request for truth in self.world.cloud.truth if truth.request]
        return list(dict.fromkeys(each.image for each in requests))

    @property
    def ready(self) -> list[str]:
        """Ids of the images in the cloud that can be used."""
        return [each.id for each in self.images.kept.values() if each.is_ready]

    def finish_all(self) -> None:
        """Let every machine end and be gone."""
        self.world.all_here(self.world.cloud.vanish)
        self.world.set(processors_limit=0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site of one machinetype whose image is a file of this host."""
    made = Site(tmp_path)
    yield made
    made.world.close()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log from INFO on."""
    caplog.set_level(logging.INFO)
    return caplog


def lines(log: pytest.LogCaptureFixture, event: str) -> list[str]:
    """Return the lines of an event."""
    return [line for line in log.messages if line.startswith(f"{event} ")]


def hold_of(outcome: Outcome, name: str = "prod") -> Hold:
    """Return what holds a machinetype."""
    return next(hold for hold in outcome.report.holds if hold.machinetype == name)


def status_of(outcome: Outcome) -> ImageStatus:
    """Return the status of the first image of a report."""
    return outcome.report.images[0]
