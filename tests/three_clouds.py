"""Three simulated clouds side by side, each with what a test of one manager for all asks of it."""

from __future__ import annotations

import base64
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import trustme

from tests.auditor import Ran, Window
from tests.fakes import azure, ec2, openstack
from vcycled.clock import Clock

UNSEEN = 600
"""How far a time can be off on a busy host, in seconds of the fast clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A machine that runs, and what its cloud gave it to start with."""

    name: str
    user_data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How a machine ran, as its cloud knows it."""

    uuid: str
    created_at: int
    launched_at: int
    ended_at: int

    def worked(self, seconds: int) -> bool:
        """Return whether it ran for so long at least."""
        return self.ended_at - self.launched_at >= seconds

    def ran(self, *, processors: int, fizzle_seconds: int) -> Ran:
        """Return it for the auditor."""
        return Ran(
            uuid=self.uuid,
            processors=processors,
            started=Window(earliest=self.created_at, latest=self.launched_at + UNSEEN),
            ended=Window(earliest=self.ended_at - UNSEEN, latest=self.ended_at + UNSEEN),
            fizzle_seconds=fizzle_seconds,
        )


class Site(ABC):
    """A cloud with the space on it."""

    space: str
    processors: int
    """Of each machine."""

    @abstractmethod
    def section(self) -> str:
        """Return the lines of the space that are this cloud's own."""

    @abstractmethod
    def kind(self) -> str:
        """Return the lines of a machinetype that are this cloud's own."""

    @abstractmethod
    def running(self) -> Sequence[Guest]:
        """Return the machines of ours that run."""

    @abstractmethod
    def power_off(self, name: str) -> None:
        """Let a machine end by itself."""

    @abstractmethod
    def lives(self) -> Sequence[Life]:
        """Return how each machine of ours ran that ended."""

    @abstractmethod
    def held(self) -> int:
        """Return how many machines there are, in any state that uses up a quota."""

    @abstractmethod
    def made(self) -> int:
        """Return how many machines there ever were."""

    @abstractmethod
    def peak(self) -> int:
        """Return the most processors there were at once."""

    @abstractmethod
    def left(self) -> Sequence[str]:
        """Return everything that is there and was made by the manager."""


class TruthfulSite(Site):
    """One whose cloud is our own, which knows the truth of every machine."""

    cloud: openstack.OpenStackCloud | azure.AzureCloud

    def power_off(self, name: str) -> None:
        """Let a machine end by itself."""
        self.cloud.finish(name)

    def lives(self) -> Sequence[Life]:
        """Return how each machine of ours ran that ended."""
        return [
            _life(each.uuid, each.created_at, each.launched_at, each.ended_at)
            for each in self.cloud.truth
            if each.ended_at is not None
        ]

    def held(self) -> int:
        """Return how many machines there are."""
        return len(self.cloud.here)

    def made(self) -> int:
        """Return how many machines there ever were."""
        return len(self.cloud.truth)

    def peak(self) -> int:
        """Return the most processors there were at once."""
        return self.cloud.peak_processors["*"]


class OpenStackSite(TruthfulSite):
    """Servers of one processor that boot from volumes."""

    cloud: openstack.OpenStackCloud
    space = "openstack.example.org"
    processors = 1

    def __init__(self, clock: Clock) -> None:
        self.cloud = openstack.OpenStackCloud(clock, openstack.Settings(start_seconds=30))
        self.url = ""
        self.ca_file = Path()

    def section(self) -> str:
        """Return where the cloud is and how to log in."""
        return (
            f"api = openstack\nurl = {self.url}/identity/v3\nusername = vcycle\n"
            f"password = secret\nproject_name = grid\nca_file = {self.ca_file}\n"
            "volume_gb_per_processor = 10\n"
        )

    def kind(self) -> str:
        """Return the one size of machines."""
        return "flavor_names = small\n"

    def running(self) -> Sequence[Guest]:
        """Return the machines of ours that run."""
        return [
            Guest(name=each.name, user_data=_decoded((each.request or {})["user_data"]))
            for each in self.cloud.here
            if each.status == "ACTIVE" and each.task_state is None
        ]

    def left(self) -> Sequence[str]:
        """Return everything that the manager made and that is there."""
        volumes = self.cloud.cinder.by_id
        return [*(each.name for each in self.cloud.here), *volumes, *self.cloud.nova.keys.by_name]


class AzureSite(TruthfulSite):
    """Virtual machines of two processors, each with a disk and an interface."""

    cloud: azure.AzureCloud
    space = "azure.example.org"
    processors = 2

    def __init__(self, clock: Clock) -> None:
        self.settings = azure.Settings(start_seconds=30)
        self.cloud = azure.AzureCloud(clock, self.settings)
        self.url = ""
        self.ca_file = Path()

    def section(self) -> str:
        """Return where the cloud is and how to log in."""
        mine = self.settings
        return (
            f"api = azure\nurl = {self.url}\nauthority_url = {self.url}\n"
            f"ca_file = {self.ca_file}\nsubscription = {mine.subscription}\n"
            f"resource_group = {mine.group}\nlocation = {mine.location}\n"
            f"subnet_id = {mine.subnet_id}\ntenant_id = {mine.tenant}\n"
            f"client_id = {mine.client_id}\nclient_secret = {mine.client_secret}\n"
        )

    def kind(self) -> str:
        """Return the one size of machines."""
        return "flavor_names = Standard_D2s_v5\n"

    def running(self) -> Sequence[Guest]:
        """Return the machines of ours that run."""
        return [
            Guest(name=each.name, user_data=_decoded(_os_profile(each)["customData"]))
            for each in self.cloud.here
            if (each.provisioning, each.power) == ("Succeeded", "running")
        ]

    def left(self) -> Sequence[str]:
        """Return everything that the manager made and that is there."""
        return [*(each.name for each in self.cloud.here), *self.cloud.parts]


class Ec2Site(Site):
    """Instances of two processors, which are terminated when they power off."""

    space = "ec2.example.org"
    processors = 2

    def __init__(self, clock: Clock) -> None:
        self.cloud = ec2.Ec2Cloud(clock)
        self.cloud.max_instances = "500"  # moto lets an account have 20
        self.cloud.register("worker")
        self.url = ""
        self._clock = clock
        self._guests: dict[str, Guest] = {}
        self._uuids: dict[str, str] = {}
        self._ended: dict[str, int] = {}
        self._client: Any = None

    def section(self) -> str:
        """Return where the cloud is and how to log in."""
        return (
            f"api = ec2\nurl = {self.url}\naccess_key = AKIAEXAMPLE\nsecret_key = secret\n"
            "instance_types = m5.large\nmetadata_tokens = required\n"
        )

    def kind(self) -> str:
        """Return the one size of machines."""
        return "flavor_names = m5.large\n"

    def running(self) -> Sequence[Guest]:
        """Return the machines of ours that run."""
        if len(self.cloud.launched) > len(self._guests):
            self._meet()
        here = tuple(self._guests.items())
        return [guest for instance_id, guest in here if instance_id not in self._ended]

    def power_off(self, name: str) -> None:
        """Let a machine end by itself."""
        (instance_id,) = [key for key, each in self._guests.items() if each.name == name]
        now = self._clock.now()
        self._ended[instance_id] = now
        at = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S}"
        self.cloud.power_off(instance_id, at=at)
        self.client.terminate_instances(InstanceIds=[instance_id])  # and its volume goes

    def lives(self) -> Sequence[Life]:
        """Return how each machine of ours ran that ended."""
        launched = dict(self.cloud.launched)
        return [
            _life(self._uuids[key], launched[key], launched[key], at)
            for key, at in self._ended.items()
        ]

    def held(self) -> int:
        """Return how many machines there are."""
        return len(self.cloud.launched) - len(self._ended)

    def made(self) -> int:
        """Return how many machines there ever were."""
        return len(self.cloud.launched)

    def peak(self) -> int:
        """Return what was launched and had not ended; an end comes before a launch of its second.

        Nobody but the machines themselves ends one here; `left` would show it otherwise.
        """
        steps = [(at, self.processors) for at in self.cloud.launched.values()]
        steps += [(at, -self.processors) for at in self._ended.values()]
        peak = held = 0
        for _, step in sorted(steps):
            held += step
            peak = max(peak, held)
        return peak

    def left(self) -> Sequence[str]:
        """Return everything that the manager made and that is there."""
        keys = [each["KeyName"] for each in self.client.describe_key_pairs()["KeyPairs"]]
        volumes = [each["VolumeId"] for each in self.client.describe_volumes()["Volumes"]]
        return [*self.cloud.living(), *volumes, *keys]

    @property
    def client(self) -> Any:  # noqa: ANN401 - made at run time by botocore
        """A client of our own."""
        if self._client is None:
            access = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            self._client = botocore.session.get_session().create_client(
                "ec2", "us-east-1", endpoint_url=self.url, **access
            )
        return self._client

    def _meet(self) -> None:
        """Get to know the instances that are new."""
        states = [{"Name": "instance-state-name", "Values": ["running"]}]
        pages = self.client.get_paginator("describe_instances").paginate(Filters=states)
        new = [each for page in pages for each in _instances(page) if self._is_new(each)]
        for each in new:
            tags = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
            given = self.client.describe_instance_attribute(
                InstanceId=each["InstanceId"], Attribute="userData"
            )["UserData"]["Value"]
            self._uuids[each["InstanceId"]] = tags["vcycle_uuid"]
            self._guests[each["InstanceId"]] = Guest(name=tags["Name"], user_data=_decoded(given))

    def _is_new(self, instance: Mapping[str, Any]) -> bool:
        return instance["InstanceId"] not in self._guests


@contextmanager
def serving(clock: Clock, folder: Path) -> Iterator[tuple[OpenStackSite, Ec2Site, AzureSite]]:
    """Serve the three: two of them over TLS, and one, as moto has it, without."""
    authority = trustme.CA()
    ca_file = folder / "clouds.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    sites = OpenStackSite(clock), Ec2Site(clock), AzureSite(clock)
    first, second, third = sites
    with ExitStack() as stack:
        first.url = stack.enter_context(openstack.serving(first.cloud.answer, tls=context))
        third.url = stack.enter_context(azure.serving(third.cloud.answer, tls=context))
        second.url = stack.enter_context(ec2.serving(second.cloud))
        first.ca_file = third.ca_file = ca_file
        yield sites


def _instances(page: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for reservation in page["Reservations"]:
        yield from reservation["Instances"]


def _life(uuid: str, created_at: int, launched_at: int | None, ended_at: int | None) -> Life:
    assert launched_at is not None, f"{uuid} ended before it ran"
    assert ended_at is not None
    return Life(uuid=uuid, created_at=created_at, launched_at=launched_at, ended_at=ended_at)


def _os_profile(machine: azure.Machine) -> Mapping[str, str]:
    found: Mapping[str, str] = (machine.request or {})["properties"]["osProfile"]
    return found


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
