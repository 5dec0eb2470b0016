"""The EC2 space keeps the contract, whatever the endpoint is like."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.ec2_kit import options
from tests.fakes.ec2 import Ec2Cloud, serving
from vcycled.clock import SystemClock
from vcycled.spaces.base import Space
from vcycled.spaces.ec2 import Ec2Space
from vcycled.testing.contract import SpaceContract


@pytest.mark.no_cover  # the cloud behind it costs most: see tests/conftest.py
class TestEc2Space(SpaceContract):
    """On AWS as moto has it, five instances at a time; subclasses say what differs."""

    IMAGE = "image:worker*"

    @pytest.fixture
    def cloud(self) -> Ec2Cloud:
        """Return the cloud."""
        return Ec2Cloud()

    @pytest.fixture
    def make_space(self, cloud: Ec2Cloud) -> Iterator[Callable[[], Space]]:
        """Give spaces on one cloud; close them all at the end."""
        made: list[Space] = []
        cloud.make(cloud.register("worker-1"), name="theirs")
        with serving(cloud) as url:

            def make() -> Space:
                made.append(Ec2Space("contract", options(url, page_size=5), clock=SystemClock()))
                return made[-1]

            yield make
            for space in made:
                space.close()


class TestEndpointWithoutTagsAtLaunch(TestEc2Space):
    """One that ignores TagSpecifications."""

    @pytest.fixture
    def cloud(self) -> Ec2Cloud:
        """Return the cloud."""
        return Ec2Cloud(tags_at_launch=False)
