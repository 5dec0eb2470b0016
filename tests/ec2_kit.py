"""What tests of the EC2 space share: its options for the simulated cloud, requests, fixtures.

A module takes the fixtures it wants by their names: `cloud = ec2_kit.cloud`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.ec2 import Ec2Cloud, serving
from vcycled.clock import Clock
from vcycled.options import Secret
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.ec2 import Ec2Options, Ec2Space
from vcycled.testing.clock import FakeClock

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJVr9H7TyMx1tq2bBr5sU5b8N1B1yBz6gQdLxGg3l9h root@site"
OURS = "installation-1"


def options(url: str, **changes: Any) -> Ec2Options:  # noqa: ANN401 - replace() refuses wrong names
    """Return the options of a space on the simulated cloud at `url`, asked at will."""
    usual = Ec2Options(
        url=url,
        access_key="AKIAEXAMPLE",
        secret_key=Secret("secret"),
        instance_types=("m5.large", "m5.xlarge"),
        api_calls_per_second=1e6,
        api_burst=1000,
        launches_per_second=1e6,
        launch_burst=1000,
        api_timeout_seconds=60,
    )
    return replace(usual, **changes)


def request(number: int = 1, **changes: Any) -> CreateRequest:  # noqa: ANN401 - see above
    """Return a request for a machine of its own."""
    uuid, name = f"00000000-0000-4000-8000-{number:012}", f"vcycle-prod-{number:010}"
    usual = CreateRequest(
        name=name,
        uuid=uuid,
        machinetype="prod",
        flavor="m5.large",
        zone="",
        user_data=b"#!/bin/sh\n",
        tags={
            "name": name,
            "machinetype": "prod",
            "vcycle_installation": OURS,
            "vcycle_uuid": uuid,
        },
        image="image:worker",
    )
    return replace(usual, **changes)


@contextmanager
def space_on(cloud: Ec2Cloud, clock: Clock, **changes: Any) -> Iterator[Ec2Space]:  # noqa: ANN401 - of options
    """Give a connected space on a cloud that is served.

    `is_aws`, a monkeypatch, makes that cloud AWS for the SDK, with all its services.
    """
    with ExitStack() as stack:
        url = stack.enter_context(serving(cloud))
        given = options(url, **{key: each for key, each in changes.items() if key != "is_aws"})
        if patch := changes.get("is_aws"):
            patch.setenv("AWS_ENDPOINT_URL", url)
            given = replace(given, url=None)
        space = Ec2Space("space", given, clock=clock)
        stack.callback(space.close)
        space.connect()
        yield space


def listed_names(space: Ec2Space) -> list[str]:
    """Return the names that a listing shows."""
    return [each.name for each in space.machines()]


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that the test moves."""
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> Ec2Cloud:
    """Return a cloud with an image."""
    cloud = Ec2Cloud(clock)
    cloud.register("worker")
    return cloud


@pytest.fixture
def space(cloud: Ec2Cloud, clock: FakeClock) -> Iterator[Ec2Space]:
    """Return a space on it."""
    with space_on(cloud, clock) as space:
        yield space
