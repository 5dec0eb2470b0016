"""A real installation for end-to-end tests: processes, TLS, local machines, in one folder."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.ports import free_port
from vcycled.apel.queue import Queue
from vcycled.clock import SystemClock
from vcycled.config import load
from vcycled.config.places import database_url
from vcycled.demo.play import sweep
from vcycled.demo.scene import SPACE, Scene, set_up
from vcycled.model import ListedMachine, Machine, Order, OrderKind
from vcycled.spaces.local import LocalOptions, LocalSpace
from vcycled.store import Store
from vcycled.testing.clock import FastClock

WORKER = """\
#!/bin/sh
# Works for so long, tells how long it truly ran, and says why it ends.
outputs='##user_data_joboutputs_url##'
folder=$(mktemp -d)
cat >"$folder/ca.pem" <<'END'
##user_data_ca_certificates##
END
(umask 077 && echo 'Authorization: Bearer ##user_data_machine_token##' >"$folder/header")
put() {
	curl --silent --show-error --fail --max-time 20 --retry 3 --retry-connrefused \\
		--cacert "$folder/ca.pem" --header @"$folder/header" --upload-file "$1" "$outputs/$2"
}
began=$(date +%s)
left=##user_data_option_work_seconds##
if [ "$left" -eq 0 ]; then
	printf '300 No more work' >"$folder/message"
	put "$folder/message" shutdown_message
	exit 0
fi
while [ "$left" -gt 0 ]; do
	date >"$folder/beat"
	put "$folder/beat" heartbeat
	sleep 1
	left=$((left - 1))
done
echo "$began $(date +%s)" >"$folder/ran"
put "$folder/ran" ran
printf '200 Done' >"$folder/message"
put "$folder/message" shutdown_message
"""

CONF = """\
[vcycle]
root = {root}
manager_hostname = manager.example.org

[space {space}]
api = local
local_dir = {folder}/machines
flavors = small:1:1024
processors_limit = 5
max_creations_per_cycle = 5
cycle_seconds = {second}
gocdb_sitename = SITE
https_host = localhost
https_port = {port}
https_ca_certificates = {folder}/ca.pem

[machinetype {space} work]
target_share = 1
{usual}
user_data_option_work_seconds = 4

[machinetype {space} idle]
target_share = 1
{usual}
user_data_option_work_seconds = 0
"""

USUAL = """\
fizzle_seconds = {three}
backoff_seconds = {five}
max_wallclock_seconds = {many}
heartbeat_file = heartbeat
heartbeat_seconds = {many}
user_data = {folder}/worker.sh"""


class Installation:
    """Its files, its processes, and what there is to see of them."""

    def __init__(self, folder: Path, *, speed: int = 1) -> None:
        """Write the files; nothing runs yet. Spans in the configuration are `speed` times as long.

        Args:
            folder: a new one.
            speed: how many times as fast as real time the clock of its processes goes.
        """
        self.origin = SystemClock().now()
        self.speed = speed
        self.clock = FastClock(self.origin, speed)
        self.scene: Scene = set_up(folder, now=self.origin)
        port = free_port()
        web = re.sub(r"(?m)^port = .*$", f"port = {port}", self.scene.web_conf.read_text())
        self.scene.web_conf.write_text(web)
        spans = {"second": speed, "three": 3 * speed, "five": 5 * speed, "many": 120 * speed}
        usual = USUAL.format(folder=folder, **spans)
        self.scene.conf.write_text(
            CONF.format(
                folder=folder, root=self.scene.root, space=SPACE, port=port, usual=usual, **spans
            )
        )
        (folder / "worker.sh").write_text(WORKER)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.more_of_clock: tuple[str, ...] = ()
        """More arguments of the faster clock, for processes that start from now on."""

    @property
    def log(self) -> str:
        """What the manager logged so far."""
        return self.scene.log.read_text() if self.scene.log.exists() else ""

    @property
    def queue(self) -> Queue:
        """The trees of accounting messages."""
        return Queue(self.scene.root)

    def rewrite(self, text: str) -> None:
        """Replace the manager's configuration at once: it may be read at any instant."""
        new = self.scene.conf.with_suffix(".new")
        new.write_text(text)
        new.chmod(self.scene.conf.stat().st_mode)
        new.replace(self.scene.conf)

    def start(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `vcycled` or `vcycle-web`."""
        modules = {"vcycled": "vcycled.daemon", "vcycle-web": "vcycled.web"}
        conf = self.scene.conf if command == "vcycled" else self.scene.web_conf
        log = self.scene.log if command == "vcycled" else self.scene.web_log
        line = [sys.executable, "-c", f"import {modules[command]} as m; m.main()"]
        if self.speed > 1:
            line = [sys.executable, "-m", "vcycled.testing.fast", "--origin", str(self.origin)]
            line += ["--speed", str(self.speed), *self.more_of_clock, command]
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [*line, "--config", str(conf), *arguments],
                stdout=stream,
                stderr=stream,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        process.send_signal(number)
        return process.wait(120)

    def wait(
        self, what: str, is_so: Callable[[], bool], seconds: float = 120, every: float = 0.1
    ) -> None:
        """Wait until `is_so()`; fail with the log if that takes too long, in real seconds.

        Args:
            what: is waited for.
            is_so: tells whether it is there.
            seconds: how long it may take.
            every: how long to leave it alone between two looks.
        """
        real = SystemClock()
        deadline = real.monotonic() + seconds
        while not is_so():
            assert real.monotonic() < deadline, f"{what}: not in {seconds} s\n{self.log}"
            threading.Event().wait(every)

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        """Open the manager's database beside it."""
        url = database_url(load([self.scene.conf]).manager)
        with Store.open(url, clock=self.clock, upgrade=False) as store:
            yield store

    def order(self, kind: OrderKind, **more: str) -> None:
        """Leave an order as the command line does."""
        usual = Order(kind=kind, space=SPACE, at=self.clock.now(), who="test")
        with self.store() as store:
            store.order(replace(usual, **more))  # type: ignore[arg-type] # names of fields

    def machines(self) -> tuple[Machine, ...]:
        """Return what the manager takes for living."""
        with self.store() as store:
            return store.machines(space=SPACE)

    @property
    def space(self) -> LocalSpace:
        """The cloud, asked directly."""
        config = load([self.scene.conf]).space(SPACE)
        assert config is not None
        assert isinstance(config.api_options, LocalOptions)
        return LocalSpace(SPACE, config.api_options, clock=self.clock)

    def here(self) -> tuple[ListedMachine, ...]:
        """Return what the cloud truly holds."""
        return tuple(self.space.machines())

    def records(self) -> int:
        """Return how many records were archived."""
        return len(list(self.queue.archived()))

    def drain(self) -> None:
        """Let every machine end by itself, and wait until the manager knows."""
        self.order(OrderKind.DRAIN)
        self.wait("drained", lambda: not self.machines())

    def close(self) -> None:
        """End everything, machines too, whatever became of the test."""
        for process in self.processes:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            process.wait()
        self.sweep()

    def sweep(self) -> None:
        """Delete what machines are left; they end in real time, however fast our clock is."""
        sweep(self.scene, SystemClock())
