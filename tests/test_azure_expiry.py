"""When what we log in to Azure with ends, as files tell."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)

from tests.azure_kit import Address, options
from vcycled.options import Secret
from vcycled.spaces.azure import AzureSpace
from vcycled.spaces.azure.expiry import TELL_AHEAD_S
from vcycled.testing.clock import FakeClock

NOWHERE = Address(url="https://127.0.0.1:9", ca_file="")
CLIENT = options(NOWHERE).client_id
CERTIFICATE = f"client_certificate of {CLIENT}"
TOKEN = f"federated token of {CLIENT}"
HOUR = 3600


def space(clock: FakeClock, **changes: object) -> AzureSpace:
    """Return a space that logs in otherwise than by a secret; it calls nobody."""
    wanted = options(NOWHERE, None, **{"client_secret": None, **changes})
    return AzureSpace("azure.example.org", wanted, clock=clock)


@pytest.fixture(scope="module")
def paper() -> trustme.LeafCert:
    """Return a certificate with its key and a chain."""
    rsa = trustme.KeyType.RSA
    return trustme.CA(key_type=rsa).issue_cert(
        "vcycle.example.org", key_type=rsa, not_after=datetime(2027, 3, 1, tzinfo=UTC)
    )


ENDS_AT = int(datetime(2027, 3, 1, tzinfo=UTC).timestamp())


def pem(paper: trustme.LeafCert) -> bytes:
    """Return key and certificates as they are kept in one file."""
    return paper.private_key_and_cert_chain_pem.bytes()


def pfx(paper: trustme.LeafCert) -> bytes:
    """Return the same as a PFX file with a password."""
    key = load_pem_private_key(paper.private_key_pem.bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate(paper.cert_chain_pems[0].bytes())
    locked = BestAvailableEncryption(b"hidden")
    return pkcs12.serialize_key_and_certificates(b"app", key, certificate, None, locked)


@pytest.mark.parametrize("write", [pem, pfx])
def test_the_end_of_a_certificate_is_known(
    write: object, paper: trustme.LeafCert, tmp_path: Path
) -> None:
    """Of either kind of file, and of what is put in its place."""
    path = tmp_path / "app"
    path.write_bytes(pem(paper) if write is pem else pfx(paper))
    password = None if write is pem else Secret("hidden")
    made = space(FakeClock(), client_certificate=str(path), client_certificate_password=password)
    assert made.credential_ends() == {CERTIFICATE: ENDS_AT}
    assert made.calls.total() == 0


@pytest.mark.parametrize("text", [None, b"", b"-----BEGIN nothing", b"\x30\x80 no PFX file"])
def test_what_is_no_certificate_has_no_end(text: bytes | None, tmp_path: Path) -> None:
    """The login tells what is wrong with it."""
    path = tmp_path / "app.pem"
    if text is not None:
        path.write_bytes(text)
    made = space(FakeClock(), client_certificate=str(path))
    assert made.credential_ends() == {}
    assert made.notices() == ()


@pytest.mark.parametrize(
    ("left_s", "said"),
    [
        (TELL_AHEAD_S, ()),
        (TELL_AHEAD_S - 1, (f"{CERTIFICATE} ends on 2027-03-01 00:00 UTC",)),
        (1, (f"{CERTIFICATE} ends on 2027-03-01 00:00 UTC",)),
        (0, (f"{CERTIFICATE} ended on 2027-03-01 00:00 UTC",)),
    ],
)
def test_a_certificate_is_told_two_weeks_ahead(
    left_s: int, said: tuple[str, ...], paper: trustme.LeafCert, tmp_path: Path
) -> None:
    """By `vcycle status`; the metrics have it always."""
    path = tmp_path / "app.pem"
    path.write_bytes(pem(paper))
    made = space(FakeClock(ENDS_AT - left_s), client_certificate=str(path))
    assert made.notices() == tuple(f"{each}: put a new one in its file" for each in said)


def token(claims: object) -> str:
    """Return a token with these claims; its signature is nobody's."""
    text = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{text}.c2ln\n"


NOW = FakeClock().now()


@pytest.mark.parametrize(
    ("claims", "ends"),
    [
        pytest.param({"iat": NOW, "exp": NOW + HOUR}, {}, id="renewed by a program"),
        pytest.param({"iat": NOW - HOUR, "exp": NOW + 1}, {}, id="about to be"),
        pytest.param({"iat": NOW - HOUR, "exp": NOW}, {TOKEN: NOW}, id="not renewed"),
        pytest.param({"exp": NOW - HOUR}, {TOKEN: NOW - HOUR}, id="long not renewed"),
        pytest.param({"exp": NOW + HOUR}, {}, id="nobody knows for how long it is made"),
        pytest.param({"iat": NOW, "exp": NOW + TELL_AHEAD_S}, {}, id="made for two weeks"),
        pytest.param(
            {"iat": NOW, "exp": NOW + TELL_AHEAD_S + 1},
            {TOKEN: NOW + TELL_AHEAD_S + 1},
            id="made for longer",
        ),
        pytest.param({"iat": NOW}, {}, id="without end"),
        pytest.param({"exp": "soon"}, {}, id="no number"),
        pytest.param({"exp": float("-inf")}, {}, id="no instant"),
        pytest.param({"exp": -1}, {}, id="before all time"),
        pytest.param([1], {}, id="no claims"),
    ],
)
def test_the_end_of_a_token_is_told_when_nobody_renews_it(
    claims: object, ends: Mapping[str, int], tmp_path: Path
) -> None:
    """Otherwise it would seem to end soon at all times."""
    path = tmp_path / "token"
    path.write_text(token(claims))
    made = space(FakeClock(), federated_token_file=str(path))
    assert made.credential_ends() == ends


@pytest.mark.parametrize("text", ["token-of-kubernetes", "a.b.c", "é.é.é", ""])
def test_a_token_of_another_kind_has_no_end_that_we_know(text: str, tmp_path: Path) -> None:
    """Whoever it is for may take it."""
    path = tmp_path / "token"
    path.write_text(text)
    assert space(FakeClock(), federated_token_file=str(path)).credential_ends() == {}


def test_a_secret_has_no_end_that_we_know() -> None:
    """Only Microsoft Graph tells it."""
    made = space(FakeClock(), client_secret=Secret("secret"))
    assert made.credential_ends() == {}
    assert made.notices() == ()
