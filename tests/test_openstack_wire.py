"""Calls to an OpenStack that get no answer: what that leaves open, and whom it calls."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import responses
import trustme
from urllib3.exceptions import MaxRetryError, NameResolutionError

from tests import canned_openstack
from tests.canned_openstack import (
    MARKER,
    NOVA,
    CannedCloud,
    connected,
    endpoint,
    new_api,
    with_password,
)
from tests.http_servers import Script, answer, serving
from tests.ports import free_port
from vcycled.errors import Refused, SpaceError, Unavailable
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.wire import of_failure

mock = canned_openstack.mock


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
            connection.settimeout(60)
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
    port = free_port()
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
