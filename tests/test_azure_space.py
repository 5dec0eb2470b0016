"""The Azure space keeps the contract, whatever the cloud is like."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import vcycled.spaces.azure
from tests.azure_kit import ROOT_IMAGE, options, serving_azure
from tests.fakes.azure import AzureCloud, Settings
from vcycled.spaces.azure import AzureSpace
from vcycled.spaces.base import Space
from vcycled.testing.clock import FakeClock
from vcycled.testing.contract import SpaceContract


@pytest.mark.no_cover  # the cloud behind it costs most: see tests/conftest.py
class TestAzureSpace(SpaceContract):
    """On a cloud that takes a few seconds for everything, two machines to a page."""

    IMAGE = ROOT_IMAGE

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return a clock that the test moves."""
        return FakeClock()

    @pytest.fixture
    def settings(self) -> Settings:
        """Return what the cloud is like."""
        return Settings(start_seconds=5, delete_seconds=3, page_size=2)

    @pytest.fixture
    def make_space(self, clock: FakeClock, settings: Settings) -> Iterator[Callable[[], Space]]:
        """Give spaces on one cloud; hold at the end that machines left nothing, and close all."""
        cloud = AzureCloud(clock, settings)
        cloud.add_foreign("theirs")
        made: list[Space] = []
        with serving_azure(cloud) as address:

            def make() -> Space:
                space = AzureSpace("contract", options(address, settings), clock=clock)
                made.append(space)
                return space

            yield make
            for space in made:
                space.close()
        assert cloud.parts == set()

    @pytest.fixture
    def pass_time(self, clock: FakeClock) -> Callable[[], None]:
        """Let a second pass."""
        return lambda: clock.advance(1)


@pytest.mark.parametrize("is_namespace_there", [True, False])
def test_without_the_sdk_the_space_says_which_packages_are_missing(
    monkeypatch: pytest.MonkeyPatch, is_namespace_there: bool
) -> None:
    """Other packages may have left the namespace `azure`, or there is nothing of it."""

    def find(name: str) -> None:
        if not is_namespace_there:
            raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(ImportError, match="azure-mgmt-compute and azure-identity are missing"):
        importlib.reload(vcycled.spaces.azure)


def test_importing_the_space_imports_no_sdk() -> None:
    """It takes seconds on a small host, and `vcycle config check` needs only the options."""
    program = (
        "import sys, vcycled.spaces.azure; print(sum('azure.' in n[:6] for n in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) <= 1  # the namespace of azure.mgmt, looked into for what is there


def test_the_models_of_the_sdk_are_complete_once_it_is_connected() -> None:
    """Each completes its class when it is first made, which two threads must not do at once."""
    program = """
from azure.mgmt.compute import models
from vcycled.clock import SystemClock
from vcycled.options import Secret
from vcycled.pace import Pace
from vcycled.spaces.azure import AzureOptions
from vcycled.spaces.azure.connection import Connection
from vcycled.spaces.azure.wire import Wire

kinds = [each for each in vars(models).values() if hasattr(each, "_calculated")]
incomplete = [kind for kind in kinds if "_attr_to_rest_field" not in vars(kind)]
wire = Wire(Pace(1, 1, clock=SystemClock()), read_timeout_s=1, ca_file=None)
where = {"subscription": "s", "resource_group": "g", "location": "l", "subnet_id": "n"}
who = {"tenant_id": "t", "client_id": "c", "client_secret": Secret("s")}
options = AzureOptions(**where, **who)
Connection(options, wire)
left = [kind for kind in kinds if "_attr_to_rest_field" not in vars(kind)]
print(len(kinds), len(incomplete), len(left))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    kinds, incomplete, left = map(int, done.stdout.split())
    assert kinds == incomplete > 100
    assert left == 0
