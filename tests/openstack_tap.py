"""The simulated cloud behind `responses`: a test sees what was sent, and can falsify answers.

A module takes the fixture it wants: `tap = openstack_tap.tap`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
import responses

from tests.fakes.openstack import OpenStackCloud, Settings
from tests.fakes.openstack.messages import Dropped, Request
from tests.openstack_kit import ROOT_IMAGE, options
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.openstack import OpenStackSpace
from vcycled.testing.clock import FakeClock

URL = "http://cloud.example.com"
NAME = "vcycle-prod-0123456789"
"""Of the machine that `request` asks for."""
POST = "POST /servers"
SERVERS = "GET /servers/detail"
"""A listing, or a search by name."""
Json: TypeAlias = Any
"""Whatever the cloud or we say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was sent, less those to Keystone and for versions."""

    method: str
    path: str
    """Below the service, as /servers/detail."""
    query: dict[str, str]
    headers: dict[str, str]
    json: Json

    def __str__(self) -> str:
        """Return what a test compares: `GET /servers/detail`."""
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class Tap:
    """Between one space and its cloud."""

    cloud: OpenStackCloud
    space: OpenStackSpace
    clock: FakeClock
    asked: list[Asked] = field(default_factory=list)
    falsify: Callable[[Asked, Json], Json] = lambda _asked, said: said
    """Turns the JSON of a good answer into what is answered."""

    def since(self) -> list[str]:
        """Return what was asked since the last time, and forget it."""
        asked, self.asked = self.asked, []
        return [str(each) for each in asked]

    def last(self, wanted: str) -> Asked:
        """Return the last request like `POST /servers`."""
        return next(each for each in reversed(self.asked) if str(each) == wanted)

    def sent(self, **changes: Any) -> Json:  # noqa: ANN401 - fields of a request
        """Create a machine and return what was posted of the server."""
        self.space.create(request(**changes))
        return self.last(POST).json["server"]

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        """Pass a request on to the cloud and its answer back."""
        parts = urlsplit(str(request.url))
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else bytes(body)
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        asked = Asked(
            method=str(request.method),
            path=_below(unquote(parts.path)),
            query=dict(parse_qsl(parts.query)),
            headers=headers,
            json=json.loads(content) if content else None,
        )
        if "/identity" not in parts.path and asked.path:
            self.asked.append(asked)
        try:
            reply = self.cloud.answer(
                Request(
                    method=asked.method,
                    path=unquote(parts.path),
                    query=asked.query,
                    headers=headers,
                    content=content,
                    base=URL,
                )
            )
        except Dropped:
            raise requests.ConnectionError("reset") from None
        said = reply.body
        if reply.status < 300 and said and asked.path and reply.cut is None:
            said = json.dumps(self.falsify(asked, json.loads(said))).encode()
        return reply.status, dict(reply.headers), said[: reply.cut]

    def restart(self, **changes: Any) -> None:  # noqa: ANN401 - options of any type
        """Connect anew, as a manager that remembers nothing, with other options."""
        self.space = OpenStackSpace("tapped", options(URL, **changes), clock=self.clock)
        self.space.connect()
        self.asked.clear()


@contextmanager
def tapped(settings: Settings | None = None, **changes: Any) -> Iterator[Tap]:  # noqa: ANN401
    """Give a connected space on a cloud, with options changed as stated."""
    clock = FakeClock()
    cloud = OpenStackCloud(clock, settings or Settings(start_seconds=30))
    space = OpenStackSpace("tapped", options(URL, **changes), clock=clock)
    tap = Tap(cloud, space, clock)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PUT", "DELETE"):
            mock.add_callback(method, re.compile(re.escape(URL)), callback=tap.answer)
        space.connect()
        tap.asked.clear()
        yield tap


def request(name: str = NAME, **changes: Any) -> CreateRequest:  # noqa: ANN401
    """Return a request; what is not stated is plain."""
    tags = {"vcycle_installation": "ours", "vcycle_uuid": f"uuid-{name}", "machinetype": "prod"}
    plain = {
        "name": name,
        "uuid": f"uuid-{name}",
        "machinetype": "prod",
        "flavor": "small",
        "zone": "",
        "user_data": b"#!/bin/sh\n",
        "tags": tags,
        "image": ROOT_IMAGE,
    }
    return CreateRequest(**(plain | changes))


@pytest.fixture
def tap() -> Iterator[Tap]:
    """Return a space on a usual cloud."""
    with tapped() as tap:
        yield tap


@pytest.fixture
def ready() -> Iterator[Tap]:
    """Return a space on a usual cloud, whose flavors and image have been looked up."""
    with tapped() as tap:
        tap.space.create(request("vcycle-prod-the-first-0"))
        tap.since()
        yield tap


def _below(path: str) -> str:
    """Return a path without service, version and project."""
    found = re.fullmatch(r"/[a-z-]+/v[0-9.]+(/[0-9a-f]{32})?(/.*)?", path)
    return (found[2] or "") if found else ""
