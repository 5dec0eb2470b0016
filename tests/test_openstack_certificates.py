"""Logging in with a certificate or a VOMS proxy, over real TLS."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import responses
import trustme
from cryptography.hazmat.primitives import serialization

from tests.canned_openstack import (
    CannedCloud,
    endpoint,
    new_api,
)
from vcycled.errors import Refused
from vcycled.spaces.openstack.options import OpenStackOptions


@dataclass
class CertificateCloud:
    """A Keystone that lets in who shows a certificate of its authority."""

    url: str
    authority: trustme.CA
    shown: list[str] = field(default_factory=list)
    """The common name in each certificate that was shown to log in."""
    answer: tuple[int, bytes] | None = None
    """What a login by certificate is answered, if not with a token."""


def handler(cloud: CertificateCloud) -> type[BaseHTTPRequestHandler]:
    """Return what answers requests to the cloud."""
    place = endpoint("compute", f"{cloud.url}/compute/v2.1")
    link = [{"rel": "self", "href": f"{cloud.url}/compute/v2.1"}]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/v3/OS-FEDERATION/identity_providers/egi.eu/protocols/mapped/auth":
                cloud.shown.append(self._common_name())
                status, body = cloud.answer or (201, self._token())
                self._say(status, body)
            elif self.path.startswith("/compute/"):
                version = {"id": "v2.1", "status": "CURRENT", "links": link}
                self._say(200, json.dumps({"version": version}).encode())
            else:
                versions = [{"id": "v3.14", "status": "stable", "links": link}]
                self._say(200, json.dumps({"versions": {"values": versions}}).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._say(201, self._token())

        def _token(self) -> bytes:
            canned = CannedCloud(mock=responses.RequestsMock(), catalog=[place], token_life_s=60)
            return json.dumps(canned.body()).encode()

        def _common_name(self) -> str:
            assert isinstance(self.connection, ssl.SSLSocket)
            certificate = self.connection.getpeercert() or {}
            names = dict(each[0] for each in certificate.get("subject", ()))  # type: ignore[misc]
            return str(names.get("commonName", ""))

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Subject-Token", "t")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def certificate_cloud() -> Iterator[CertificateCloud]:
    """Run a CertificateCloud on a port of this host."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    # In 1.3 a client may write before it reads that its certificate is not taken, and sees a cut.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    cloud = CertificateCloud(f"https://127.0.0.1:{server.server_port}", authority)
    server.RequestHandlerClass = handler(cloud)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_proxy(cloud: CertificateCloud, file: Path, name: str, by: trustme.CA) -> None:
    """Write a certificate and its key to a file."""
    issued = by.issue_cert("vcycle@example.com", common_name=name)
    issued.private_key_and_cert_chain_pem.write_to_path(file)


def with_proxy(cloud: CertificateCloud, folder: Path) -> OpenStackOptions:
    """Return options that log in by the proxy in a folder."""
    authorities = folder / "ca.pem"
    cloud.authority.cert_pem.write_to_path(authorities)
    return OpenStackOptions(
        url=f"{cloud.url}/v3",
        project_name="grid",
        identity_provider="egi.eu",
        user_proxy=str(folder / "proxy.pem"),
        ca_file=str(authorities),
    )


def test_a_proxy_is_shown_and_read_anew_at_each_login(tmp_path: Path) -> None:
    """A new one takes effect without anything being told."""
    with certificate_cloud() as cloud:
        api = new_api(with_proxy(cloud, tmp_path))
        for name in ("first", "second"):
            write_proxy(cloud, tmp_path / "proxy.pem", name, cloud.authority)
            cloud.shown.clear()
            api.connect()
            assert set(cloud.shown) == {name}
        api.close()


def break_nothing(cloud: CertificateCloud, file: Path) -> None:
    """Leave no file."""


def break_trust(cloud: CertificateCloud, file: Path) -> None:
    """Write a certificate of an authority that the cloud does not know."""
    write_proxy(cloud, file, "stranger", trustme.CA())


def break_file(cloud: CertificateCloud, file: Path) -> None:
    """Write what is no certificate."""
    file.write_text("hello")


def break_key(cloud: CertificateCloud, file: Path) -> None:
    """Lock the key with a passphrase, which nobody is there to type."""
    write_proxy(cloud, file, "locked", cloud.authority)
    content = file.read_bytes()
    key = serialization.load_pem_private_key(content, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"sesame"),
    )
    file.write_bytes(locked + content[content.index(b"-----BEGIN CERT") :])


def break_mapping(cloud: CertificateCloud, file: Path) -> None:
    """Let the cloud know the certificate, and not who that is."""
    write_proxy(cloud, file, "nobody", cloud.authority)
    cloud.answer = (401, b'{"error": {"message": "Could not map any federated user"}}')


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        pytest.param(break_nothing, r"user_proxy .*proxy.pem cannot be read", id="no file"),
        pytest.param(break_trust, "does not take our certificate: .*unknown ca", id="no trust"),
        pytest.param(break_file, "holds no certificate with its key", id="no certificate"),
        pytest.param(break_key, "without a passphrase", id="a key with a passphrase"),
        pytest.param(
            break_mapping,
            r"the certificate in .*proxy.pem is not let in: Could not map any",
            id="no mapping",
        ),
    ],
)
def test_a_proxy_that_is_not_taken_is_for_a_person(
    tmp_path: Path, harm: Callable[[CertificateCloud, Path], None], why: str
) -> None:
    """And says which part is wrong."""
    with certificate_cloud() as cloud:
        harm(cloud, tmp_path / "proxy.pem")
        api = new_api(with_proxy(cloud, tmp_path))
        with pytest.raises(Refused, match=why):
            api.connect()
        api.close()


@pytest.mark.parametrize("body", [b"{}", b"<html>Choose your institute</html>", b'{"access": {}}'])
def test_an_answer_to_a_proxy_that_is_no_token_is_no_login(tmp_path: Path, body: bytes) -> None:
    """As where a page for people stands before Keystone."""
    with certificate_cloud() as cloud:
        cloud.answer = (200, body)
        write_proxy(cloud, tmp_path / "proxy.pem", "first", cloud.authority)
        api = new_api(with_proxy(cloud, tmp_path))
        with pytest.raises(Exception, match="connect: no sense in the cloud's answer"):
            api.connect()
        api.close()
