"""Where the things of a bed are: folders, addresses, names, the one password."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ADDRESS: Final = "127.0.0.1"
REGION: Final = "RegionOne"
PASSWORD: Final = "openstack-bed"
"""Of every account: the bed is thrown away and listens on the loopback interface only."""
SERVICE: Final = "service"
"""The account of all services, and its project."""
NETWORKED: Final = "vcycle"
"""A project with a network, its user, and their cloud in clouds.yaml."""
BARE: Final = "vcycle-bare"
"""The same without a network: machines are made much faster."""
SOFT: Final = "vcycle-soft"
"""A cloud in clouds.yaml: the first project, where deleted machines only seem gone for an hour."""
IMAGE: Final = "bed-image"
NETWORK: Final = "bed-network"
HOPELESS: Final = "vc.impossible"
FLAVORS: Final = {"vc.1": 1, "vc.2": 2, "vc.4": 4, "vc.8": 8, HOPELESS: 1500}
"""Processors by name. No host has 1,500, so that a machine of the last one ends in ERROR."""

PORTS: Final = {
    "mariadb": 3306,
    "epmd": 4369,
    "keystone": 5000,
    "rabbitmq": 5672,
    "nova-api": 8774,
    "cinder-api": 8776,
    "placement": 8778,
    "nova-api-soft": 8784,
    "glance-api": 9292,
    "neutron-server": 9696,
    "rabbitmq-nodes": 25672,
}
"""What listens where; the usual numbers, which nothing else may use while the bed is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """One bed: all that it keeps is in one folder."""

    folder: Path

    @property
    def etc(self) -> Path:
        """Configuration files, written anew at each start."""
        return self.folder / "etc"

    @property
    def var(self) -> Path:
        """What services keep: databases, images, keys."""
        return self.folder / "var"

    @property
    def log(self) -> Path:
        """One file for each service, and one for each program that was run once."""
        return self.folder / "log"

    @property
    def run(self) -> Path:
        """One file for each process that was started."""
        return self.folder / "run"

    @property
    def python(self) -> Path:
        """Modules of ours that OpenStack's own Python loads."""
        return self.folder / "python"

    @property
    def clouds(self) -> Path:
        """The clouds.yaml with the bed's accounts."""
        return self.folder / "clouds.yaml"


def usual_bed() -> Bed:
    """Return the bed in `$OPENSTACK_BED` or, if that is not set, in the cache of this user."""
    usual = Path.home() / ".cache" / "vcycle-openstack-bed"
    return Bed(folder=Path(os.environ.get("OPENSTACK_BED", usual)).absolute())


def url(service: str, path: str = "") -> str:
    """Return the URL of `path` at a service."""
    return f"http://{ADDRESS}:{PORTS[service]}{path}"
