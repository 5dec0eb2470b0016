"""Real managers that share a PostgreSQL database, a shared folder and simulated clouds."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.auditor import Ran, Window, audit, wrong_kills
from tests.fakes.openstack import OpenStackCloud, Server, Settings, serving
from tests.fakes.openstack.control import waiting
from tests.faults.site import life_of
from tests.postgres import Postgres
from tests.relay import Relay
from vcycled.apel.queue import Queue
from vcycled.cli import main
from vcycled.clock import SystemClock
from vcycled.store import Store
from vcycled.store import roster as rosters
from vcycled.store.tenure import Roster
from vcycled.testing.clock import FastClock

SPEED = 10
BEAT = 20
"""Seconds of the fast clock, as all here: two real ones, for a host that is busy."""
LIMIT = 12
LATENCY_S = 0.05
"""Real seconds of every call of a cloud, so that much befalls managers in the midst of one."""
FIZZLE = 20
UNSEEN = 120
"""How far a time can be off: as long as nobody looked, with a margin."""
PATIENCE = 90.0
"""Real seconds, on a busy host."""

MANAGER = """\
[vcycle]
root = {root}
manager_hostname = {name}
database = postgresql://vcycle@127.0.0.1:{port}/{database}
manager_heartbeat_seconds = {beat}
"""
SPACE = """
[space {space}]
api = openstack
url = {url}/identity/v3
username = vcycle
password = secret
project_name = grid
processors_limit = {limit}
cycle_seconds = 10
max_creations_per_cycle = 100%
max_deletions_per_cycle = 100%
gocdb_sitename = SITE
https_host = localhost

[machinetype {space} prod]
target_share = 1
fizzle_seconds = {fizzle}
backoff_seconds = 10
max_wallclock_seconds = 86400
flavor_names = small
root_image = image:worker
user_data = {folder}/guest.sh
"""


@dataclass(slots=True)
class Host:
    """One manager: its folder, its way to the database, its process."""

    name: str
    root: Path
    conf: Path
    log: Path
    relay: Relay
    origin: float
    """Of its clock, which is shifted if this is not that of the others."""
    process: subprocess.Popen[bytes] | None = None


class Cluster:
    """All of them, and the clouds."""

    def __init__(self, folder: Path, server: Postgres, spaces: Sequence[str]) -> None:
        """Make a database, and a cloud for each space; nothing runs yet."""
        self.folder = folder
        self.real = SystemClock()
        self.origin = float(self.real.now())
        self.clock = FastClock(self.origin, SPEED)
        settings = Settings(start_seconds=5)
        self.clouds = {space: OpenStackCloud(self.clock, settings) for space in spaces}
        for cloud in self.clouds.values():
            cloud.latency = waiting(LATENCY_S)
        self.urls: dict[str, str] = {}
        self.server = server
        self.database = server.new_database()
        server.speed_up(self.database, origin=self.origin, speed=SPEED)
        self.url = server.url(self.database)
        self.hosts: dict[str, Host] = {}
        self.shared = folder / "shared"
        self.shared.mkdir()
        self.longest_look_s = 0.0
        """Real seconds: a host that keeps us waiting so long does so to managers, too."""
        (folder / "guest.sh").write_text("#!/bin/sh\n")

    def add(self, name: str, *, shift_s: float = 0.0) -> Host:
        """Add a host; its clock is `shift_s` seconds ahead."""
        root = self.folder / name
        root.mkdir()
        (root / "shared").symlink_to(self.shared)
        host = Host(
            name=name,
            root=root,
            conf=self.folder / f"{name}.conf",
            log=self.folder / f"{name}.log",
            relay=Relay(self.server.socket),
            origin=self.origin - shift_s / (SPEED - 1),
        )
        self.hosts[name] = host
        self.configure(host, *self.clouds)
        return host

    def configure(self, host: Host, *spaces: str, limit: int = LIMIT) -> None:
        """Write the configuration of a host, with these spaces."""
        head = MANAGER.format(
            root=host.root,
            name=host.name,
            port=host.relay.port,
            database=self.database,
            beat=BEAT,
        )
        parts = [
            SPACE.format(
                space=space,
                url=self.urls[space],
                limit=limit,
                fizzle=FIZZLE,
                folder=self.folder,
            )
            for space in spaces
        ]
        new = host.conf.with_suffix(".new")
        new.write_text(head + "".join(parts))
        new.chmod(0o600)  # it holds secrets
        new.replace(host.conf)

    def start(self, host: Host) -> None:
        """Start its manager."""
        line = [sys.executable, "-m", "vcycled.testing.fast", "--origin", str(host.origin)]
        line += ["--speed", str(SPEED), "vcycled", "--config", str(host.conf)]
        with host.log.open("ab") as stream:
            host.process = subprocess.Popen(
                line, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL
            )

    def signal(self, host: Host, number: int) -> None:
        """Send its manager a signal; wait for its end if it is one to end."""
        assert host.process is not None
        host.process.send_signal(number)
        if number in {signal.SIGKILL, signal.SIGTERM}:
            host.process.wait(90)
            host.process = None

    def wait(self, what: str, is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until `is_so()`, in real seconds; fail with the logs if that takes too long."""
        began = self.real.monotonic()
        deadline = began + seconds
        while not is_so():
            assert self.real.monotonic() < deadline, f"{what}: not in {seconds} s\n{self.logs()}"
            threading.Event().wait(0.05)
            before, began = began, self.real.monotonic()
            self.longest_look_s = max(self.longest_look_s, began - before)

    def logs(self) -> str:
        """Return what all managers logged."""
        found = (host for host in self.hosts.values() if host.log.exists())
        return "\n".join(f"--- {host.name}\n{host.log.read_text()}" for host in found)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the database beside the managers."""
        with Store.open(self.url, clock=self.clock, upgrade=False) as store:
            yield store

    def asked(self, host: Host, *words: str) -> Any:  # noqa: ANN401 - any document
        """Return the document that `vcycle … --json` prints on a host."""
        args = ["--config", str(host.conf), *words, "--json"]
        result = CliRunner().invoke(main, args, obj=self.clock, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def changes(self) -> int:
        """Return how many calls that change something the clouds have had."""
        calls = (cloud.calls for cloud in self.clouds.values())
        return sum(each["create"] + each["delete"] for each in calls)

    def roster(self) -> Roster:
        """Return who holds what."""
        with self.store() as store, store._database.read() as connection:
            return rosters.read(connection)

    def reported(self) -> AbstractSet[str]:
        """Return the spaces that have ended a cycle."""
        with self.store() as store:
            return store.reports().keys()

    def holder(self, space: str) -> str:
        """Return which live manager holds a space; empty if none does."""
        roster = self.roster()
        return "" if roster.is_free(space) else roster.leases[space].holder

    def queues(self) -> Sequence[Queue]:
        """Return the queue of each host."""
        return [Queue(host.root) for host in self.hosts.values()]

    def end_old(self, *, age_s: int, share: float, rng: random.Random) -> None:
        """Let some of the machines shut down that have run for so long."""
        before = self.clock.now() - age_s
        for cloud in self.clouds.values():
            for each in _running(cloud):
                if (each.launched_at or 0) < before and rng.random() < share:
                    cloud.finish(each.name)

    def lives(self) -> Iterator[Server]:
        """Give every machine of ours there ever was."""
        for cloud in self.clouds.values():
            yield from (each for each in cloud.truth if each.is_ours)

    def kills(self) -> Sequence[str]:
        """Return the machines that were deleted before they ended: no rule here allows that."""
        return wrong_kills([life_of(each) for each in self.lives()], lambda _life: None)

    def accounting(self) -> Sequence[str]:
        """Return what is wrong with the records, over all queues together."""
        merged = self.folder / "merged"
        shutil.rmtree(merged, ignore_errors=True)
        twice = []
        for host in self.hosts.values():
            for tree in ("apel-archive", "apel-outgoing"):
                for path in sorted((host.root / tree).glob("????????/" + "?" * 14)):
                    target = merged / tree / path.parent.name / path.name
                    if target.exists():
                        twice.append(f"{tree}: {path.name} is in two queues")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, target)
        with self.store() as store:
            intervals = [each.interval for each in store.intervals()]
        truth = [_ran(each) for each in self.lives() if each.launched_at is not None]
        return [*twice, *audit(truth, intervals, Queue(merged), now=self.clock.now())]

    def close(self) -> None:
        """End everything, whatever became of the test."""
        for host in self.hosts.values():
            if host.process is not None:
                os.kill(host.process.pid, signal.SIGKILL)
                host.process.wait()
            host.relay.close()


def _running(cloud: OpenStackCloud) -> Sequence[Server]:
    return [each for each in cloud.here if each.status == "ACTIVE" and each.task_state is None]


def _ran(server: Server) -> Ran:
    ended_at = server.ended_at if server.ended_at is not None else server.gone_at
    assert server.launched_at is not None
    assert ended_at is not None
    return Ran(
        uuid=server.uuid,
        processors=server.flavor.vcpus,
        started=Window(earliest=server.created_at, latest=server.launched_at + UNSEEN),
        ended=Window(earliest=ended_at - UNSEEN, latest=ended_at + UNSEEN),
        fizzle_seconds=FIZZLE,
    )


@contextmanager
def clustered(folder: Path, server: Postgres, *spaces: str) -> Iterator[Cluster]:
    """Give a cluster whose clouds answer."""
    cluster = Cluster(folder, server, spaces)
    with ExitStack() as stack:
        stack.callback(cluster.close)
        for space, cloud in cluster.clouds.items():
            cluster.urls[space] = stack.enter_context(serving(cloud.answer))
        yield cluster
