"""Calls to an OpenStack: one request each, at their pace, without secrets."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Mapping

import pytest
import requests
import responses

from tests import canned_openstack
from tests.canned_openstack import (
    GLANCE,
    KEYSTONE,
    MARKER,
    NOVA,
    SERVERS,
    CannedCloud,
    connected,
    new_api,
    with_password,
)
from vcycled.errors import Refused, SpaceError, Unavailable
from vcycled.spaces.openstack.api import Conflict
from vcycled.testing.clock import FakeClock

mock = canned_openstack.mock
cloud = canned_openstack.cloud


def test_a_call_is_one_request(cloud: CannedCloud, mock: responses.RequestsMock) -> None:
    """With its query, body and headers; the first one costs login and discovery."""
    cloud.answer("POST", SERVERS, 202, {"server": {"id": "s1"}})
    api = new_api()
    assert api.calls.total() == 0
    api.connect()
    assert cloud.asked == [f"GET {KEYSTONE}/", f"POST {KEYSTONE}/v3/auth/tokens", f"GET {NOVA}/"]
    api.connect()
    api.call(
        "create", "compute", "POST", "/servers", json={"a": 1}, params={"n": 2}, headers={"X": "y"}
    )
    assert (cloud.asked[3:], api.calls.total()) == ([f"POST {SERVERS}?n=2"], 4)
    sent = mock.calls[-1].request
    assert (json.loads(sent.body or b""), sent.headers["X"]) == ({"a": 1}, "y")
    assert str(sent.headers["User-Agent"]).startswith("vcycle/")
    assert "(cloud.example.org)" in str(sent.headers["User-Agent"])


def test_calls_are_spread_out(cloud: CannedCloud) -> None:
    """Logins and discovery count, and so do calls of another space with the same user."""
    clock = FakeClock()
    cloud.answer("GET", SERVERS, 200, {"servers": []})
    options = with_password(api_calls_per_second=2.0, api_burst=4)
    first, second = new_api(options, clock), new_api(options, clock)
    first.connect()
    first.call("machines", "compute", "GET", "/servers")
    assert clock.monotonic() == 0
    first.call("machines", "compute", "GET", "/servers")
    assert clock.monotonic() == pytest.approx(0.5)
    second.connect()
    assert clock.monotonic() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(429, {"message": "Too many requests"}, id="429"),
        pytest.param(503, b"<html>Service Unavailable</html>", id="503"),
        pytest.param(413, {"overLimit": {"message": "This request was rate-limited."}}, id="413"),
    ],
)
def test_nothing_is_sent_while_the_cloud_wants_a_pause(
    cloud: CannedCloud, status: int, body: object
) -> None:
    """Not even a login; after it all goes on."""
    clock = FakeClock()
    cloud.answer("POST", SERVERS, status, body, Retry_After="30")
    cloud.answer("GET", SERVERS, 200, {"servers": []})
    api = connected(new_api(clock=clock))
    with pytest.raises(Unavailable) as caught:
        api.call("create", "compute", "POST", "/servers", json={})
    assert caught.value.retry_after_s == 30
    clock.advance(29)
    calls = api.calls.total()
    with pytest.raises(Unavailable, match="asked for a pause, 2 s of it are left") as caught:
        api.call("machines", "compute", "GET", "/servers")
    assert (caught.value.operation, caught.value.is_undone) == ("machines", True)
    assert api.calls.total() == calls
    clock.advance(1)
    api.call("machines", "compute", "GET", "/servers")


def test_a_login_that_comes_too_often_makes_a_pause_too(cloud: CannedCloud) -> None:
    """Keystones limit logins most of all."""
    clock = FakeClock()
    cloud.refusal = (429, {"Retry-After": "60"}, "")
    api = new_api(clock=clock)
    for _ in range(2):
        with pytest.raises(Unavailable):
            api.connect()
    assert len(cloud.logins) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, Unavailable), (403, Refused), (409, Conflict), (302, Refused)],
)
def test_no_call_is_repeated(cloud: CannedCloud, status: int, kind: type[SpaceError]) -> None:
    """A POST that is sent twice makes two machines."""
    cloud.answer("POST", SERVERS, status, Location=f"{NOVA}/elsewhere")
    api = connected()
    with pytest.raises(kind):
        api.call("create", "compute", "POST", "/servers", json={})
    assert cloud.asked[3:] == [f"POST {SERVERS}"]


# Uploads


def test_an_upload_is_read_as_it_is_sent(cloud: CannedCloud, mock: responses.RequestsMock) -> None:
    """It need not fit into memory."""
    heard: list[tuple[bytes, Mapping[str, str]]] = []

    def put(request: requests.PreparedRequest) -> tuple[int, Mapping[str, str], str]:
        assert isinstance(request.body, bytes)  # read by `responses` from what we gave
        heard.append((request.body, dict(request.headers)))
        return 204, {}, ""

    mock.add_callback("PUT", f"{GLANCE}/v2/images/i1/file", put)
    cloud.serve_glance()
    connected().upload("upload", "image", "/images/i1/file", io.BytesIO(b"x" * 100_000))
    ((content, headers),) = heard
    assert content == b"x" * 100_000
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Length"] == "100000"


def test_an_upload_whose_token_ended_is_not_sent_again(cloud: CannedCloud) -> None:
    """Half of the file is gone from the stream; the next try has a new token."""
    cloud.answer("PUT", f"{GLANCE}/v2/images/i1/file", 401)
    cloud.serve_glance()
    api = connected()
    with pytest.raises(Unavailable, match="upload: the token ended during the upload"):
        api.upload("upload", "image", "/images/i1/file", io.BytesIO(b"x"))
    api.connect()
    assert len(cloud.logins) == 2


# Secrets


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 418, 429, 500, 503])
@pytest.mark.parametrize("is_login", [True, False])
def test_no_error_shows_a_secret(
    cloud: CannedCloud, caplog: pytest.LogCaptureFixture, status: int, is_login: bool
) -> None:
    """Not if the cloud repeats it, not in a traceback, not in the most talkative log."""
    caplog.set_level(logging.DEBUG)
    text = f"no {MARKER}, {cloud.token(1)} {cloud.token(2)} {MARKER}"
    cloud.answer("GET", SERVERS, status, {"error": {"message": text}})
    api = new_api()
    if is_login:
        cloud.refusal = (status, {}, text)
    with pytest.raises(SpaceError) as caught:
        connected(api).call("machines", "compute", "GET", "/servers")
    seen = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert "********" in str(caught.value)
    assert MARKER not in seen
    assert MARKER not in repr(api)
