"""What the tests of whole cycles share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World
from vcycled.model import Cause


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a manager with one machinetype and room for ten small machines."""
    made = World(tmp_path)
    yield made
    made.close()


def causes(world: World) -> dict[str, Cause]:
    """Run a cycle and return why each machinetype gets no more."""
    return {hold.machinetype: hold.cause for hold in world.cycle().report.holds}
