"""One installation whose every part can fail: real cycle, store, tree and queue, time by hand."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from tests.auditor import Life
from tests.fakes.openstack import OpenStackCloud, Server, Settings, serving
from tests.faults.clocks import TrueClock
from tests.faults.guests import BEAT_SECONDS, BEATING
from tests.faults.outages import Failing, Outage
from tests.mines import Fuse, Mined
from tests.openstack_world import OpenStackWorld, image_kind
from tests.world import FIZZLE, SPACE
from vcycled.accounting.apel import ApelSink
from vcycled.accounting.base import NoOptions, Sink, record_id
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink
from vcycled.apel.queue import Queue, elements_of
from vcycled.calls import CallPool
from vcycled.config import ConfigSource, ManagerOptions
from vcycled.cycle import Outcome, SpaceCycle
from vcycled.daemon.outfit import installation_of
from vcycled.machinedir import MachineDir
from vcycled.model import RunInterval
from vcycled.spaces.base import CreateRequest, Space
from vcycled.store import Store

LIMIT = 14
LIMITED = "few"
"""The machinetype with a limit of its own."""
FEW = 3
WALLCLOCK = 10_000
START_TIMEOUT = 3600
NEVER = 10**9
"""Length of a fuse that does not kill."""
LINES = "jsonl"
"""The second sink of records: files of JSON lines."""
CALL_S = 90
"""Patience with a call."""

CONF = """\
[vcycle]
root = {root}

[space {space}]
api = openstack
url = {url}/identity/v3
username = vcycle
password = secret
project_name = grid
processors_limit = {limit}
max_creations_per_cycle = 10
max_deletions_per_cycle = 25%
gocdb_sitename = SITE

[machinetype {space} prod]
target_share = 2
{usual}

[machinetype {space} {beating}]
target_share = 1
heartbeat_file = heartbeat
heartbeat_seconds = {beat_seconds}
{usual}

[machinetype {space} {limited}]
target_share = 1
processors_limit = {few}
{usual}
"""
USUAL = f"""\
flavor_names = small
root_image = image:worker
user_data = template
fizzle_seconds = {FIZZLE}
backoff_seconds = 600
max_wallclock_seconds = {WALLCLOCK}"""


class Asked:
    """A space of whose machines it is noted that they are asked for."""

    def __init__(self, space: Space, note: Callable[[str], None]) -> None:
        """Call `note` with the name of each machine before `space` is asked for it."""
        self._space = space
        self._note = note

    def __getattr__(self, name: str) -> object:
        """Return whatever else the space does."""
        return getattr(self._space, name)

    def create(self, request: CreateRequest) -> str:
        """Ask for a machine."""
        self._note(request.name)
        return self._space.create(request)


class Site(OpenStackWorld):
    """An OpenStack space with three machinetypes, its configuration in a file."""

    def __init__(self, root: Path, seed: int) -> None:
        self.conf = root / "vcycle.conf"
        self.fuse = Fuse(NEVER)
        self.store_outage, self.tree_outage = Outage(), Outage()
        self.queue_outage = Outage()
        self.slots = 1
        """Calls at once; with one, the same seed is the same history."""
        self._pools: list[CallPool] = []
        """Of every manager there was: what its calls to the cloud are made with."""
        self.lost_intervals: list[RunInterval] = []
        """What databases that were lost had on record and handed over."""
        self.lost_at = 0
        """When the last of them was lost."""
        self.looks: list[int] = []
        """When the cloud was truthfully and completely looked at and remembered, in true time."""
        self.asked_at: dict[str, int] = {}
        """When the cycle began that first asked for a machine, in true time, by its name."""
        kinds = [image_kind(name) for name in ("prod", BEATING, LIMITED)]
        super().__init__(root, *kinds, settings=Settings())
        self.seed = seed * 1000
        self._began_at = 0
        self.good_text = self.text()
        self.configure(self.good_text)
        self.restart()
        self.configs.current()  # before an edit, so that there is a last good one

    # What the world is made of.

    def open_cloud(self) -> None:
        """Serve a cloud whose clock nobody sets."""
        self.true = TrueClock(self.clock)
        self.cloud = OpenStackCloud(self.true, self.cloud_settings)
        self.url = self._open.enter_context(serving(self.cloud.answer))

    def new_cycle(self, **changes: Any) -> SpaceCycle:  # noqa: ANN401 - see AnyWorld
        """Return a manager whose parts can fail, and which can die at any step."""
        self.fuse = Fuse(NEVER)
        self._pools.append(CallPool(self.slots, timeout_s=CALL_S, clock=self.clock))
        store = cast(Store, self._part(self.store, self.store_outage))
        outlets = (
            self.new_outlet(sink=self._queue_sink(), store=store),
            self.new_outlet(LINES, sink=self._lines_sink(), store=store),
        )
        parts = {
            "store": store,
            "tree": cast(MachineDir, self._part(self.tree, self.tree_outage)),
            "outlets": lambda: outlets,
            "space": cast(Space, Mined(Asked(self.new_space(), self._note), self.fuse)),
            "calls": self._pools[-1],
            "errands": CallPool(1, timeout_s=20, clock=self.clock),
            "configured": lambda: (self.config,),
        }
        return super().new_cycle(**parts, **changes)

    def _note(self, name: str) -> None:
        self.asked_at.setdefault(name, self._began_at)

    def _queue_sink(self) -> ApelSink:
        sink = ApelSink("apel", NoOptions(), root=self.root)
        sink._queue = cast(Queue, self._part(self.queue, self.queue_outage))
        return sink

    def _lines_sink(self) -> Sink:
        sink = JsonLinesSink(LINES, JsonLinesOptions(), root=self.root)
        return cast(Sink, Mined(sink, self.fuse))

    def _part(self, thing: object, outage: Outage) -> Mined:
        return Mined(Failing(thing, outage), self.fuse)

    def _open_store(self) -> Store:
        store = Store.open(f"sqlite:///{self.root}/vcycle.db?timeout=0.05", clock=self.clock)
        installation_of(ManagerOptions(root=self.root), store)
        return store

    def _source(self) -> ConfigSource:
        # Where a site keeps it that leaves ROOT at its default, so that no edit can hide it.
        return ConfigSource([self.conf], keep_in=self.root / "lastgood.json")

    def restart(self) -> None:
        """Start a new manager on what is left, which reads its configuration anew."""
        super().restart()
        self.configs = self._source()

    def cycle(self, *, held: str = "") -> Outcome:
        """Run one cycle under the configuration as it is in the file now."""
        config = self.configs.current().space(SPACE)
        assert config is not None, "a space with machines is never forgotten"
        self.config = config
        self._began_at, is_truthful = self.true.now(), not self.is_listing_wrong
        outcome = super().cycle(held=held)
        if outcome.plan is not None and is_truthful and config.options.mode == "manage":
            self.looks.append(self._began_at)
        return outcome

    @property
    def is_listing_wrong(self) -> bool:
        """Whether listings differ from the truth."""
        listing = self.cloud.listing
        return bool(listing.omitted or listing.lag_seconds or listing.cut is not None)

    # What is done to it.

    def text(self, *, limit: int = LIMIT) -> str:
        """Return a good configuration."""
        return CONF.format(
            root=self.root,
            space=SPACE,
            url=self.url,
            limit=limit,
            beating=BEATING,
            beat_seconds=BEAT_SECONDS,
            limited=LIMITED,
            few=FEW,
            usual=USUAL,
        )

    def configure(self, text: str) -> None:
        """Write the configuration as an editor does."""
        draft = self.conf.with_suffix(".new")
        draft.write_text(text)
        draft.chmod(0o600)
        draft.replace(self.conf)

    def say(self, name: str, message: str, *, at: int | None = None) -> None:
        """Let a machine leave a shutdown message, by default now; `at` is a true time."""
        super().say(name, message)
        if at is not None:
            stamp = at + self.offset
            os.utime(self.tree.layout.outputs(SPACE, name) / "shutdown_message", (stamp, stamp))

    @property
    def offset(self) -> int:
        """How many seconds the manager's clock is fast."""
        return self.clock.now() - self.true.now()

    def lock_database(self) -> sqlite3.Connection:
        """Let another process write into the database until it is closed."""
        other = sqlite3.connect(self.root / "vcycle.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        return other

    def lose_database(self) -> None:
        """Remove it while no manager runs, and start one."""
        self.lost_at = self.true.now()
        final = [each.interval for each in self.store.intervals() if each.interval.is_final]
        self.lost_intervals += [each for each in final if self.is_archived(each)]
        self.store.close()
        for path in self.root.glob("vcycle.db*"):
            path.unlink()
        self.store = self._open_store()
        self.manager = self.new_cycle()

    def wait_for_calls(self) -> None:
        """Wait until no call of any manager is under way, also of one that was killed.

        The cloud is done with a request before whoever asked has its answer, and a call may be
        several requests: only who asks knows when a call has ended.
        """
        while any(pool._busy for pool in self._pools):
            threading.Event().wait(0.005)

    # What is true of it.

    def is_archived(self, interval: RunInterval) -> bool:
        """Return whether the record of a run is in the archive."""
        return (self.queue.archive / next(elements_of(interval))).exists()

    def line_problems(self) -> list[str]:
        """Return what is wrong with the files of JSON lines: each final run has one line."""
        folder = self.root / "accounting" / LINES
        lines = [
            str(json.loads(line)["record_id"])
            for path in sorted(folder.glob("*.jsonl"))
            for line in path.read_text(encoding="ascii").splitlines()
        ]
        final = [each.interval for each in self.store.intervals() if each.interval.is_final]
        known = {record_id(each) for each in final}
        problems = [
            f"{name}: {lines.count(name)} lines" for name in known if lines.count(name) != 1
        ]
        if not self.lost_at:  # else its runs are known no more
            problems += [f"{name}: a line of no run" for name in lines if name not in known]
        return problems

    def lives(self) -> list[Life]:
        """Return every machine of ours there ever was."""
        return [life_of(each) for each in self.cloud.truth if each.is_ours]

    def close(self) -> None:
        """End everything."""
        self.cloud.script.release()
        with suppress(sqlite3.Error):
            super().close()


def life_of(server: Server) -> Life:
    """Return what the auditor is told of a server."""
    return Life(
        id=server.id,
        uuid=server.uuid,
        name=server.name,
        machinetype=server.machinetype,
        processors=server.flavor.vcpus,
        created_at=server.created_at,
        launched_at=server.launched_at,
        gone_at=server.gone_at,
        killed_at=server.killed_at,
    )


def seeded(seed: int, what: str) -> random.Random:
    """Return chance of its own for one part of a history."""
    return random.Random(f"{seed}/{what}")
