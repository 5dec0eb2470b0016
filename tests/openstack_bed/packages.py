"""The Debian packages that a bed needs, installed without a service of the host being started."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.openstack_bed.places import Bed
from tests.openstack_bed.processes import BedError, environment, log_of

PACKAGES = (
    "mariadb-server",
    "rabbitmq-server",
    "keystone",
    "glance-api",
    "placement-api",
    "neutron-api",
    "neutron-rpc-server",
    "nova-api",
    "nova-conductor",
    "nova-scheduler",
    "nova-compute",
    "nova-compute-ironic",  # some hypervisor must be named, or libvirt and QEMU come along
    "cinder-api",
    "cinder-scheduler",
    "cinder-volume",
    "python3-sqlalchemy-ext",  # only recommended, and twice as fast
)
_POLICY = Path("/usr/sbin/policy-rc.d")
_APT = (
    "apt-get",
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "--option=DPkg::Lock::Timeout=300",
    "--option=Acquire::Retries=3",
    "--option=Dpkg::Options::=--force-confold",
    "--option=Dpkg::Options::=--force-unsafe-io",
)


def missing() -> tuple[str, ...]:
    """Return the packages that are not installed.

    Raises:
        BedError: this is no Debian.
    """
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *PACKAGES]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as error:
        raise BedError("no dpkg-query: the bed is made of the packages of Debian 12") from error
    there = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return tuple(name for name in PACKAGES if name not in there)


def install(bed: Bed, names: tuple[str, ...]) -> None:
    """Install packages; takes two minutes on a host that has none of them.

    Raises:
        BedError: this user may not, or apt fails.
    """
    if os.geteuid() != 0:
        message = f"not installed, and only root can install them: {' '.join(names)}"
        raise BedError(message)
    with _no_service_is_started():
        if not _apt(bed, "install", *names):
            # The lists may be old, or not there at all.
            _apt(bed, "update")
            if not _apt(bed, "install", *names):
                message = f"apt-get install {' '.join(names)}: failed, see {log_of(bed, 'apt')}"
                raise BedError(message)


def _apt(bed: Bed, *arguments: str) -> bool:
    settings = environment() | {"DEBIAN_FRONTEND": "noninteractive"}
    # apt reaches its mirrors as the host does, through a proxy if need be.
    proxies = {name: value for name, value in os.environ.items() if name.endswith("_proxy")}
    with log_of(bed, "apt").open("ab") as log:
        done = subprocess.run(
            [*_APT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=proxies | settings,
            check=False,
        )
    return done.returncode == 0


@contextlib.contextmanager
def _no_service_is_started() -> Iterator[None]:
    """Forbid packages to start their services meanwhile, as Debian's policy lets one do."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
