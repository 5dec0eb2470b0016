"""Ways to log in that live in files or end by themselves: clouds.yaml, certificates, expiry."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import responses
import trustme
from cryptography.hazmat.primitives import serialization

from tests.canned_openstack import (
    CATALOG,
    KEYSTONE,
    MARKER,
    NOVA,
    CannedCloud,
    JsonObject,
    endpoint,
    new_api,
)
from vcycled.errors import Refused
from vcycled.options import Secret
from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.testing.clock import START, FakeClock

# The SDK says so whenever it reads a clouds.yaml, whatever is in it.
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB requires")

DAY_S = 86_400
CREDENTIAL = f"{KEYSTONE}/v3/users/u1/application_credentials/c1"


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    """Return answers in place of the network."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def cloud(mock: responses.RequestsMock) -> CannedCloud:
    """Return a cloud that is well."""
    return CannedCloud(mock=mock).serve()


# Application credentials


def with_credential() -> OpenStackOptions:
    """Return options of an application credential."""
    return OpenStackOptions(url=KEYSTONE, cred_id="c1", cred_secret=Secret(MARKER))


def ending(at: int | None) -> JsonObject:
    """Return what Keystone says of a credential that ends then."""
    text = None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.000000}"
    return {"application_credential": {"id": "c1", "name": "vcycle", "expires_at": text}}


@pytest.mark.parametrize(
    ("ends_at", "notices"),
    [
        pytest.param(None, (), id="never"),
        pytest.param(START + 14 * DAY_S, (), id="in two weeks"),
        pytest.param(
            START + 14 * DAY_S - 1,
            (
                "application credential c1 ends on 2027-01-29 07:59 UTC:"
                " make a new one and set cred_id and cred_secret",
            ),
            id="in a second less",
        ),
    ],
)
def test_the_end_of_an_application_credential_is_told_two_weeks_ahead(
    cloud: CannedCloud, ends_at: int | None, notices: tuple[str, ...]
) -> None:
    """The same sentence every day."""
    cloud.answer("GET", CREDENTIAL, 200, ending(ends_at))
    api = new_api(with_credential(), FakeClock())
    assert api.notices() == ()
    api.connect()
    assert api.notices() == notices


def test_keystone_is_asked_for_the_end_once_a_day(cloud: CannedCloud) -> None:
    """It seldom changes."""
    cloud.answer("GET", CREDENTIAL, 200, ending(START + 30 * DAY_S))
    clock = FakeClock()
    api = new_api(with_credential(), clock)
    asked = []
    for seconds in (0, DAY_S - 1, 1):
        clock.advance(seconds)
        api.connect()
        asked.append(cloud.asked.count(f"GET {CREDENTIAL}"))
    assert asked == [1, 1, 2]


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, {}), (404, {}), (500, {}), (200, {}), (200, ending(None) | {"x": 1}), (200, b"<html>")],
)
def test_an_end_that_cannot_be_learned_does_not_matter(
    cloud: CannedCloud, status: int, body: object
) -> None:
    """Many sites do not let a user look."""
    cloud.answer("GET", CREDENTIAL, status, body)
    api = new_api(with_credential(), FakeClock())
    api.connect()
    assert api.notices() == ()


def test_a_date_that_is_none_does_not_matter(cloud: CannedCloud) -> None:
    """As all else about the end."""
    body = {"application_credential": {"id": "c1", "expires_at": "soon"}}
    cloud.answer("GET", CREDENTIAL, 200, body)
    api = new_api(with_credential(), FakeClock())
    api.connect()
    assert api.notices() == ()


@pytest.mark.parametrize(
    ("passed_s", "message"),
    [
        pytest.param(
            59, "connect: application credential c1 is not let in: No. (401)", id="before its end"
        ),
        pytest.param(
            60,
            "connect: application credential c1 ended on 2027-01-15 08:01 UTC:"
            " application credential c1 is not let in: No. (401)",
            id="at its end",
        ),
    ],
)
def test_an_application_credential_that_ended_is_told_as_such(
    mock: responses.RequestsMock, passed_s: int, message: str
) -> None:
    """Keystone itself only says no."""
    cloud = CannedCloud(mock=mock, token_life_s=60).serve()
    cloud.answer("GET", CREDENTIAL, 200, ending(START + 60))
    clock = FakeClock()
    api = new_api(with_credential(), clock)
    api.connect()
    clock.advance(passed_s)
    cloud.refusal = (401, {}, '{"error": {"message": "No."}}')
    with pytest.raises(Refused) as caught:
        api.connect()
    assert str(caught.value) == message


def test_nobody_is_asked_for_the_end_of_a_password(cloud: CannedCloud) -> None:
    """It has none that Keystone tells."""
    new_api().connect()
    assert not [each for each in cloud.asked if "application_credentials" in each]


# clouds.yaml


def clouds(folder: Path, text: str) -> OpenStackOptions:
    """Write a clouds.yaml with a cloud `mine`; return options that name it."""
    file = folder / "clouds.yaml"
    file.write_text(f"clouds:\n  mine:\n{text}", encoding="utf-8")
    return OpenStackOptions(cloud="mine", clouds_file=str(file))


PASSWORD = f"""\
    auth:
      auth_url: {KEYSTONE}/v3
      username: vcycle
      password: {MARKER}
      project_name: grid
      user_domain_name: Default
      project_domain_name: Default
"""


def test_a_cloud_of_clouds_yaml_logs_in(
    cloud: CannedCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the caller's environment or folder say does not count."""
    monkeypatch.setenv("OS_USERNAME", "other")
    monkeypatch.setenv("OS_CLOUD", "other")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/nowhere/clouds.yaml")
    api = new_api(clouds(tmp_path, PASSWORD))
    api.connect()
    assert api.has("image")
    assert api.notices() == ()
    auth = cloud.logins[0]["auth"]
    domain = {"name": "Default"}
    user = {"name": "vcycle", "domain": domain, "password": MARKER}
    assert auth == {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "grid", "domain": domain}},
    }


def test_clouds_yaml_is_found_in_the_home_folder(
    cloud: CannedCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the SDK looks too; one in the working folder does not count."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".config/openstack"
    folder.mkdir(parents=True)
    clouds(folder, PASSWORD)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    clouds(work, "    auth: {}\n")
    new_api(OpenStackOptions(cloud="mine")).connect()
    assert len(cloud.logins) == 1


def test_clouds_yaml_may_hold_an_application_credential_and_its_secret_elsewhere(
    cloud: CannedCloud, tmp_path: Path
) -> None:
    """In a secure.yaml beside it; its end is asked for as well."""
    cloud.answer("GET", CREDENTIAL, 200, ending(START + DAY_S))
    text = f"    auth_type: v3applicationcredential\n    auth:\n      auth_url: {KEYSTONE}/v3\n"
    options = clouds(tmp_path, f"{text}      application_credential_id: c1\n")
    secret = f"clouds:\n  mine:\n    auth:\n      application_credential_secret: {MARKER}\n"
    (tmp_path / "secure.yaml").write_text(secret)
    api = new_api(options, FakeClock())
    api.connect()
    assert MARKER in json.dumps(cloud.logins)
    assert len(api.notices()) == 1


def test_clouds_yaml_chooses_region_and_interface_and_options_win(
    mock: responses.RequestsMock, tmp_path: Path
) -> None:
    """As the SDK reads them."""
    catalog = (
        endpoint("compute", NOVA, region="north", interface="internal"),
        endpoint("compute", "https://south.example.com/v2.1", region="south"),
    )
    CannedCloud(mock=mock, catalog=catalog).serve()
    options = clouds(tmp_path, f"{PASSWORD}    region_name: north\n    interface: internal\n")
    new_api(options).connect()
    wrong = OpenStackOptions(
        cloud="mine", clouds_file=options.clouds_file, region="north", interface="public"
    )
    with pytest.raises(Refused, match="has no compute in region north"):
        new_api(wrong).connect()


def test_clouds_yaml_may_say_where_a_service_is(
    mock: responses.RequestsMock, tmp_path: Path
) -> None:
    """The catalogue is then not asked about it."""
    CannedCloud(mock=mock, catalog=CATALOG[1:]).serve()
    api = new_api(clouds(tmp_path, f"{PASSWORD}    compute_endpoint_override: {NOVA}\n"))
    api.connect()
    assert api.compute_microversion == "2.47"


def test_certificates_that_are_not_checked_are_worth_a_notice(
    cloud: CannedCloud, tmp_path: Path
) -> None:
    """It is what clouds.yaml says, but nobody should forget it."""
    options = clouds(tmp_path, f"{PASSWORD}    verify: false\n")
    api = new_api(options)
    api.connect()
    assert api.notices() == (f"{options.clouds_file} says not to check the certificates of mine",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("    auth: {}\n", "not given: auth_url", id="nothing to log in with"),
        pytest.param("    auth_type: magic\n", "magic could not be found", id="an unknown way"),
        pytest.param("    auth_type: none\n", "has no catalogue", id="no Keystone"),
        pytest.param(
            f"    auth:\n      auth_url: {KEYSTONE}\n      username: vcycle\n",
            "mine has no password",
            id="nobody is there to type a password",
        ),
        pytest.param("    - list\n", "is not written as it must be", id="another form"),
        pytest.param("    auth: [\n", "mine was not found", id="no YAML"),
    ],
)
def test_a_clouds_yaml_that_is_wrong_is_told(tmp_path: Path, text: str, why: str) -> None:
    """With its path."""
    options = clouds(tmp_path, text)
    with pytest.raises(Refused, match=rf"connect: {options.clouds_file}: .*{why}"):
        new_api(options).connect()


def test_a_cloud_of_two_scopes_is_told(cloud: CannedCloud, tmp_path: Path) -> None:
    """A token is for one."""
    options = clouds(tmp_path, f"{PASSWORD}      trust_id: t1\n")
    with pytest.raises(Refused, match=r"is not enough \(AuthorizationFailure\)"):
        new_api(options).connect()


def test_a_cloud_that_is_not_in_the_file_is_told(tmp_path: Path) -> None:
    """By the SDK's words."""
    options = clouds(tmp_path, PASSWORD)
    other = OpenStackOptions(cloud="other", clouds_file=options.clouds_file)
    with pytest.raises(Refused, match="Cloud other was not found"):
        new_api(other).connect()


def test_a_clouds_file_that_cannot_be_read_is_told_until_it_can(
    cloud: CannedCloud, tmp_path: Path
) -> None:
    """It is read again after each refusal."""
    path = tmp_path / "clouds.yaml"
    api = new_api(OpenStackOptions(cloud="mine", clouds_file=str(path)))
    with pytest.raises(Refused, match=f"{path} cannot be read: No such file"):
        api.connect()
    clouds(tmp_path, PASSWORD)
    api.connect()
    assert len(cloud.logins) == 1


# Certificates and VOMS proxies


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
