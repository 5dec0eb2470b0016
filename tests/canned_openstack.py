"""A cloud whose answers are written down: Keystone, Nova's root, and what a test adds to them.

A module takes the fixtures it wants by their names: `cloud = canned_openstack.cloud`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, cast

import pytest
import requests
import responses

from vcycled.clock import Clock, SystemClock
from vcycled.options import Secret
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.options import OpenStackOptions

KEYSTONE = "https://cloud.example.com:5000"
NOVA = "https://cloud.example.com:8774/v2.1"
GLANCE = "https://cloud.example.com:9292"
SERVERS = f"{NOVA}/servers"
CREDENTIAL = f"{KEYSTONE}/v3/users/u1/application_credentials/c1"
LOGIN = f"POST {KEYSTONE}/v3/auth/tokens"
"""As it stands among what was asked."""
INNER = "http://inner.example.com/"
"""What services behind a proxy think they are reached at, and nobody reaches."""
MARKER = "hunter2-MARKER"
"""A secret that may be seen nowhere."""

JsonObject: TypeAlias = dict[str, object]
Answer: TypeAlias = tuple[int, Mapping[str, str], str]


def endpoint(
    service: str, url: str, *, region: str = "one", interface: str = "public"
) -> JsonObject:
    """Return an entry of a catalogue."""
    place = {"url": url, "region": region, "region_id": region, "interface": interface, "id": url}
    return {"type": service, "name": service, "id": service, "endpoints": [place]}


CATALOG = (endpoint("compute", NOVA), endpoint("image", GLANCE))


def with_password(**changes: object) -> OpenStackOptions:
    """Return options of a user with a password."""
    plain: JsonObject = {
        "url": KEYSTONE,
        "username": "vcycle",
        "password_base64": Secret(MARKER),
        "project_name": "grid",
    }
    return OpenStackOptions(**(plain | changes))  # type: ignore[arg-type] # any of them


def new_api(options: OpenStackOptions | None = None, clock: Clock | None = None) -> Api:
    """Return an Api that was not connected yet."""
    return Api("cloud.example.org", options or with_password(), clock=clock or SystemClock())


def connected(api: Api | None = None) -> Api:
    """Return an Api that is logged in."""
    api = api or new_api()
    api.connect()
    return api


def ending(at: int | None) -> JsonObject:
    """Return what Keystone says of a credential that ends then."""
    text = None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.000000}"
    return {"application_credential": {"id": "c1", "name": "vcycle", "expires_at": text}}


@dataclass(kw_only=True)
class CannedCloud:
    """Keystone and the root of Nova, over `responses`."""

    mock: responses.RequestsMock
    keystone: str = KEYSTONE
    """Its root, without a slash at the end."""
    versions: tuple[str, ...] = ("v3.14",)
    catalog: Iterable[JsonObject] = CATALOG
    token_life_s: int = 3600
    nova_max: str = "2.90"
    logins: list[JsonObject] = field(default_factory=list)
    """What was sent to log in."""
    refusal: Answer | None = None
    """What logins are answered, if not with a token."""

    def serve(self) -> CannedCloud:
        """Put the answers in place."""
        for root in (self.keystone, f"{self.keystone}/"):
            self.answer("GET", root, 300, {"versions": {"values": self._documents()}})
        self.mock.add_callback("POST", f"{self.keystone}/v3/auth/tokens", self._log_in)
        version = {
            "id": "v2.1",
            "status": "CURRENT",
            "version": self.nova_max,
            "min_version": "2.1",
            "links": [{"rel": "self", "href": f"{INNER}v2.1/"}],
        }
        self.answer("GET", f"{NOVA}/", 200, {"version": version})
        return self

    def serve_glance(self) -> None:
        """Let Glance tell its versions."""
        links = [{"rel": "self", "href": f"{INNER}v2/"}]
        versions = [{"id": "v2.9", "status": "CURRENT", "links": links}]
        self.answer("GET", GLANCE, 300, {"versions": versions})

    def answer(
        self, method: str, url: str, status: int, body: object = None, **headers: str
    ) -> responses.BaseResponse:
        """Answer one more request with JSON, or with bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.mock.add(
            method,
            url,
            status=status,
            body=b"" if body is None else content,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            content_type="application/json",
        )

    @property
    def asked(self) -> list[str]:
        """The requests so far, each as method and URL."""
        return [f"{call.request.method} {call.request.url}" for call in self.mock.calls]

    def token(self, number: int) -> str:
        """Return the token that a login got, counted from 1."""
        return f"{MARKER}-token-{number}"

    def _documents(self) -> list[JsonObject]:
        return [
            {"id": each, "status": "stable", "links": [{"rel": "self", "href": INNER}]}
            for each in self.versions
        ]

    def _log_in(self, request: requests.PreparedRequest) -> Answer:
        self.logins.append(cast(JsonObject, json.loads(request.body or b"{}")))
        if self.refusal is not None:
            return self.refusal
        return 201, {"X-Subject-Token": self.token(len(self.logins))}, json.dumps(self.body())

    def body(self) -> JsonObject:
        """Return the body of an answer with a token."""
        now = datetime.now(UTC)  # noqa: TID251 - keystoneauth knows no other clock
        expires = now + timedelta(seconds=self.token_life_s)
        return {
            "token": {
                "methods": ["password"],
                "user": {"id": "u1", "name": "vcycle", "domain": {"id": "default"}},
                "project": {"id": "p1", "name": "grid", "domain": {"id": "default"}},
                "issued_at": f"{now:%Y-%m-%dT%H:%M:%S.000000Z}",
                "expires_at": f"{expires:%Y-%m-%dT%H:%M:%S.000000Z}",
                "catalog": list(self.catalog),
            }
        }


def in_base64(text: str) -> str:
    """Return what `base64` makes of a text."""
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    """Return answers in place of the network."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def cloud(mock: responses.RequestsMock) -> CannedCloud:
    """Return a cloud that is well."""
    return CannedCloud(mock=mock).serve()
