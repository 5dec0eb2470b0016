"""Calls to an OpenStack: what answers mean, and what it means that there is none."""

from __future__ import annotations

import io
import json
import logging
import socket
import ssl
import struct
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import responses
import trustme
from urllib3.exceptions import MaxRetryError, NameResolutionError

from tests.canned_openstack import (
    GLANCE,
    KEYSTONE,
    MARKER,
    NOVA,
    CannedCloud,
    endpoint,
    new_api,
    with_password,
)
from tests.http_servers import Script, answer, serving
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.spaces.openstack.answers import Doc, read_doc
from vcycled.spaces.openstack.api import Api, Conflict, Missing
from vcycled.spaces.openstack.errors import Reply, Unsupported, of_reply
from vcycled.spaces.openstack.wire import of_failure
from vcycled.testing.clock import START, FakeClock

SERVERS = f"{NOVA}/servers"


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    """Return answers in place of the network."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def cloud(mock: responses.RequestsMock) -> CannedCloud:
    """Return a cloud that is well."""
    return CannedCloud(mock=mock).serve()


def reply(status: int, body: object = None, **headers: str) -> Reply:
    """Return an answer about server s1, which came at START."""
    return Reply(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        content=body if isinstance(body, bytes) else json.dumps(body).encode(),
        url=f"{SERVERS}/s1?x=1",
        asked_as="user vcycle",
        secrets=(MARKER,),
        now=START,
    )


def nova(name: str, message: str) -> dict[str, object]:
    """Return an error as Nova and Cinder wrap it."""
    return {name: {"message": message, "code": 0}}


def neutron(kind: str, message: str) -> dict[str, object]:
    """Return an error as Neutron wraps it."""
    return {"NeutronError": {"type": kind, "message": message, "detail": ""}}


CORES = "Quota exceeded for cores: Requested 8, but already used 96 of 100 cores"
PORTS = "Maximum number of ports exceeded"
GIGABYTES = "VolumeSizeExceedsAvailableQuota: Requested volume exceeds allowed gigabytes quota."


# What answers mean


@pytest.mark.parametrize(
    ("said", "kind", "detail"),
    [
        pytest.param(
            reply(400, nova("badRequest", "Invalid imageRef")),
            Refused,
            "Invalid imageRef (400)",
            id="400",
        ),
        pytest.param(
            reply(401, {"error": {"message": "No."}}),
            Refused,
            "user vcycle is not let in: No. (401)",
            id="401",
        ),
        pytest.param(
            reply(403, nova("forbidden", "Policy doesn't allow it")),
            Refused,
            "user vcycle may not do this: Policy doesn't allow it (403)",
            id="403",
        ),
        pytest.param(
            reply(403, nova("forbidden", "Insufficient privileges")),
            Refused,
            "user vcycle may not do this: Insufficient privileges (403)",
            id="403 for want of rights, not of room",
        ),
        pytest.param(
            reply(403, nova("forbidden", CORES)), QuotaExceeded, f"{CORES} (403)", id="cores"
        ),
        pytest.param(
            reply(403, nova("forbidden", PORTS)), QuotaExceeded, f"{PORTS} (403)", id="ports"
        ),
        pytest.param(
            reply(413, nova("overLimit", CORES), Retry_After="0"),
            QuotaExceeded,
            f"{CORES} (413)",
            id="a quota as old Novas put it",
        ),
        pytest.param(
            reply(413, nova("overLimit", GIGABYTES), Retry_After="60"),
            QuotaExceeded,
            f"{GIGABYTES} (413)",
            id="Cinder's quota, which no time fills",
        ),
        pytest.param(
            reply(409, neutron("OverQuota", "Quota exceeded for resources: ['port'].")),
            QuotaExceeded,
            "Quota exceeded for resources: ['port']. (409)",
            id="Neutron's quota",
        ),
        pytest.param(
            reply(413, b"Project p1 is over a limit for [image_size_total]"),
            QuotaExceeded,
            "Project p1 is over a limit for [image_size_total] (413)",
            id="oslo.limit's",
        ),
        pytest.param(
            reply(413, b"Request is too large."), Refused, "Request is too large. (413)", id="413"
        ),
        pytest.param(
            reply(404, nova("itemNotFound", "Instance s1 could not be found.")),
            Missing,
            "Instance s1 could not be found. (404)",
            id="Nova's 404",
        ),
        pytest.param(
            reply(404, neutron("NetworkNotFound", "Network n1 could not be found.")),
            Missing,
            "Network n1 could not be found. (404)",
            id="Neutron's 404",
        ),
        pytest.param(
            reply(404, b"<html><h1>404 Not Found</h1>No image found with ID s1<br/></html>"),
            Missing,
            "404 Not Found No image found with ID s1 (404)",
            id="Glance's 404",
        ),
        pytest.param(
            reply(404, b"<html><title>404</title><h1>Not Found</h1></html>"),
            Refused,
            f"there is nothing at {SERVERS}/s1: Not Found (404)",
            id="a 404 of a proxy is no proof of absence",
        ),
        pytest.param(
            reply(404, {"message": "The resource could not be found.<br /><br />\n\n"}),
            Refused,
            f"there is nothing at {SERVERS}/s1: The resource could not be found. (404)",
            id="nor is that of a path",
        ),
        pytest.param(
            reply(409, nova("conflictingRequest", "Cannot 'delete' while it is deleting")),
            Conflict,
            "Cannot 'delete' while it is deleting (409)",
            id="409",
        ),
        pytest.param(
            reply(400, nova("badRequest", "No valid host was found. There are not enough.")),
            NoCapacity,
            "No valid host was found. There are not enough. (400)",
            id="no host",
        ),
        pytest.param(
            reply(500, nova("computeFault", "No valid host was found.")),
            NoCapacity,
            "No valid host was found. (500)",
            id="no host, as some Novas put it",
        ),
        pytest.param(reply(408), Unavailable, "no explanation (408)", id="408"),
        pytest.param(
            reply(500, nova("computeFault", "Unexpected API Error.")),
            Unavailable,
            "Unexpected API Error. (500)",
            id="500",
        ),
        pytest.param(
            reply(502, b"<html>Bad Gateway</html>"), Unavailable, "Bad Gateway (502)", id="502"
        ),
        pytest.param(
            reply(501, nova("notImplemented", "No spice.")),
            Unsupported,
            "No spice. (501)",
            id="501",
        ),
        pytest.param(reply(599), Unavailable, "no explanation (599)", id="any above 500"),
        pytest.param(
            reply(302, Location="https://login.example.com"),
            Refused,
            f"{SERVERS}/s1 sends us elsewhere, which is not followed: no explanation (302)",
            id="a token follows no redirection",
        ),
        pytest.param(reply(418), Refused, "no explanation (418)", id="any other"),
    ],
)
def test_an_answer_means(said: Reply, kind: type[SpaceError], detail: str) -> None:
    """One kind of error, with what the cloud said in one line."""
    error = of_reply("create", said)
    assert type(error) is kind
    assert (error.operation, error.detail) == ("create", detail)


@pytest.mark.parametrize(
    ("status", "header", "wait_s", "is_undone"),
    [
        pytest.param(429, {"Retry-After": "7"}, 7, True, id="429"),
        pytest.param(429, {"retry-after": "7"}, 7, True, id="in small letters"),
        pytest.param(429, {"Retry-After": "0"}, 0, True, id="at once"),
        pytest.param(429, {}, 10, True, id="429 that does not say how long"),
        pytest.param(429, {"Retry-After": "soon"}, 10, True, id="429 that says nothing clear"),
        pytest.param(429, {"Retry-After": "3601"}, 3600, True, id="an hour at most"),
        pytest.param(503, {"Retry-After": "30"}, 30, False, id="503: it may have begun"),
        pytest.param(413, {"Retry-After": "30"}, 30, False, id="413: rates, in old Novas"),
        pytest.param(503, {}, None, False, id="503 without a time"),
        pytest.param(503, {"Retry-After": "soon"}, None, False, id="503 with nonsense"),
        pytest.param(
            429,
            {"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"},
            60,
            True,
            id="as a date",
        ),
        pytest.param(
            429, {"Retry-After": "Fri, 15 Jan 2027 07:59:00 -0000"}, 0, True, id="a past date"
        ),
    ],
)
def test_a_cloud_says_when_to_come_back(
    status: int, header: dict[str, str], wait_s: int | None, is_undone: bool
) -> None:
    """RFC 9110, 10.2.3: seconds, or a date."""
    said = reply(status, nova("overLimit", "This request was rate-limited."))
    said = Reply(
        status=status,
        headers=header,
        content=said.content,
        url=SERVERS,
        asked_as="user vcycle",
        now=START,
    )
    error = of_reply("create", said)
    assert isinstance(error, Unavailable)
    assert (error.retry_after_s, error.is_undone) == (wait_s, is_undone)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param(
            nova("badRequest", f"Value: {'QUJD' * 15}. is too long"),
            "Value: …. is too long",
            id="60 letters of base64: user_data",
        ),
        pytest.param(nova("badRequest", f"Value: {'A' * 59}."), f"Value: {'A' * 59}.", id="59"),
        pytest.param(nova("badRequest", f"no {MARKER}!"), "no ********!", id="a password"),
        pytest.param(
            nova("badRequest", "many words " * 40), ("many words " * 40)[:299] + "…", id="a novel"
        ),
        pytest.param({"errors": [{"title": "T", "detail": "D"}]}, "D", id="a list of errors"),
        pytest.param({"badRequest": {"code": 400}}, "no explanation", id="only a number"),
        pytest.param(b"\xff\xfe", "��", id="no text"),
    ],
)
def test_what_a_cloud_says_is_shown_without_what_must_not_be(body: object, shown: str) -> None:
    """A refusal may repeat what was sent."""
    assert of_reply("create", reply(400, body)).detail == f"{shown} (400)"


# Answers that are successes


def test_members_of_an_answer_are_read_with_their_types() -> None:
    """What is absent or null has the default."""
    doc = read_doc(
        "machines",
        b'{"a": "x", "n": 3, "f": true, "d": {"k": "v"}, "l": [{"i": 1}], "t": ["y"], "z": null}',
    )
    assert (doc.text("a"), doc.whole("n"), doc.flag("f")) == ("x", 3, True)
    assert (doc.doc("d").text("k"), doc.mapping("d")) == ("v", {"k": "v"})
    assert [each.whole("i") for each in doc.docs("l")] == [1]
    assert (doc.texts("t"), doc.texts("none"), doc.mapping("none")) == (["y"], [], {})
    assert (doc.text("z", "d"), doc.whole("none", 0), doc.doc("z", {}).members) == ("d", 0, {})
    assert ("a" in doc, "z" in doc, "none" in doc) == (True, False, False)
    assert list(doc) == ["a", "n", "f", "d", "l", "t", "z"]


@pytest.mark.parametrize(
    ("read", "detail"),
    [
        pytest.param(lambda doc: doc.text("none"), "none is not a text", id="absent"),
        pytest.param(lambda doc: doc.text("null"), "null is not a text", id="null"),
        pytest.param(lambda doc: doc.text("n", ""), "n is not a text", id="a number for a text"),
        pytest.param(lambda doc: doc.whole("f"), "f is not a whole number", id="true for 1"),
        pytest.param(lambda doc: doc.flag("n"), "n is not a true or false", id="3 for true"),
        pytest.param(lambda doc: doc.docs("none"), "none is not a list", id="no list"),
        pytest.param(lambda doc: doc.docs("t"), "t is not a object", id="a list of others"),
        pytest.param(lambda doc: doc.mapping("m"), "m is not a text", id="a value that is none"),
        pytest.param(lambda doc: doc.doc("t"), "t is not a object", id="a list for an object"),
    ],
)
def test_an_answer_that_is_not_the_api_s_proves_nothing(
    read: Callable[[Doc], object], detail: str
) -> None:
    """Nothing is concluded from it, and the next cycle asks again."""
    doc = read_doc("machines", b'{"n": 3, "f": true, "null": null, "t": ["y"], "m": {"k": 1}}')
    with pytest.raises(Unavailable) as caught:
        read(doc)
    assert str(caught.value) == f"machines: the cloud's answer makes no sense: {detail}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"servers": [{"id"', id="cut"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"\xff"', id="no text"),
    ],
)
def test_a_body_that_is_no_json_object_proves_nothing(cloud: CannedCloud, content: bytes) -> None:
    """A proxy's page with status 200, for instance."""
    cloud.answer("GET", SERVERS, 200, content)
    with pytest.raises(Unavailable, match="machines: the cloud's answer is not"):
        connected().call("machines", "compute", "GET", "/servers")


def test_an_answer_without_a_body_is_empty(cloud: CannedCloud) -> None:
    """As after a deletion."""
    cloud.answer("DELETE", f"{SERVERS}/s1", 204)
    assert list(connected().call("delete", "compute", "DELETE", "/servers/s1")) == []


# Politeness


def connected(api: Api | None = None) -> Api:
    """Return an Api that is logged in."""
    api = api or new_api()
    api.connect()
    return api


def test_a_call_is_one_request(cloud: CannedCloud, mock: responses.RequestsMock) -> None:
    """With its query, body and headers; the first one costs login and discovery."""
    cloud.answer("POST", SERVERS, 202, {"server": {"id": "s1"}})
    api = new_api()
    assert api.calls == 0
    api.connect()
    assert cloud.asked == [f"GET {KEYSTONE}/", f"POST {KEYSTONE}/v3/auth/tokens", f"GET {NOVA}/"]
    api.connect()
    api.call(
        "create", "compute", "POST", "/servers", json={"a": 1}, params={"n": 2}, headers={"X": "y"}
    )
    assert (cloud.asked[3:], api.calls) == ([f"POST {SERVERS}?n=2"], 4)
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
        pytest.param(413, nova("overLimit", "This request was rate-limited."), id="413"),
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
    calls = api.calls
    with pytest.raises(Unavailable, match="asked for a pause, 2 s of it are left") as caught:
        api.call("machines", "compute", "GET", "/servers")
    assert (caught.value.operation, caught.value.is_undone) == ("machines", True)
    assert api.calls == calls
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


# No answer at all


@contextmanager
def nova_at(
    mock: responses.RequestsMock, port: int, scheme: str = "http", **changes: object
) -> Iterator[Api]:
    """Return an Api whose Nova is on a port of this host, but for its root."""
    place = f"{scheme}://127.0.0.1:{port}"
    cloud = CannedCloud(mock=mock, catalog=[endpoint("compute", f"{place}/v2.1")]).serve()
    version = {"id": "v2.1", "status": "CURRENT", "links": [{"rel": "self", "href": place}]}
    cloud.answer("GET", f"{place}/v2.1/", 200, {"version": version})
    mock.add_passthru(place)
    api = connected(new_api(with_password(**changes)))
    yield api
    api.close()


def create(api: Api) -> Doc:
    """Ask for a machine."""
    return api.call("create", "compute", "POST", "/servers", json={"server": {}})


def test_a_cloud_that_hangs_is_given_up(mock: responses.RequestsMock) -> None:
    """After the time that the options allow; whether a machine was made is unknown."""
    script = Script(pieces=(b"",), is_endless=True, pause_s=0.05)
    with (
        serving(script) as port,
        nova_at(mock, port, api_timeout_seconds=1) as api,
        pytest.raises(Unavailable) as caught,
    ):
        create(api)
    assert caught.value.detail == f"no answer from 127.0.0.1:{port} within 1 s"
    assert not caught.value.is_undone


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"",), id="no answer at all"),
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",), id="half of a body"),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",),
            id="half of a chunk",
        ),
        pytest.param((b"SSH-2.0-OpenSSH_9.2\r\n",), id="another protocol"),
        pytest.param(
            (answer("200 OK", b"no gzip", Content_Encoding="gzip"),), id="not what its head says"
        ),
    ],
)
def test_an_answer_that_is_cut_leaves_the_outcome_unknown(
    mock: responses.RequestsMock, pieces: tuple[bytes, ...]
) -> None:
    """It is looked for by name."""
    with (
        serving(Script(pieces=pieces)) as port,
        nova_at(mock, port) as api,
        pytest.raises(
            Unavailable, match=f"create: the connection to 127.0.0.1:{port} was cut"
        ) as caught,
    ):
        create(api)
    assert not caught.value.is_undone


def test_a_connection_that_is_reset_leaves_the_outcome_unknown(
    mock: responses.RequestsMock,
) -> None:
    """The request was sent, and somebody may have read it."""
    with (
        one_connection(reset) as port,
        nova_at(mock, port) as api,
        pytest.raises(Unavailable, match="was cut") as caught,
    ):
        create(api)
    assert not caught.value.is_undone


@contextmanager
def one_connection(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """Take one connection on a port of this host, which is yielded, and close it after a talk."""

    def take() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            connection.recv(4096)
            talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def reset(connection: socket.socket) -> None:
    """Let the connection end with RST, as after a crash."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_cloud_that_is_not_reached_has_made_nothing(mock: responses.RequestsMock) -> None:
    """Nothing was sent, so nothing need be looked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with nova_at(mock, port) as api, pytest.raises(Unavailable) as caught:
        create(api)
    assert caught.value.detail == f"no connection to 127.0.0.1:{port}: Connection refused"
    assert caught.value.is_undone


@pytest.mark.parametrize(
    ("error", "kind", "detail"),
    [
        pytest.param(
            requests.exceptions.ConnectionError(
                MaxRetryError(
                    None,  # type: ignore[arg-type] # of no pool
                    "/",
                    NameResolutionError("x", None, socket.gaierror()),  # type: ignore[arg-type]
                )
            ),
            Unavailable,
            "there is no address for cloud.example.com",
            id="no address",
        ),
        pytest.param(
            requests.exceptions.ConnectTimeout(),
            Unavailable,
            "no connection to cloud.example.com within 10 s",
            id="no route",
        ),
        pytest.param(
            requests.exceptions.InvalidURL(f"http://{MARKER}@:80"),
            Refused,
            "cloud.example.com cannot be called (InvalidURL)",
            id="an impossible URL in the catalogue",
        ),
    ],
)
def test_what_comes_before_a_connection(
    error: OSError, kind: type[SpaceError], detail: str
) -> None:
    """Where a test cannot go: off this host."""
    found = of_failure("create", error, "https://user:pw@cloud.example.com/v2.1", 60)
    assert type(found) is kind
    assert found.detail == detail
    assert getattr(found, "is_undone", True)


# TLS


def test_a_certificate_that_is_not_trusted_is_for_a_person(
    mock: responses.RequestsMock, tmp_path: Path
) -> None:
    """Nothing was sent; the right authority in ca_file helps."""
    right, wrong = trustme.CA(), trustme.CA()
    right.cert_pem.write_to_path(tmp_path / "right.pem")
    wrong.cert_pem.write_to_path(tmp_path / "wrong.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    right.issue_cert("127.0.0.1").configure_cert(context)
    script = Script(pieces=(answer("200 OK", b'{"servers": []}'),))
    with serving(script, context) as port:
        with (
            nova_at(mock, port, "https", ca_file=str(tmp_path / "wrong.pem")) as api,
            pytest.raises(Refused, match=f"certificate of 127.0.0.1:{port} is not trusted"),
        ):
            create(api)
        with nova_at(mock, port, "https", ca_file=str(tmp_path / "right.pem")) as api:
            assert api.call("machines", "compute", "GET", "/servers").docs("servers") == []
    assert len(script.heard) == 1


def test_a_port_without_tls_has_made_nothing(mock: responses.RequestsMock) -> None:
    """The handshake fails before anything is sent."""
    with (
        one_connection(lambda connection: connection.sendall(b"HTTP/1.1 400 No\r\n\r\n")) as port,
        nova_at(mock, port, "https") as api,
        pytest.raises(Unavailable, match=r"no TLS connection to .*: wrong version") as caught,
    ):
        create(api)
    assert caught.value.is_undone


def test_a_ca_file_that_is_not_there_is_for_a_person(
    mock: responses.RequestsMock, tmp_path: Path
) -> None:
    """It is named."""
    path = tmp_path / "none.pem"
    with (
        nova_at(mock, 1, "https", ca_file=str(path)) as api,
        pytest.raises(Refused, match=f"a certificate file cannot be used: .*{path}"),
    ):
        create(api)


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        pytest.param(ssl.SSLEOFError("eof"), "the connection was cut", id="cut in the middle"),
        pytest.param(
            ssl.SSLError(1, "[SSL: BAD_RECORD_MAC] bad"), "the connection", id="no reason"
        ),
    ],
)
def test_a_tls_connection_that_broke_may_have_made_something(
    error: ssl.SSLError, detail: str
) -> None:
    """Nothing says that it was before the request."""
    found = of_failure("create", requests.exceptions.SSLError(error), NOVA, 60)
    assert isinstance(found, Unavailable)
    assert found.detail.startswith(f"no TLS connection to cloud.example.com:8774: {detail}")
    assert not found.is_undone


def test_a_tls_error_of_another_kind_may_have_made_something() -> None:
    """As one that a proxy on the way speaks of."""
    found = of_failure("create", requests.exceptions.SSLError(MARKER), NOVA, 60)
    assert isinstance(found, Unavailable)
    assert str(found) == "create: no TLS connection to cloud.example.com:8774"
    assert not found.is_undone


def test_a_ca_file_that_holds_no_certificate_is_for_a_person(
    mock: responses.RequestsMock, tmp_path: Path
) -> None:
    """As one that is not there."""
    path = tmp_path / "empty.pem"
    path.write_text("hello")
    with (
        one_connection(reset) as port,
        nova_at(mock, port, "https", ca_file=str(path)) as api,
        pytest.raises(Refused, match="create: ca_file holds no certificate"),
    ):
        create(api)


# Uploads


def test_an_upload_is_read_as_it_is_sent(cloud: CannedCloud, mock: responses.RequestsMock) -> None:
    """It need not fit into memory."""
    heard: list[tuple[bytes, Mapping[str, str]]] = []

    def put(request: requests.PreparedRequest) -> tuple[int, Mapping[str, str], str]:
        assert isinstance(request.body, bytes)  # read by `responses` from what we gave
        heard.append((request.body, dict(request.headers)))
        return 204, {}, ""

    mock.add_callback("PUT", f"{GLANCE}/v2/images/i1/file", put)
    glance(cloud)
    connected().upload("upload", "image", "/images/i1/file", io.BytesIO(b"x" * 100_000))
    ((content, headers),) = heard
    assert content == b"x" * 100_000
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Length"] == "100000"


def test_an_upload_whose_token_ended_is_not_sent_again(cloud: CannedCloud) -> None:
    """Half of the file is gone from the stream; the next try has a new token."""
    cloud.answer("PUT", f"{GLANCE}/v2/images/i1/file", 401)
    glance(cloud)
    api = connected()
    with pytest.raises(Unavailable, match="upload: the token ended during the upload"):
        api.upload("upload", "image", "/images/i1/file", io.BytesIO(b"x"))
    api.connect()
    assert len(cloud.logins) == 2


def glance(cloud: CannedCloud) -> None:
    """Let Glance tell its versions."""
    links = [{"rel": "self", "href": f"{GLANCE}/v2/"}]
    versions = [{"id": "v2.9", "status": "CURRENT", "links": links}]
    cloud.answer("GET", GLANCE, 300, {"versions": versions})


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
