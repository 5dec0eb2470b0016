"""A whole manager for one space on a simulated cloud: real store, tree and queue, time by hand.

`World` has its cloud in memory; `tests/openstack_world.py` has one that speaks HTTP.
"""

from __future__ import annotations

import os
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.auditor import Ran, Window, audit
from tests.prepared import put_database
from vcycled import kvlog
from vcycled.accounting.apel import ApelSink
from vcycled.accounting.base import NoOptions, Sink
from vcycled.apel.queue import Queue
from vcycled.calls import CallPool
from vcycled.config import MachinetypeConfig, MachinetypeOptions, ManagerOptions, SpaceConfig
from vcycled.config import SpaceOptions as Options
from vcycled.cycle import Context, Outcome, SpaceCycle
from vcycled.cycle.outlet import Outlet
from vcycled.machinedir import MachineDir
from vcycled.model import Machine
from vcycled.options import Amount
from vcycled.spaces.base import Space
from vcycled.spaces.memory import MemoryCloud, MemoryOptions, MemorySpace, Truth
from vcycled.store import APEL, Store
from vcycled.testing.clock import FakeClock

SPACE = "space.example.org"
FIZZLE = 100


def kind(name: str = "prod", **changes: Any) -> MachinetypeConfig:  # noqa: ANN401 - replace() refuses wrong names
    """Return a machinetype of small machines; `changes` are options."""
    options = MachinetypeOptions(
        target_share=1.0,
        backoff_seconds=600,
        fizzle_seconds=FIZZLE,
        max_wallclock_seconds=10_000,
        flavor_names=("small",),
        user_data="template",
    )
    return MachinetypeConfig(
        name=name,
        options=replace(options, **changes),
        user_data_options={},
        user_data_files={},
        user_data_overrides={},
        held="",
    )


class AnyWorld(ABC):
    """One installation; `restart` kills its manager and starts another on what is left."""

    api = "memory"

    def __init__(
        self,
        root: Path,
        *kinds: MachinetypeConfig,
        **options: Any,  # noqa: ANN401 - see kind
    ) -> None:
        """Build it; `options` are those of the space."""
        root.mkdir(exist_ok=True)
        self.root = root
        self.clock = FakeClock()
        self.open_cloud()
        self.seed = 0
        self.unseen = 60
        """How far a time can be off: the longest that nobody looked."""
        usual = Options(api=self.api, gocdb_sitename="SITE", max_creations_per_cycle=Amount(100))
        self.config = SpaceConfig(
            name=SPACE,
            api=self.api,
            options=replace(usual, **{"processors_limit": 10, **options}),
            api_options=MemoryOptions(),
            machinetypes=kinds or (kind(),),
            held="",
            is_removed=False,
        )
        self.tree = MachineDir(root, clock=self.clock)
        self.tree.make_ready()
        self.queue = Queue(root)
        for each in self.config.machinetypes:
            folder = self.tree.layout.files(SPACE, each.name)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "template").write_text("#!/bin/sh\n# ##user_data_machine_hostname##\n")
        self.store = self._open_store()
        self.manager = self.new_cycle()

    @abstractmethod
    def open_cloud(self) -> None:
        """Make the cloud, by the clock that is there already."""

    @abstractmethod
    def new_space(self) -> Space:
        """Return one more view of the cloud."""

    @abstractmethod
    def ours(self) -> Mapping[str, str]:
        """Return the names of what the cloud holds of ours, by its id."""

    @abstractmethod
    def runs(self) -> Sequence[Ran]:
        """Return how each machine of ours ran that did and is gone."""

    def _open_store(self) -> Store:
        put_database(self.root / "vcycle.db")
        return Store.open(f"sqlite:///{self.root}/vcycle.db", clock=self.clock)

    def new_cycle(self, **changes: Any) -> SpaceCycle:  # noqa: ANN401 - see kind
        """Return a manager that remembers nothing but what the store does."""
        self.seed += 1
        context = Context(
            name=SPACE,
            space=self.new_space(),
            store=self.store,
            tree=self.tree,
            outlets=lambda: (self.new_outlet(),),
            calls=CallPool(10, timeout_s=90, clock=self.clock),
            errands=CallPool(3, timeout_s=20, clock=self.clock),
            clock=self.clock,
            rng=random.Random(self.seed),
            manager=ManagerOptions(root=self.root),
            host="manager.example.org",
            installation=self.store.installation_id(),
            log=kvlog.get("test", space=SPACE),
            is_stopping=lambda: False,
        )
        return SpaceCycle(replace(context, **changes))

    def new_outlet(
        self, name: str = APEL, *, sink: Sink | None = None, store: Store | None = None
    ) -> Outlet:
        """Return where the manager's records go: APEL's queue, unless told otherwise."""
        return Outlet(
            name,
            sink or ApelSink(APEL, NoOptions(), root=self.root),
            store=store or self.store,
            manager="manager.example.org",
            clock=self.clock,
            log=kvlog.get("test"),
        )

    def restart(self) -> None:
        """Start a new manager, as after a kill -9: nothing of the old one is left in memory."""
        self.store.close()
        self.store = self._open_store()
        self.manager = self.new_cycle()

    def lose_everything(self) -> None:
        """Start a manager that remembers nothing, not even its installation id."""
        self.store.close()
        for path in self.root.glob("vcycle.db*"):
            path.unlink()
        self.restart()

    def lose_database(self) -> None:
        """Start a manager that remembers nothing but its installation id, which is in a file."""
        installation = self.store.installation_id()
        self.lose_everything()
        self.store.adopt_installation_id(installation)
        self.manager = self.new_cycle()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def cycle(self, *, held: str = "") -> Outcome:
        """Run one cycle now."""
        return self.manager.run(self.config, held=held)

    def cycles(self, count: int, seconds: int = 60) -> Outcome:
        """Run cycles, `seconds` apart, and return the last outcome."""
        outcome = self.cycle()
        for _ in range(count - 1):
            self.clock.advance(seconds)
            outcome = self.cycle()
        return outcome

    def set(self, **options: Any) -> None:  # noqa: ANN401 - see kind
        """Change options of the space."""
        self.config = replace(self.config, options=replace(self.config.options, **options))

    def set_kind(self, name: str = "prod", **options: Any) -> None:  # noqa: ANN401 - see kind
        """Change options of a machinetype."""
        self.config = replace(
            self.config,
            machinetypes=tuple(
                replace(each, options=replace(each.options, **options))
                if each.name == name
                else each
                for each in self.config.machinetypes
            ),
        )

    @property
    def machines(self) -> tuple[Machine, ...]:
        """What the store holds that is not gone, by name."""
        return tuple(sorted(self.store.records(SPACE).machines, key=lambda each: each.name))

    def all_here(self, do: Callable[[str], None]) -> None:
        """Do something to every machine of ours in the cloud, by name."""
        for name in tuple(self.ours().values()):
            do(name)

    @property
    def folders(self) -> Path:
        """Return where the folders of machines are."""
        return self.tree.layout.current(SPACE)

    def folder(self, name: str) -> Path:
        """Return the published folder of a machine."""
        return self.tree.layout.machine(SPACE, name)

    def say(self, name: str, message: str) -> None:
        """Let a machine leave a shutdown message."""
        path = self.tree.layout.outputs(SPACE, name) / "shutdown_message"
        path.write_text(message)
        self._stamp(path)

    def beat(self, name: str, file: str = "heartbeat") -> None:
        """Let a machine give a sign of life."""
        path = self.tree.layout.outputs(SPACE, name) / file
        path.write_text("alive")
        self._stamp(path)

    def receiver_up(self, *, since: int) -> None:
        """Let the web process be up since then."""
        path = self.tree.layout.web_up / "web.example.org"
        path.write_text(str(since))
        self._stamp(path)

    def _stamp(self, path: Path) -> None:
        os.utime(path, (self.clock.now(), self.clock.now()))

    def audit(self) -> list[str]:
        """Compare the cloud's truth with store, tree and queue; return what is wrong."""
        known = {machine.cloud_id for machine in self.machines}
        wrong = [f"leaked: {name}" for key, name in self.ours().items() if key not in known]
        intervals = [each.interval for each in self.store.intervals() if each.interval.is_final]
        return [*wrong, *audit(self.runs(), intervals, self.queue, now=self.clock.now())]


class World(AnyWorld):
    """One on a cloud in memory."""

    cloud: MemoryCloud

    def open_cloud(self) -> None:
        """Make a cloud whose machines run after 30 seconds."""
        self.cloud = MemoryCloud(self.clock, start_seconds=30)

    def new_space(self) -> Space:
        """Return one more view of it."""
        return MemorySpace(self.cloud)

    def ours(self) -> Mapping[str, str]:
        """Return the names of what the cloud holds of ours, by its id."""
        return {each.listed.cloud_id: each.listed.name for each in self.here}

    def runs(self) -> Sequence[Ran]:
        """Return how each machine of ours ran that did and is gone."""
        ran = [self._ran(truth) for truth in self.cloud.truth if truth.request is not None]
        return [each for each in ran if each]

    @property
    def here(self) -> tuple[Truth, ...]:
        """What the cloud holds of ours."""
        return tuple(each for each in self.cloud.here if each.request is not None)

    def _ran(self, truth: Truth) -> Ran | None:
        """Return how a machine that is gone ran; None if it never did or is still there."""
        listed, request = truth.listed, truth.request
        if truth.gone_at is None or listed.started_at is None or request is None:
            return None
        ended = truth.gone_at if listed.stopped_at is None else listed.stopped_at
        return Ran(
            uuid=request.uuid,
            processors=listed.processors,
            started=Window(
                earliest=listed.created_at or listed.started_at,
                latest=listed.started_at + self.unseen,
            ),
            ended=Window(earliest=ended - self.unseen, latest=ended + self.unseen),
            fizzle_seconds=FIZZLE,
        )
