"""What tests of our own OpenStack share: the cloud, served; the SDK and a plain client on it.

A module takes the fixtures it wants by their names: `cloud = fake_openstack_kit.cloud`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openstack
import pytest
import requests
from openstack.connection import Connection

from tests.fakes.openstack import (
    OpenStackCloud,
    Settings,
    serving,
)
from vcycled.testing.clock import FakeClock

SDK_TALKS = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
"""Marks of a module: what the SDK says of its own future is no fault of its tests."""
IMAGE_ID = "00000001-0000-4000-8000-00000000eeee"
"""Of the image that is there from the start."""
PASSWORD = {"username": "vcycle", "password": "secret", "project_name": "grid"}
DOMAINS = {"user_domain_id": "default", "project_domain_id": "default"}


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of the cloud."""
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> OpenStackCloud:
    """Return a cloud whose servers need 30 seconds to start and 10 to go."""
    return OpenStackCloud(clock, Settings(start_seconds=30, delete_seconds=10))


@pytest.fixture
def url(cloud: OpenStackCloud) -> Iterator[str]:
    """Serve it."""
    with serving(cloud.answer) as url:
        yield url


@pytest.fixture
def sdk(url: str) -> Iterator[Connection]:
    """Log in with the SDK."""
    with connected(url, **PASSWORD, **DOMAINS) as connection:
        yield connection


def connected(url: str, **login: Any) -> Connection:  # noqa: ANN401 - as connect() takes it
    """Return a connection of the SDK that knows nothing but what it is told here."""
    return openstack.connect(
        auth_url=f"{url}/identity",
        region_name="RegionOne",
        load_yaml_config=False,
        load_envvars=False,
        **login,
    )


class Plain:
    """A client that shows the answers themselves."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.version = "2.96"
        user = {"name": "vcycle", "password": "secret", "domain": {"id": "default"}}
        scope = {"project": {"name": "grid", "domain": {"id": "default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        auth = {"auth": {"identity": identity, "scope": scope}}
        answered = requests.post(f"{url}/identity/v3/auth/tokens", json=auth, timeout=60)
        self.token = answered.headers["X-Subject-Token"]

    def ask(self, method: str, path: str, json: object = None) -> requests.Response:
        """Ask for a path such as `/compute/v2.1/servers`."""
        version = f"compute {self.version}"
        headers = {"X-Auth-Token": self.token, "OpenStack-API-Version": version}
        return requests.request(
            method, f"{self.url}{path}", json=json, headers=headers, timeout=60
        )

    def create(self, **changes: Any) -> requests.Response:  # noqa: ANN401 - whatever is wrong
        """Ask for a server; a change to None leaves a field out."""
        asked = {
            "name": "one",
            "flavorRef": "f-1",
            "imageRef": IMAGE_ID,
            "networks": "auto",
            **changes,
        }
        body = {"server": {name: value for name, value in asked.items() if value is not None}}
        return self.ask("POST", "/compute/v2.1/servers", body)

    def names(self, query: str = "") -> list[str]:
        """Return the names that a listing shows."""
        found = self.ask("GET", f"/compute/v2.1/servers/detail{query}").json()
        return [each["name"] for each in found["servers"]]


@pytest.fixture
def plain(url: str) -> Plain:
    """Log in without the SDK."""
    return Plain(url)
