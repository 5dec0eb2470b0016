"""An installation full of running machines, on clouds in memory: what the benches measure.

Configuration, database, tree and queue are real files; only the clouds are not there. A listing is
built anew at each call, object by object, as an SDK builds it from a cloud's answer; what that
costs is added up in `listing_seconds`, for the manager has no part in it.
"""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

from vcycled import kvlog
from vcycled.apel.queue import Queue
from vcycled.clock import SystemClock
from vcycled.config import ConfigSource, SpaceConfig
from vcycled.cycle import SpaceCycle
from vcycled.daemon import process
from vcycled.daemon.outfit import Outfit, context_of
from vcycled.machinedir import MachineDir
from vcycled.spaces.base import Clock, CreateRequest, ListedMachine, Space
from vcycled.spaces.memory import MemoryCloud, MemorySpace
from vcycled.store import Store
from vcycled.store.database import Database

KINDS = 10
BEATING = 5
"""So many of the machinetypes have a heartbeat_file."""
BEAT_EVERY = 5
"""A machine beats at every fifth cycle: every five minutes, if a cycle is one."""

_HEARTBEAT = "heartbeat"
_MANAGER = """\
[vcycle]
root = {root}
manager_hostname = manager.example.org
heartbeat_receiver = external
"""
_SPACE = """
[space {space}]
api = memory
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
flavor_names = small
user_data = template
"""
_KEEPS_BEATING = f"heartbeat_file = {_HEARTBEAT}\nheartbeat_seconds = 86400\n"


P = ParamSpec("P")
T = TypeVar("T")


class TimedStore(Store):
    """A store that notes when each space's report was last saved, which ends its cycle."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        super().__init__(database, clock=clock)
        self.ended: dict[str, float] = {}

    def save_report(self, space: str, report: str, at: int) -> None:
        """Save it and note the time."""
        super().save_report(space, report, at)
        self.ended[space] = time.monotonic()


class BenchCloud(MemoryCloud):
    """A cloud whose listings are new objects at every call."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, start_seconds=0)
        self.listing_seconds = 0.0
        """CPU time that building them took."""
        self._packed: tuple[object, bytes] = (None, b"")

    def shown(self) -> tuple[ListedMachine, ...]:
        """Return what a listing shows now."""
        began = time.thread_time()
        machines = super().shown()
        if machines is not self._packed[0]:
            self._packed = machines, pickle.dumps(machines)
        new: tuple[ListedMachine, ...] = pickle.loads(self._packed[1])
        self.listing_seconds += time.thread_time() - began
        return new


class Installation:
    """One manager's files, and its clouds; `machines` in each of `spaces`."""

    def __init__(self, root: Path, *, spaces: int, machines: int) -> None:
        process.collect_seldom()  # as vcycled does
        self.root = root
        self.machines = machines
        self.clock = SystemClock()
        self.clouds = {f"cloud{n:03}.example.org": BenchCloud(self.clock) for n in range(spaces)}
        self.tree = MachineDir(root, clock=self.clock)
        self.config_path = root / "vcycle.conf"

    def write(self) -> None:
        """Write the configuration and the templates."""
        self.tree.make_ready()
        text = _MANAGER.format(root=self.root)
        for space in self.clouds:
            text += _SPACE.format(space=space, machines=self.machines)
            for number in range(KINDS):
                text += _KIND.format(space=space, kind=_kind(number))
                text += _KEEPS_BEATING if number < BEATING else ""
                folder = self.tree.layout.files(space, _kind(number))
                folder.mkdir(parents=True)
                (folder / "template").write_text("#!/bin/sh\n: ##user_data_machine_hostname##\n")
        self.config_path.write_text(text, encoding="utf-8")

    def fill(self) -> None:
        """Let the manager ask for the machines and see them run, and let each beat once."""
        for space in self.clouds:
            cycle = self.cycle(space)
            cycle.run(self.config_of(space))
            cycle.run(self.config_of(space))
        for turn in range(BEAT_EVERY):
            self.beat(turn)
        asked = {space: _requests(cloud) for space, cloud in self.clouds.items()}
        (self.root / "requests").write_bytes(pickle.dumps(asked))

    def refill(self) -> None:
        """Give the clouds of a new process the machines of the one that filled them."""
        for space, asked in pickle.loads((self.root / "requests").read_bytes()).items():
            for request in asked:  # in the same order, so that the ids are the same too
                MemorySpace(self.clouds[space]).create(request)

    def cycle(self, space: str) -> SpaceCycle:
        """Return a new manager of one space."""
        config, outfit = self.outfit.configs.current(), self.outfit
        return SpaceCycle(context_of(self.config_of(space), config.manager, outfit, lambda: False))

    def config_of(self, space: str) -> SpaceConfig:
        """Return the space as the configuration has it."""
        config = self.outfit.configs.current()
        assert not config.problems
        (found,) = (each for each in config.spaces if each.name == space)
        return found

    def beat(self, turn: int) -> None:
        """Let those machines beat whose turn it is."""
        for space, cloud in self.clouds.items():
            for number, truth in enumerate(cloud.here):
                if (
                    truth.machinetype in _BEATING_KINDS
                    and number % BEAT_EVERY == turn % BEAT_EVERY
                ):
                    (self.tree.layout.outputs(space, truth.listed.name) / _HEARTBEAT).touch()

    @cached_property
    def registry(self) -> dict[str, type[Space]]:
        """The one kind of space: a view of the cloud of its name."""
        clouds = self.clouds

        class BenchSpace(MemorySpace):
            def __init__(self, name: str, _options: object, *, clock: Clock) -> None:  # noqa: ARG002
                super().__init__(clouds[name])

        return {"memory": BenchSpace}

    @cached_property
    def store(self) -> TimedStore:
        """The database, opened when it is first asked for."""
        return TimedStore.open(f"sqlite:///{self.root}/vcycle.db", clock=self.clock)

    @cached_property
    def outfit(self) -> Outfit:
        """What the manager is given."""
        return Outfit(
            configs=ConfigSource([self.config_path], registry=self.registry),
            store=self.store,
            queue=Queue(self.root),
            clock=self.clock,
            rng=random.Random(1),
            host="manager.example.org",
            installation=self.store.installation_id(),
            registry=self.registry,
            log=kvlog.get("bench"),
        )


def _kind(number: int) -> str:
    return f"kind{number}"


_BEATING_KINDS = frozenset(_kind(number) for number in range(BEATING))


def build(root: Path, *, spaces: int, machines: int) -> None:
    """Let a manager fill its spaces, in a process that leaves nothing but files."""
    in_new_process(_build, root, spaces=spaces, machines=machines)


def in_new_process(do: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Return what a function of a module returns that runs in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(do, *args, **named).result()


def _build(root: Path, *, spaces: int, machines: int) -> None:
    installation = Installation(root, spaces=spaces, machines=machines)
    installation.write()
    installation.fill()
    installation.store.close()


def _requests(cloud: MemoryCloud) -> list[CreateRequest]:
    return [truth.request for truth in cloud.truth if truth.request is not None]
