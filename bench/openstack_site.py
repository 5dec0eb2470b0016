"""A manager of one OpenStack space, for measurements, and a cloud: the simulator or a real one.

The simulator is a process of its own, so that what it costs is not counted as the manager's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.manager import (
    KINDS,
    cycle_of,
    kind_section,
    manager_section,
    outfit,
    space_of,
    space_section,
)
from tests.fakes.openstack.control import RemoteCloud
from vcycled.clock import SystemClock
from vcycled.config import SpaceConfig
from vcycled.cycle import SpaceCycle
from vcycled.daemon import process
from vcycled.daemon.outfit import Outfit
from vcycled.machinedir import MachineDir
from vcycled.spaces.openstack import OpenStackOptions, OpenStackSpace
from vcycled.store import Store

if TYPE_CHECKING:
    from openstack.connection import Connection

SPACE = "openstack.example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A cloud to measure on."""

    options: Mapping[str, str]
    """How the manager logs in."""
    login: Mapping[str, str | bool] = field(default_factory=dict)
    """How the SDK does."""
    flavor: str = "small"
    image: str = "worker"

    def connected(self) -> Connection:
        """Return a connection of the SDK alone."""
        import openstack  # noqa: PLC0415 - what it costs is not always to be counted

        return openstack.connect(**self.login)  # type: ignore[arg-type] # each its own type


def simulated(url: str) -> Where:
    """Return the cloud that the simulator serves at `url`."""
    plain = {"username": "vcycle", "password": "secret", "project_name": "grid"}
    login: dict[str, str | bool] = {
        "auth_url": f"{url}/identity",
        "region_name": "RegionOne",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "load_yaml_config": False,
        "load_envvars": False,
        **plain,
    }
    return Where(options={"url": f"{url}/identity/v3", **plain}, login=login)


@contextmanager
def simulator(*arguments: str) -> Iterator[RemoteCloud]:
    """Start the simulator and end it again."""
    line = [sys.executable, "-m", "tests.fakes.openstack", *arguments]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        _, url = running.stdout.readline().split()
        try:
            yield RemoteCloud(url)
        finally:
            running.stdin.close()  # it ends then


class Site:
    """The files of one manager with one space for so many machines."""

    def __init__(self, root: Path, where: Where, *, machines: int) -> None:
        process.collect_seldom()  # as vcycled does
        self._root = root
        self._where = where
        self._machines = machines
        self.clock = SystemClock()

    def write(self) -> None:
        """Write the configuration and the templates."""
        tree = MachineDir(self._root, clock=self.clock)
        tree.make_ready()
        text = manager_section(self._root)
        text += space_section(
            SPACE,
            machines=self._machines,
            api="openstack",
            api_calls_per_second=1000000,
            api_burst=1000,
            **self._where.options,
        )
        image = f"image:{self._where.image}"
        for number in range(KINDS):
            text += kind_section(
                tree, SPACE, number, flavor_names=self._where.flavor, root_image=image
            )
        conf = self._root / "vcycle.conf"
        conf.touch(mode=0o600)  # it holds a password
        conf.write_text(text, encoding="utf-8")

    @cached_property
    def store(self) -> Store:
        """The database."""
        return Store.open(f"sqlite:///{self._root}/vcycle.db", clock=self.clock)

    @cached_property
    def config(self) -> SpaceConfig:
        """The space as the configuration has it."""
        return space_of(self._outfit, SPACE)

    @property
    def options(self) -> OpenStackOptions:
        """The options of its API."""
        assert isinstance(self.config.api_options, OpenStackOptions)
        return self.config.api_options

    def manager(self) -> SpaceCycle:
        """Return a manager that has just been started."""
        return cycle_of(self._outfit, self.config)

    @cached_property
    def _outfit(self) -> Outfit:
        registry = {"openstack": OpenStackSpace}
        return outfit(self._root, self._root / "vcycle.conf", self.store, registry, self.clock)
