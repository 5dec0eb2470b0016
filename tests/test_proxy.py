"""X.509 proxies: what is made, who accepts it, and what is refused with which words."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tests.proxy_kit import (
    DAY,
    PEM,
    Paper,
    Wanted,
    authority,
    ec_key,
    issue,
    key_text,
    name,
    openssl_verdict,
    put,
    robot,
    rsa_key,
)
from vcycled.clock import SystemClock
from vcycled.errors import UserDataError
from vcycled.proxy import Credentials, Mint
from vcycled.proxy.info import LIMITED, PROXY_CERT_INFO, Style, style_of
from vcycled.proxy.mint import KEY_SECONDS

NOW = SystemClock().now()  # openssl and the handshakes look at the real clock
UNTIL = NOW + DAY
CA = authority(NOW)
ROBOT = issue(robot(NOW), rsa_key(1), CA)
MINT = Mint()
"""Of all tests: a key takes long to make."""


def credentials(paper: Paper = ROBOT, *above: Paper) -> Credentials:
    """Read what a site would have put into the folder."""
    return Credentials.read(b"".join(each.pem for each in (paper, *above)), key_text(paper.key))


def proxy_of(paper: Paper = ROBOT, *above: Paper, is_legacy: bool = False) -> bytes:
    """Make a proxy for a day."""
    given = credentials(paper, *above)
    return MINT.proxy(given, machinetype="prod", now=NOW, until=UNTIL, is_legacy=is_legacy)


def paper_of(proxy: bytes) -> Paper:
    """Return a proxy as something to make further proxies from."""
    key = rsa_of(proxy)
    return Paper(certificate=x509.load_pem_x509_certificate(proxy), key=key)


def rsa_of(proxy: bytes) -> rsa.RSAPrivateKey:
    """Return the private key in a proxy."""
    key = serialization.load_pem_private_key(proxy, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def extensions(certificate: x509.Certificate) -> dict[str, bool]:
    """Return the extensions by number, and whether each is critical."""
    return {each.oid.dotted_string: each.critical for each in certificate.extensions}


# What is made


def test_a_proxy_is_certificate_key_and_chain() -> None:
    """In the order that every grid tool reads; the key as PKCS #1 for the older ones."""
    lines = proxy_of(ROBOT, CA).decode("ascii").splitlines()
    heads = [line for line in lines if line.startswith("-----BEGIN")]
    certificate = "-----BEGIN CERTIFICATE-----"
    assert heads == [certificate, "-----BEGIN RSA PRIVATE KEY-----", certificate, certificate]


def test_a_proxy_is_limited_and_of_2048_bits() -> None:
    """RFC 3820: own name below the issuer's, critical ProxyCertInfo, key identifiers, a serial."""
    text = proxy_of()
    made = x509.load_pem_x509_certificate(text)
    assert made.issuer == ROBOT.certificate.subject
    assert made.subject.rfc4514_string() == (
        f"CN={made.serial_number},{made.issuer.rfc4514_string()}"
    )
    assert 1 <= made.serial_number < 2**63
    key = made.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert (key.key_size, key) == (2048, rsa_of(text).public_key())
    assert extensions(made) == {
        "2.5.29.15": True,
        "2.5.29.35": False,
        "2.5.29.14": False,
        "1.3.6.1.5.5.7.1.14": True,
    }
    info = made.extensions.get_extension_for_oid(PROXY_CERT_INFO).value
    assert isinstance(info, x509.UnrecognizedExtension)
    assert info.value.hex() == "300f300d060b2b060104019b5001010109"
    ours = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    theirs = ROBOT.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert ours.key_identifier == theirs.digest


def test_the_issuers_key_is_named_also_where_it_does_not_name_itself() -> None:
    """By the hash of its key."""
    plain = issue(replace(robot(NOW), has_key_id=False), rsa_key(1), CA)
    made = x509.load_pem_x509_certificate(proxy_of(plain))
    ours = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    expected = x509.SubjectKeyIdentifier.from_public_key(plain.key.public_key())
    assert ours.key_identifier == expected.digest


@pytest.mark.parametrize(
    ("age", "begin"),
    [
        pytest.param(DAY, NOW - 300, id="five minutes ago, for clocks that are slow"),
        pytest.param(100, NOW - 100, id="not before its issuer"),
    ],
)
def test_a_proxy_is_valid_from_a_little_earlier_to_the_end(age: int, begin: int) -> None:
    """The end is exactly what is asked for."""
    paper = issue(replace(robot(NOW), begins_at=NOW - age), rsa_key(1), CA)
    made = x509.load_pem_x509_certificate(proxy_of(paper))
    assert int(made.not_valid_before_utc.timestamp()) == begin
    assert int(made.not_valid_after_utc.timestamp()) == UNTIL


def test_each_proxy_has_a_number_of_its_own_and_keys_last_ten_minutes() -> None:
    """See note [One key for ten minutes]; machinetypes never share one."""
    mint = Mint()

    def made(kind: str, now: int) -> tuple[int, rsa.RSAPublicKey]:
        text = mint.proxy(credentials(), machinetype=kind, now=now, until=UNTIL)
        certificate = x509.load_pem_x509_certificate(text)
        return certificate.serial_number, rsa_of(text).public_key()

    first, second = made("prod", NOW), made("prod", NOW + KEY_SECONDS - 1)
    assert first[0] != second[0]
    assert first[1] == second[1]
    assert made("test", NOW)[1] != first[1]
    third = made("prod", NOW + KEY_SECONDS)
    assert third[1] != first[1]
    assert made("prod", NOW + KEY_SECONDS - 1)[1] not in (first[1], third[1])


def test_what_was_judged_is_not_judged_again_until_it_changes() -> None:
    """A machinetype's texts are compared; another one's, or new ones, are read."""
    mint = Mint()
    key = key_text(ROBOT.key)
    first = mint.credentials(ROBOT.pem, key, machinetype="prod")
    assert mint.credentials(ROBOT.pem, key, machinetype="prod") is first
    assert mint.credentials(ROBOT.pem, key, machinetype="test") is not first
    assert len(mint.credentials(ROBOT.pem + CA.pem, key, machinetype="prod").chain) == 2
    for _ in range(2):
        with pytest.raises(UserDataError, match="is not the key"):
            mint.credentials(ROBOT.pem, key_text(rsa_key(3)), machinetype="prod")
    assert "PRIVATE" not in repr(mint._judged)


def test_a_chain_of_elliptic_curves_will_do() -> None:
    """The proxy's own key stays RSA, which is what old readers know."""
    paper = issue(robot(NOW), ec_key(), CA)
    assert isinstance(rsa_of(proxy_of(paper)), rsa.RSAPrivateKey)


# Who accepts it


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-x509_strict"],
        ["-auth_level", "2"],
        ["-purpose", "sslclient"],
        ["-x509_strict", "-auth_level", "2", "-purpose", "sslclient"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("is_deep", [False, True], ids=["of a certificate", "of a proxy"])
def test_openssl_accepts_the_proxy(tmp_path: Path, options: list[str], is_deep: bool) -> None:
    """Where proxies are allowed at all, at every level of strictness."""
    text = proxy_of()
    if is_deep:
        text = proxy_of(paper_of(text), ROBOT)
    assert openssl_verdict(tmp_path, text, CA, "-allow_proxy_certs", *options) == "OK"


def test_openssl_refuses_proxies_unless_told(tmp_path: Path) -> None:
    """Error 40: so this test would notice a proxy that is none."""
    assert openssl_verdict(tmp_path, proxy_of(), CA).startswith("error 40 ")


def test_a_legacy_proxy_is_known_by_its_name_and_openssl_knows_none(tmp_path: Path) -> None:
    """CN=limited proxy and the issuer's serial number; hence the warning of the option."""
    text = proxy_of(is_legacy=True)
    made = x509.load_pem_x509_certificate(text)
    assert made.subject.rfc4514_string().startswith("CN=limited proxy,CN=robot,")
    assert made.serial_number == ROBOT.certificate.serial_number
    assert style_of(made) is Style.LEGACY
    assert openssl_verdict(tmp_path, text, CA, "-allow_proxy_certs").startswith("error ")


@pytest.mark.parametrize("is_allowed", [True, False], ids=["allowed", "not allowed"])
def test_a_tls_server_sees_the_proxy(tmp_path: Path, is_allowed: bool) -> None:
    """With VERIFY_ALLOW_PROXY_CERTS a handshake succeeds and shows its name; without, it fails."""
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    (tmp_path / "proxy.pem").write_bytes(proxy_of())
    host = issue(replace(robot(NOW), host="localhost", serial=78), rsa_key(2), CA)
    put(tmp_path, host)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "x509cert.pem", tmp_path / "x509key.pem")
    server.load_verify_locations(tmp_path / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_X509_STRICT
    if is_allowed:
        server.verify_flags |= ssl.VerifyFlags.VERIFY_ALLOW_PROXY_CERTS
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client.load_cert_chain(tmp_path / "proxy.pem")
    said = _handshake(server, client)
    if is_allowed:
        serial = x509.load_pem_x509_certificate((tmp_path / "proxy.pem").read_bytes())
        assert said == ["org", "example", "robot", str(serial.serial_number)]
    else:
        assert said == ["proxy certificates not allowed, please set the appropriate flag"]


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> list[str]:
    """Return the parts of the client's name as the server sees it, or why it turns it away."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, server, said))
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname()) as plain,
                client.wrap_socket(plain, server_hostname="localhost") as secure,
            ):
                secure.recv(2)
        except ssl.SSLError:
            assert said == [] or " " in said[0]
        thread.join()
    return said


def _answer(listener: socket.socket, context: ssl.SSLContext, said: list[str]) -> None:
    listener.settimeout(60)
    plain, _ = listener.accept()
    with plain:
        try:
            with context.wrap_socket(plain, server_side=True) as secure:
                subject = (secure.getpeercert() or {}).get("subject", ())
                said += [str(pair[1]) for part in subject for pair in part]
                secure.sendall(b"ok")
        except ssl.SSLCertVerificationError as error:
            said.append(error.verify_message)


# What is refused


def test_every_certificate_must_be_valid_to_the_end_and_no_longer() -> None:
    """The last second is the certificate's own; one more is an error that names both dates."""
    ends = NOW + 3600
    paper = issue(replace(robot(NOW), ends_at=ends), rsa_key(1), CA)
    given = credentials(paper)
    given.check_times(now=NOW, until=ends)
    with pytest.raises(UserDataError) as caught:
        given.check_times(now=NOW, until=ends + 60)
    said = str(caught.value)
    assert said.startswith("x509cert.pem: /DC=org/DC=example/CN=robot expires on 20")
    assert said.count(" UTC") == 2


def test_the_authority_above_counts_too() -> None:
    """A chain ends with the first certificate of it that does."""
    short = replace(robot(NOW), subject=name("CA 2"), is_authority=True, ends_at=UNTIL - 1)
    middle = issue(short, rsa_key(2), CA)
    paper = issue(robot(NOW), rsa_key(1), middle)
    with pytest.raises(UserDataError, match=r"/CN=CA 2 expires on"):
        credentials(paper, middle, CA).check_times(now=NOW, until=UNTIL)


@pytest.mark.parametrize(("begins", "is_valid"), [(0, True), (1, False)])
def test_a_certificate_that_is_not_valid_yet_makes_nothing(begins: int, is_valid: bool) -> None:
    """From its first second on it will do."""
    given = credentials(issue(replace(robot(NOW), begins_at=NOW + begins), rsa_key(1), CA))
    if is_valid:
        given.check_times(now=NOW, until=UNTIL)
        return
    with pytest.raises(UserDataError, match=r"is not valid before 20.* UTC"):
        given.check_times(now=NOW, until=UNTIL)


def other(**changes: object) -> Paper:
    """Return a robot's certificate that differs in some way."""
    wanted: Wanted = replace(robot(NOW), **changes)  # type: ignore[arg-type] # names are checked
    return issue(wanted, rsa_key(1), CA)


def info(text: str) -> x509.UnrecognizedExtension:
    """Return a ProxyCertInfo with these bytes."""
    return x509.UnrecognizedExtension(PROXY_CERT_INFO, bytes.fromhex(text))


DRAFT = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.3536.1.222"), LIMITED)
POLICY = "300d060b2b060104019b5001010109"
"""Of ProxyCertInfo, without a path length before it."""
NEVER = ed25519.Ed25519PrivateKey.generate().private_bytes(
    PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    ("paper", "why"),
    [
        pytest.param(CA, "/CN=Test CA is an authority", id="an authority"),
        pytest.param(other(may_sign=False), "/CN=robot may not sign", id="no digitalSignature"),
        pytest.param(other(extension=DRAFT), "is a proxy of Globus 3", id="a proxy of Globus 3"),
        pytest.param(
            other(extension=info("3012020100" + POLICY)), "allows 0 proxies below", id="the last"
        ),
        pytest.param(
            other(extension=info("308112020100" + POLICY)), "allows 0 proxies", id="long form"
        ),
    ],
)
def test_what_cannot_issue_a_proxy_is_refused(paper: Paper, why: str) -> None:
    """By name, before any machine is made."""
    with pytest.raises(UserDataError, match=why):
        credentials(paper)


@pytest.mark.parametrize(("length", "is_taken"), [(1, False), (2, True)])
def test_the_path_length_of_every_proxy_above_counts(length: int, is_taken: bool) -> None:
    """A proxy that allows one more below it has it already."""
    extension = info(f"30120201{length:02x}" + POLICY)
    first = issue(
        replace(robot(NOW), subject=name("robot", "1"), extension=extension), rsa_key(2), ROBOT
    )
    plain = info("300f" + POLICY)
    second = issue(
        replace(robot(NOW), subject=name("robot", "1", "2"), extension=plain), rsa_key(3), first
    )
    if is_taken:
        assert credentials(second, first, ROBOT).style is Style.RFC
        return
    with pytest.raises(UserDataError, match="/CN=robot/CN=1 allows 1 proxies below it"):
        credentials(second, first, ROBOT)


def test_a_proxy_under_an_authority_is_refused() -> None:
    """Its issuer must be fit as well, however the file was made."""
    wrong = issue(
        replace(robot(NOW), subject=name("Test CA", "1"), extension=info("300f" + POLICY)),
        rsa_key(1),
        CA,
    )
    with pytest.raises(UserDataError, match="/CN=Test CA is an authority"):
        credentials(wrong, CA)


def test_styles_are_not_mixed() -> None:
    """Nothing that checks chains accepts both in one."""
    modern, old = paper_of(proxy_of()), paper_of(proxy_of(is_legacy=True))
    with pytest.raises(UserDataError, match=r"is an RFC 3820 proxy, from which a legacy proxy"):
        proxy_of(modern, ROBOT, is_legacy=True)
    with pytest.raises(UserDataError, match=r"is a legacy proxy, from which an RFC 3820 proxy"):
        proxy_of(old, ROBOT)
    deeper = x509.load_pem_x509_certificate(proxy_of(old, ROBOT, is_legacy=True))
    assert style_of(deeper) is Style.LEGACY


OTHERS = issue(replace(robot(NOW), subject=name("CA 2"), is_authority=True), rsa_key(3))


@pytest.mark.parametrize(
    ("certificates", "key", "why"),
    [
        pytest.param(b"", key_text(ROBOT.key), "x509cert.pem holds no PEM", id="nothing"),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            key_text(ROBOT.key),
            "x509cert.pem holds no PEM",
            id="half a certificate",
        ),
        pytest.param(ROBOT.pem, b"", "x509key.pem holds no PEM", id="no key"),
        pytest.param(
            ROBOT.pem, key_text(ROBOT.key, b"secret"), "x509key.pem is encrypted", id="encrypted"
        ),
        pytest.param(
            ROBOT.pem, key_text(rsa_key(3)), "is not the key of x509cert.pem", id="another key"
        ),
        pytest.param(
            ROBOT.pem,
            NEVER,
            "RSA or elliptic curve",
            id="a key that nobody reads",
        ),
        pytest.param(
            CA.pem + ROBOT.pem, key_text(ROBOT.key), "is not the key of", id="wrong order"
        ),
        pytest.param(
            ROBOT.pem + OTHERS.pem,
            key_text(ROBOT.key),
            "/CN=robot was not issued by the certificate that follows it, .*/CN=CA 2",
            id="not its issuer",
        ),
    ],
)
def test_what_a_site_may_put_there_by_mistake(certificates: bytes, key: bytes, why: str) -> None:
    """Each mistake has its own words, and none of them holds a part of the key."""
    with pytest.raises(UserDataError, match=why) as caught:
        Credentials.read(certificates, key)
    assert caught.value.__cause__ is None or "PRIVATE" not in str(caught.value.__cause__)
    assert "PRIVATE" not in str(caught.value)


def test_a_namesake_of_the_authority_is_not_it() -> None:
    """The signature counts, not the name."""
    twin = issue(
        Wanted(
            subject=CA.certificate.subject,
            begins_at=NOW - DAY,
            ends_at=NOW + DAY,
            is_authority=True,
        ),
        rsa_key(3),
    )
    with pytest.raises(UserDataError, match="/CN=robot was not issued by"):
        credentials(ROBOT, twin)


def test_nothing_prints_the_key() -> None:
    """Whoever logs credentials shows no secret."""
    assert "key=" not in repr(credentials())
    assert ROBOT.pem in proxy_of(ROBOT)
    assert x509.load_pem_x509_certificates(proxy_of())[1].public_bytes(PEM) == ROBOT.pem
