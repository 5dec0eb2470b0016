"""Real processes with a local space and an OpenStack space, on a disk of their own."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.openstack import OpenStackCloud, Settings, serving
from tests.faults import ground
from tests.faults.clocks import Offsets
from tests.faults.ending import ENDER
from tests.faults.relay import Relay
from tests.installation import Installation
from vcycled.demo.scene import SPACE as LOCAL
from vcycled.machinedir import Layout
from vcycled.model import MachineState
from vcycled.spaces.local import LocalSpace
from vcycled.store import Store
from vcycled.testing.clock import WrongClock

SPEED = 60
FIZZLE = 3 * SPEED
CLOUD = "openstack.example.org"
LOCAL_LIMIT = 3
CLOUD_LIMIT = 6
WORK_S = 4
"""Real seconds that a machine of the local space works."""
DISK = "size=16m,mode=755"

CONF = """\
[vcycle]
root = {root}
manager_hostname = manager.example.org
call_timeout_seconds = 900
cycle_timeout_seconds = 6000
min_free_mb = 0

[space {local}]
api = local
processors_limit = {local_limit}
local_dir = {folder}/machines
flavors = small:1:1024
max_creations_per_cycle = 5
cycle_seconds = {speed}
gocdb_sitename = SITE
https_host = localhost
https_port = {port}
https_ca_certificates = {folder}/ca.pem

[machinetype {local} work]
target_share = 1
{usual}
user_data_option_work_seconds = {work}

[space {cloud}]
api = openstack
processors_limit = {cloud_limit}
url = {url}/identity/v3
username = vcycle
password = secret
project_name = grid
max_creations_per_cycle = 5
cycle_seconds = {speed}
gocdb_sitename = SITE

[machinetype {cloud} prod]
target_share = 1
flavor_names = small
root_image = image:worker
{usual}
"""
USUAL = """\
fizzle_seconds = {fizzle}
backoff_seconds = {fizzle}
max_wallclock_seconds = 86400
user_data = {folder}/worker.sh"""


@dataclass(slots=True)
class Sighting:
    """What was seen of a machine of the local space."""

    uuid: str
    created_at: int
    """Before its start by as long as a busy host takes to bring up its shim."""
    started_at: int | None = None
    stopped_at: int | None = None
    last_seen_at: int = 0
    gone_at: int | None = None
    """When it was looked for in vain: on a busy host that may be long after it was seen last."""


class LiveSite(Installation):
    """One whose disk can be filled, whose tree can be made read-only, and so on."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        super().__init__(folder, speed=SPEED)
        text = self.scene.conf.read_text()
        self._web_port = text.split("https_port = ")[1].split()[0]
        self.scene.root.mkdir()
        self.has_disk = ground.is_prepared()
        if self.has_disk:
            ground.mount("tmpfs", DISK, self.scene.root)
            self.shared.mkdir()
            subprocess.run(["mount", "--bind", self.shared, self.shared], check=True)
        self.cloud = OpenStackCloud(self.clock, Settings(start_seconds=30))
        url = stack.enter_context(serving(self.cloud.answer))
        self.relay = stack.enter_context(Relay(int(url.rsplit(":", 1)[1])))
        self.good_text = self.text()
        self.configure(self.good_text)
        self._space = super().space  # a configuration that is broken later tells nothing of it
        settings = folder / "clock"
        self.host_clock = WrongClock(self.origin, SPEED, settings=settings)
        """That of the processes; ours and the cloud's is right."""
        self.more_of_clock = ("--settings", str(settings))
        self.offsets = Offsets()
        self.seen: dict[str, Sighting] = {}
        """Machines of the local space by name."""
        self.peak = 0
        """Most machines of the local space at once."""
        self.manager: subprocess.Popen[bytes] | None = None
        self.web: subprocess.Popen[bytes] | None = None

    @property
    def shared(self) -> Path:
        """The published tree."""
        return self.scene.root / "shared"

    def text(self, *, local: int = LOCAL_LIMIT, cloud: int = CLOUD_LIMIT) -> str:
        """Return a good configuration with these limits."""
        usual = USUAL.format(fizzle=FIZZLE, folder=self.scene.folder)
        return CONF.format(
            root=self.scene.root,
            folder=self.scene.folder,
            local=LOCAL,
            cloud=CLOUD,
            local_limit=local,
            cloud_limit=cloud,
            speed=SPEED,
            work=WORK_S,
            port=self._web_port,
            url=f"http://127.0.0.1:{self.relay.port}",
            usual=usual,
        )

    @property
    def space(self) -> LocalSpace:
        """The local space, asked directly."""
        return self._space

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the manager's database beside it."""
        url = f"sqlite:///{self.scene.root}/vcycle.db"
        with Store.open(url, clock=self.clock, upgrade=False) as store:
            yield store

    def configure(self, text: str) -> None:
        """Write the configuration as an editor does."""
        draft = self.scene.folder / "vcycle.conf.new"
        draft.write_text(text)
        draft.chmod(0o600)
        draft.replace(self.scene.conf)

    def set_clock(self, seconds: int) -> None:
        """Set the host's clock to so many seconds ahead of the true time; 0 is right."""
        self.host_clock.set_ahead(seconds)
        self.offsets.note(self.clock.now(), seconds)

    # Processes.

    def start(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `vcycled` or `vcycle-web`, which is known from the first instant."""
        with ENDER.undisturbed():
            return super().start(command, *arguments)

    def keep_up(self) -> list[str]:
        """Start what does not run, as systemd does; return which of them had ended."""
        ended = []
        for name, process in (("vcycled", self.manager), ("vcycle-web", self.web)):
            if process is not None and process.poll() is not None:
                ended.append(f"{name} ended with {process.returncode}")
        if self.web is None or self.web.poll() is not None:
            self.web = self.start("vcycle-web")
        if self.manager is None or self.manager.poll() is not None:
            self.manager = self.start("vcycled")
        return ended

    def kill(self, process: subprocess.Popen[bytes] | None) -> None:
        """End a process as kill -9 does."""
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(90)

    # Machines.

    def live(self) -> None:
        """Let machines of the cloud do their work; look at those of the local space."""
        now = self.clock.now()
        for server in self.cloud.here:
            if server.status != "ACTIVE" or server.launched_at is None:
                continue
            work_s = (1 + server.number % 5) * FIZZLE // 2
            if now - server.launched_at >= work_s:
                self.finish(server.name)
        here = [each for each in self.here() if each.state is not MachineState.DELETING]
        looked_at = self.clock.now()
        self.peak = max(self.peak, len(here))
        for each in here:
            assert each.created_at is not None
            fresh = Sighting(each.tags["vcycle_uuid"], each.created_at)
            sighting = self.seen.setdefault(each.name, fresh)
            sighting.last_seen_at, sighting.gone_at = now, None
            sighting.started_at = each.started_at or sighting.started_at
            sighting.stopped_at = each.stopped_at or sighting.stopped_at
        for name in self.seen.keys() - {each.name for each in here}:
            if self.seen[name].gone_at is None:
                self.seen[name].gone_at = looked_at

    def finish(self, name: str) -> None:
        """Let a machine of the cloud say that it is done, and end."""
        with suppress(OSError):  # the tree may be full, read-only, or without its folder
            path = Layout(self.scene.root).outputs(CLOUD, name) / "shutdown_message"
            path.write_text("200 Done")
        self.cloud.finish(name)

    def close(self) -> None:
        """End everything, also what was stopped, whatever we are told meanwhile."""
        with ENDER.undisturbed():
            self._close()

    def _close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
        self.configure(self.good_text)
        try:
            super().close()
        finally:
            if self.has_disk:
                for place in (self.shared, self.scene.root):
                    subprocess.run(["umount", "--lazy", place], check=True)
