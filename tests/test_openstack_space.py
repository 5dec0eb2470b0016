"""The OpenStack space keeps the contract, whatever the cloud is like."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fakes.openstack import OpenStackCloud, Settings, serving
from tests.openstack_kit import ROOT_IMAGE, options
from vcycled.spaces.base import Space
from vcycled.spaces.openstack import OpenStackSpace
from vcycled.testing.clock import FakeClock
from vcycled.testing.contract import SpaceContract


@pytest.mark.no_cover  # the cloud behind it costs most: see tests/conftest.py
class TestOpenStackSpace(SpaceContract):
    """On a cloud of today that takes a few seconds for everything; subclasses say what differs."""

    IMAGE = ROOT_IMAGE

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return a clock that the test moves."""
        return FakeClock()

    @pytest.fixture
    def settings(self) -> Settings:
        """Return what the cloud is like."""
        return Settings(start_seconds=5, delete_seconds=3)

    @pytest.fixture
    def make_space(self, clock: FakeClock, settings: Settings) -> Iterator[Callable[[], Space]]:
        """Give spaces on one cloud; close them all at the end."""
        cloud = OpenStackCloud(clock, settings)
        cloud.add_foreign("theirs")
        made: list[Space] = []
        with serving(cloud.answer) as url:

            def make() -> Space:
                made.append(OpenStackSpace("contract", options(url), clock=clock))
                return made[-1]

            yield make
            for space in made:
                space.close()

    @pytest.fixture
    def pass_time(self, clock: FakeClock) -> Callable[[], None]:
        """Let a second pass."""
        return lambda: clock.advance(1)


class TestCloudOfSmallPages(TestOpenStackSpace):
    """A cloud that shows two servers at a time."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return what the cloud is like."""
        return Settings(start_seconds=5, delete_seconds=3, max_limit=2)


class TestOldCloud(TestOpenStackSpace):
    """A cloud whose Nova has no microversions, with compute alone in its catalogue but images."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return what the cloud is like."""
        return Settings(
            start_seconds=5,
            delete_seconds=3,
            max_microversion="2.1",
            services=frozenset({"image"}),
        )


class TestCloudThatKeepsWhatWasDeleted(TestOpenStackSpace):
    """A cloud with a reclaim interval."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Return what the cloud is like."""
        return Settings(start_seconds=5, delete_seconds=3, keeps_deleted=True)
