"""The tutorials, followed to the letter: on this host, and on three simulated clouds."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest

from tests.azure_kit import serving_azure
from tests.doc_blocks import TOP
from tests.fakes import azure, ec2, openstack
from tests.live.reader import Reader
from tests.openstack_bed.processes import wait_until
from tests.ports import free_port
from tests.three_clouds import Ec2Site
from vcycled.clock import SystemClock

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

PAGES = TOP / "docs" / "tutorial"
FASTER = [
    ("sleep 10\n", "sleep 2\n"),
    ("fizzle_seconds = 30", "fizzle_seconds = 5"),
    ("backoff_seconds = 120", "backoff_seconds = 30"),
    ("cycle_seconds = 10", "cycle_seconds = 2"),
]
"""The same in less time: a machine of the first tutorial works for 18 s."""
SOONER = [
    ("processors_limit = 2\n", "processors_limit = 2\ncycle_seconds = 2\n"),
    ("fizzle_seconds = 60", "fizzle_seconds = 0"),
]
"""The cloud's tutorials have usual times, but for what the reader is told to wait for."""
PATIENCE_S = 120.0

INSTALLING = ("python3 -m venv", "~/cloud/venv/bin/pip")
"""What only the first tutorial does: it takes half a minute."""


class Named(Protocol):
    """A machine of a cloud."""

    @property
    def name(self) -> str:
        """Its name in the cloud."""


@contextmanager
def reading(
    home: Path, *changes: tuple[str, str], outside: Sequence[str] = ()
) -> Iterator[Reader]:
    """Give a reader; whatever runs after them is ended."""
    home.mkdir()
    if outside:
        _install(home / "cloud" / "venv" / "bin")
    reader = Reader(home, changes=changes, outside=[*outside, *INSTALLING] if outside else ())
    try:
        yield reader
    finally:
        reader.close()
        for path in home.glob("*/root/vcycled.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(path.read_text()), signal.SIGTERM)


def _install(folder: Path) -> None:
    """Put the commands of this environment where those of the reader would be."""
    folder.mkdir(parents=True)
    for path in Path(sys.executable).parent.glob("vcycle*"):
        (folder / path.name).symlink_to(path)


def test_the_first_space(tmp_path: Path) -> None:
    """From nothing to a record, a mistake, a drain, and an empty folder again."""
    with reading(tmp_path / "you", *FASTER, ("8443", str(free_port()))) as reader:
        reader.follow(PAGES / "first-space.md", before={})
    assert not (tmp_path / "you" / "first").exists()


def ends(
    running: Callable[[], Sequence[Named]], power_off: Callable[[str], None], full: int
) -> dict[str, Callable[[], None]]:
    """Return when machines power off: once before their story is read, and when all are to go.

    A reader who reads on, or drains, has as many as ever by then: `running` gives those that run,
    and `full` says how many the limit has room for.
    """
    done: set[str] = set()

    def end() -> None:
        for each in running():
            power_off(each.name)

    def story() -> None:
        if "story" not in done:
            assert wait_until(lambda: len(running()) == full, PATIENCE_S)
            done.add("story")
            end()

    def drain() -> None:
        assert wait_until(lambda: len(running()) == full, PATIENCE_S)
        done.add("drain")

    return {
        "conf machine vcycle": story,
        "conf drain": drain,
        "conf machines": lambda: end() if "drain" in done else None,
    }


def test_the_first_openstack_space(tmp_path: Path) -> None:
    """Every command but those of OpenStack's own client."""
    settings = openstack.Settings(
        start_seconds=1,
        flavors=(openstack.Flavor(id="f-1", name="m1.small", vcpus=1, ram_mb=2048),),
        application_credentials=(
            openstack.ApplicationCredential(
                id="0f1d4c5e2a5b4f0c9d3e8a7b6c5d4e3f",
                name="vcycle",
                secret="SECRET-OF-THE-CREDENTIAL",
            ),
        ),
    )
    cloud = openstack.OpenStackCloud(SystemClock(), settings)

    def running() -> Sequence[Named]:
        return [each for each in cloud.here if each.status == "ACTIVE"]

    with openstack.serving(cloud.answer) as url:
        changes = [
            *SOONER,
            ("https://keystone.cloud.example.org:5000/v3", f"{url}/identity/v3"),
            ("image:debian-12", "image:worker"),
        ]
        with reading(tmp_path / "you", *changes, outside=["openstack "]) as reader:
            reader.follow(
                PAGES / "first-openstack-space.md", before=ends(running, cloud.finish, 2)
            )
    assert cloud.here == ()
    assert len(cloud.truth) >= 4


def test_the_first_azure_space(tmp_path: Path) -> None:
    """Every command but those of Azure's own client."""
    settings = azure.Settings(start_seconds=1)
    cloud = azure.AzureCloud(SystemClock(), settings)

    def running() -> Sequence[Named]:
        return [each for each in cloud.here if each.power == "running"]

    with serving_azure(cloud) as address:
        changes = [
            *SOONER,
            (
                "api = azure\n",
                f"api = azure\nurl = {address.url}\nauthority_url = {address.url}\n",
            ),
            ("location = ", f"ca_file = {address.ca_file}\nlocation = "),
            (
                "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/vcycle/providers"
                "/Microsoft.Network/virtualNetworks/grid/subnets/workers",
                settings.subnet_id,
            ),
            ("11111111-2222-3333-4444-555555555555", settings.subscription),
            ("99999999-2222-3333-4444-555555555555", settings.tenant),
            ("88888888-2222-3333-4444-555555555555", settings.client_id),
            ("SECRET-OF-THE-APPLICATION", settings.client_secret),
            ("image:Debian:debian-12:12-gen2:latest", "image:worker"),
        ]
        with reading(tmp_path / "you", *changes, outside=["az ", "sed -i s/SUB"]) as reader:
            reader.follow(PAGES / "first-azure-space.md", before=ends(running, cloud.finish, 1))
    assert cloud.here == ()
    assert cloud.parts == set()


def test_the_first_ec2_space(tmp_path: Path) -> None:
    """Every command but those of AWS's own client."""
    site = Ec2Site(SystemClock())

    with ec2.serving(site.cloud) as url:
        site.url = url
        changes = [
            *SOONER,
            ("api = ec2\nregion = eu-west-1\n", f"api = ec2\nurl = {url}\n"),
            # Only AWS itself tells images like that.
            ("image:ssm:/aws/service/debian/release/12/latest/amd64", "image:worker"),
        ]
        with reading(tmp_path / "you", *changes, outside=["aws "]) as reader:
            reader.follow(
                PAGES / "first-ec2-space.md", before=ends(site.running, site.power_off, 1)
            )
        assert site.left() == []
