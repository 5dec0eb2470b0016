"""A manager of one OpenStack space, for measurements, and a cloud: the simulator or a real one.

The simulator is a process of its own, so that what it costs is not counted as the manager's.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fakes.openstack.control import RemoteCloud
from vcycled import kvlog
from vcycled.apel.queue import Queue
from vcycled.clock import SystemClock
from vcycled.config import ConfigSource, SpaceConfig
from vcycled.cycle import SpaceCycle
from vcycled.daemon import process
from vcycled.daemon.outfit import Outfit, context_of
from vcycled.machinedir import MachineDir
from vcycled.spaces.openstack import OpenStackOptions, OpenStackSpace
from vcycled.store import Store

if TYPE_CHECKING:
    from openstack.connection import Connection

SPACE = "openstack.example.org"
KINDS = 10

_CONF = """\
[vcycle]
root = {root}
manager_hostname = manager.example.org
heartbeat_receiver = external

[space {space}]
api = openstack
{login}
api_calls_per_second = 1000000
api_burst = 1000
cycle_seconds = 3600
processors_limit = {machines}
max_creations_per_cycle = 100%
gocdb_sitename = EXAMPLE
"""
_KIND = """
[machinetype {space} {kind}]
target_share = 1
fizzle_seconds = 600
backoff_seconds = 600
max_wallclock_seconds = 172800
flavor_names = {flavor}
root_image = image:{image}
user_data = template
"""


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
        self._registry = {"openstack": OpenStackSpace}
        self.clock = SystemClock()

    def write(self) -> None:
        """Write the configuration and the templates."""
        tree = MachineDir(self._root, clock=self.clock)
        tree.make_ready()
        login = "\n".join(f"{name} = {value}" for name, value in self._where.options.items())
        text = _CONF.format(root=self._root, space=SPACE, login=login, machines=self._machines)
        for number in range(KINDS):
            kind = f"kind{number}"
            text += _KIND.format(
                space=SPACE, kind=kind, flavor=self._where.flavor, image=self._where.image
            )
            folder = tree.layout.files(SPACE, kind)
            folder.mkdir(parents=True)
            (folder / "template").write_text("#!/bin/sh\n: ##user_data_machine_hostname##\n")
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
        config = self._outfit.configs.current()
        assert not config.problems, config.problems
        (space,) = config.spaces
        return space

    @property
    def options(self) -> OpenStackOptions:
        """The options of its API."""
        assert isinstance(self.config.api_options, OpenStackOptions)
        return self.config.api_options

    def manager(self) -> SpaceCycle:
        """Return a manager that has just been started."""
        outfit = self._outfit
        config = outfit.configs.current()
        return SpaceCycle(context_of(self.config, config.manager, outfit, lambda: False))

    @cached_property
    def _outfit(self) -> Outfit:
        configs = ConfigSource([self._root / "vcycle.conf"], registry=self._registry)
        return Outfit(
            configs=configs,
            store=self.store,
            queue=Queue(self._root),
            clock=self.clock,
            rng=random.Random(1),
            host="manager.example.org",
            installation=self.store.installation_id(),
            registry=self._registry,
            log=kvlog.get("bench"),
        )
