"""An installation full of running machines, on clouds in memory: what the benches measure.

Configuration, database, tree and queue are real files; only the clouds are not there. A listing is
built anew at each call, object by object, as an SDK builds it from a cloud's answer; what that
costs is added up in `listing_seconds`, for the manager has no part in it.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import ParamSpec, TypeVar

from bench.manager import (
    KINDS,
    cycle_of,
    kind,
    kind_section,
    manager_section,
    outfit,
    space_of,
    space_section,
)
from vcycled.clock import SystemClock
from vcycled.config import SpaceConfig
from vcycled.cycle import SpaceCycle
from vcycled.daemon import process
from vcycled.daemon.outfit import Outfit
from vcycled.machinedir import MachineDir
from vcycled.remember import Tally
from vcycled.spaces.base import Clock, CreateRequest, ListedMachine, Space
from vcycled.spaces.memory import MemoryCloud, MemorySpace
from vcycled.store import Store
from vcycled.store.database import Database

BEATING = 5
"""So many of the machinetypes have a heartbeat_file."""
BEAT_EVERY = 5
"""A machine beats at every fifth cycle: every five minutes, if a cycle is one."""

_HEARTBEAT = "heartbeat"
_KEEPS_BEATING = {"heartbeat_file": _HEARTBEAT, "heartbeat_seconds": 86400}


_NOTHING: Mapping[Tally, int] = MappingProxyType({})

P = ParamSpec("P")
T = TypeVar("T")


class TimedStore(Store):
    """A store that notes when each space's report was last saved, which ends its cycle."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        super().__init__(database, clock=clock)
        self.ended: dict[str, float] = {}

    def save_report(
        self, space: str, report: str, at: int, *, raised: Mapping[Tally, int] = _NOTHING
    ) -> None:
        """Save it and note the time."""
        super().save_report(space, report, at, raised=raised)
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
        text = manager_section(self.root)
        for space in self.clouds:
            text += space_section(space, machines=self.machines, api="memory")
            for number in range(KINDS):
                beat = _KEEPS_BEATING if number < BEATING else {}
                text += kind_section(self.tree, space, number, flavor_names="small", **beat)
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
        return cycle_of(self.outfit, self.config_of(space))

    def config_of(self, space: str) -> SpaceConfig:
        """Return the space as the configuration has it."""
        return space_of(self.outfit, space)

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
        return outfit(self.root, self.config_path, self.store, self.registry, self.clock)


_BEATING_KINDS = frozenset(kind(number) for number in range(BEATING))


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
