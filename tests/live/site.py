"""An installation whose spaces are projects of the real OpenStack."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.installation import Installation
from tests.live.guests import TEMPLATE
from tests.openstack_bed.places import PASSWORD, url
from tests.openstack_bed.project import Project
from vcycled.model import Machine, Order, OrderKind, RunInterval
from vcycled.testing.clock import FastClock

MASS: Final = "mass.example.org"
NETWORKED: Final = "networked.example.org"
PROD_LIMIT: Final = 120
ANALYSIS_LIMIT: Final = 60
FOREIGN: Final = 4
LIMITS: Final = {MASS: PROD_LIMIT + ANALYSIS_LIMIT + FOREIGN, NETWORKED: 6}
"""Processors of each space; those of the first leave what its machinetypes get by their shares,
two to one, and one foreign server."""
FIZZLE_SECONDS: Final = 5

_HEAD = """\
[vcycle]
root = {root}
manager_hostname = manager.example.org
"""
_SPACE = """
[space {space}]
api = openstack
url = {url}
username = {project}
password = {password}
project_name = {project}
processors_limit = {limit}
max_creations_per_cycle = 60
cycle_seconds = 6
gocdb_sitename = SITE
https_host = localhost
https_port = {port}
https_ca_certificates = {folder}/ca.pem
"""
_MACHINETYPE = """
[machinetype {space} {name}]
flavor_names = {flavor}
target_share = {share}
fizzle_seconds = {fizzle}
backoff_seconds = 10
max_wallclock_seconds = 7200
heartbeat_file = heartbeat
heartbeat_seconds = 600
user_data = {folder}/guest.txt
root_image = {folder}/worker.raw
root_public_key = {folder}/root.pub
"""


class Site(Installation):
    """One manager with two spaces: many machines without network, and a few on one."""

    def __init__(self, folder: Path, mass: Project, networked: Project) -> None:
        """Write the files; nothing runs yet."""
        super().__init__(folder)
        (folder / "guest.txt").write_text(TEMPLATE)
        (folder / "worker.raw").write_bytes(_bootable(4 << 20))
        key = ed25519.Ed25519PrivateKey.generate().public_key()
        (folder / "root.pub").write_bytes(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
        (port,) = re.findall(r"^https_port = (\d+)$", self.scene.conf.read_text(), re.MULTILINE)
        common = {"folder": str(folder), "port": port, "url": url("keystone", "/v3")}
        common |= {"password": PASSWORD, "fizzle": str(FIZZLE_SECONDS)}
        self._common = common
        analysis = f"processors_limit = {ANALYSIS_LIMIT}\n"
        text = self._space(MASS, mass)
        text += self._machinetype(MASS, "prod", flavor="vc.1", share=2)
        text += self._machinetype(MASS, "analysis", flavor="vc.2", share=1) + analysis
        text += self._space(NETWORKED, networked)
        text += self._machinetype(NETWORKED, "prod", flavor="vc.2", share=1)
        self.scene.conf.write_text(_HEAD.format(root=self.scene.root) + text)
        self.scene.conf.chmod(0o600)

    def _space(self, name: str, project: Project) -> str:
        return _SPACE.format(space=name, project=project.name, limit=LIMITS[name], **self._common)

    def _machinetype(self, space: str, name: str, *, flavor: str, share: int) -> str:
        return _MACHINETYPE.format(
            space=space, name=name, flavor=flavor, share=share, **self._common
        )

    def remove_spaces_on_a_faster_clock(self) -> None:
        """Start a manager for whom a minute is two seconds, and take its spaces from it.

        What is left over is removed only after it was so for a quarter of an hour.
        """
        self.speed, self.origin = 30, self.clock.now()
        self.clock = FastClock(self.origin, self.speed)
        text = self.scene.conf.read_text()
        self.scene.conf.write_text(text.replace("cycle_seconds = 6", "cycle_seconds = 180"))
        cycles = self.log.count("config-read")
        self.start("vcycled")
        self.wait("another manager", lambda: self.log.count("config-read") > cycles)
        self.scene.conf.write_text(_HEAD.format(root=self.scene.root))

    def living(self, space: str) -> tuple[Machine, ...]:
        """Return what the manager takes for living in a space."""
        with self.store() as store:
            return store.machines(space=space)

    def intervals(self) -> list[RunInterval]:
        """Return every run that is accounted."""
        with self.store() as store:
            return [each.interval for each in store.intervals()]

    def drain_space(self, space: str) -> None:
        """Order that no more machines are made."""
        with self.store() as store:
            store.order(Order(kind=OrderKind.DRAIN, space=space, at=self.clock.now(), who="test"))

    def delete_all(self, space: str) -> None:
        """Order each machine of a space to be deleted."""
        now = self.clock.now()
        with self.store() as store:
            for each in store.machines(space=space):
                store.order(
                    Order(
                        kind=OrderKind.DELETE,
                        space=space,
                        at=now,
                        who="test",
                        machinetype=each.machinetype,
                        machine=each.name,
                    )
                )

    def sweep(self) -> None:
        """Leave the machines to the projects, which are removed with all that is in them."""


def _bootable(size: int) -> bytes:
    """Return a disk image that looks as if a machine could boot from it: a boot sector, then none.

    Args:
        size: of the whole in bytes.
    """
    return bytes(510) + b"\x55\xaa" + bytes(size - 512)
