"""The OpenStack space keeps the contract on a real cloud."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.live import ON_OPENSTACK, PATIENCE_S, PATIENT
from tests.openstack_bed.project import ROOT_IMAGE, Project
from vcycled.clock import SystemClock
from vcycled.spaces.base import Space
from vcycled.spaces.openstack import OpenStackSpace
from vcycled.testing.contract import SpaceContract

pytestmark = [*ON_OPENSTACK, PATIENT]

STEP_S = 0.25


class TestOpenStackSpaceOnARealCloud(SpaceContract):
    """Nova with its fake driver; machines without network, which are made in a second."""

    IMAGE = ROOT_IMAGE
    MOST_STEPS = int(PATIENCE_S / STEP_S)

    @pytest.fixture
    def make_space(self, project: Project) -> Iterator[Callable[[], Space]]:
        """Give spaces on one project; close them all at the end."""
        made: list[Space] = []

        def make() -> Space:
            made.append(OpenStackSpace("contract", project.options(), clock=SystemClock()))
            return made[-1]

        yield make
        for space in made:
            space.close()

    @pytest.fixture
    def pass_time(self) -> Callable[[], None]:
        """Let a quarter of a second pass: the cloud has other things to do than to answer us."""
        clock = SystemClock()
        return lambda: (clock.wait(threading.Event(), STEP_S), None)[1]
