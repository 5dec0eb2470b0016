"""The local space keeps the contract, with real processes, in a sandbox and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.local_host import BARE, LocalHost, needs_sandbox
from vcycled.spaces.base import Space
from vcycled.testing.contract import SpaceContract


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LocalHost]:
    """Give a host; end whatever the test left on it."""
    host = LocalHost(tmp_path)
    yield host
    host.end()


class TestLocalSpaceContract(SpaceContract):
    """Without a sandbox."""

    @pytest.fixture
    def make_space(self, host: LocalHost) -> Callable[[], Space]:
        """Return spaces of one folder."""
        return lambda: host.space(options=BARE)


class TestSandboxedLocalSpaceContract(SpaceContract):
    """In a sandbox."""

    @pytest.fixture
    def make_space(self, host: LocalHost) -> Callable[[], Space]:
        """Return spaces of one folder."""
        needs_sandbox()
        return host.space
