"""A small grid: authorities in a hashed folder with CRLs, and papers that machines show."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.proxy_kit import DAY, PEM, Paper, Wanted, ec_key, issue, key_text, name, rsa_key
from vcycled.clock import SystemClock
from vcycled.proxy.info import LIMITED, PROXY_CERT_INFO

NOW = SystemClock().now()
"""Handshakes look at the real clock."""
DN = "/DC=org/DC=example/CN=vm1"


def authority(common_name: str = "Test CA") -> Paper:
    """Return an authority, valid for a month."""
    wanted = Wanted(
        subject=name(common_name),
        begins_at=NOW - DAY,
        ends_at=NOW + 30 * DAY,
        is_authority=True,
        serial=1,
    )
    return issue(wanted, rsa_key(0))


def below(above: Paper, common_name: str) -> Paper:
    """Return an authority that `above` answers for."""
    wanted = Wanted(
        subject=name(common_name),
        begins_at=NOW - DAY,
        ends_at=NOW + DAY,
        is_authority=True,
        serial=50,
    )
    return issue(wanted, rsa_key(1), above)


def member(above: Paper, *common_names: str, serial: int = 77, ends_at: int = NOW + DAY) -> Paper:
    """Return a plain certificate of /DC=org/DC=example/CN=…, issued by `above`."""
    wanted = Wanted(
        subject=name(*common_names), begins_at=NOW - DAY, ends_at=ends_at, serial=serial
    )
    return issue(wanted, ec_key(), above)


def proxy(above: Paper, common_name: str = "123456") -> Paper:
    """Return an RFC 3820 proxy of `above`, made here and not by the product."""
    last = x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)
    wanted = Wanted(
        subject=x509.Name([*above.certificate.subject, last]),
        begins_at=NOW - DAY,
        ends_at=NOW + DAY,
        extension=x509.UnrecognizedExtension(PROXY_CERT_INFO, LIMITED),
        serial=99,
    )
    return issue(wanted, ec_key(), above)


def show(path: Path, *papers: Paper) -> Path:
    """Write what a client shows: certificates, the first of which is its own, and the key."""
    certificates = b"".join(each.pem for each in papers)
    path.write_bytes(certificates + key_text(papers[0].key))
    return path


def crl(above: Paper, *serials: int, ends_at: int = NOW + DAY) -> bytes:
    """Return a CRL of an authority in PEM."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(above.certificate.subject)
        .last_update(datetime.fromtimestamp(NOW - 2 * DAY, UTC))
        .next_update(datetime.fromtimestamp(ends_at, UTC))
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial)
        revoked_at = datetime.fromtimestamp(NOW - DAY, UTC)
        builder = builder.add_revoked_certificate(entry.revocation_date(revoked_at).build())
    return builder.sign(above.key, hashes.SHA256()).public_bytes(PEM)


def put_authority(folder: Path, paper: Paper, crl_text: bytes = b"") -> Path:
    """Put an authority, and its CRL, into a folder under the names that OpenSSL looks for."""
    folder.mkdir(exist_ok=True)
    (folder / f"{_hash(paper)}.0").write_bytes(paper.pem)
    if crl_text:
        put_crl(folder, paper, crl_text)
    return folder


def put_crl(folder: Path, paper: Paper, text: bytes) -> Path:
    """Put the CRL of an authority into its folder; return its path."""
    path = folder / f"{_hash(paper)}.r0"
    path.write_bytes(text)
    return path


def _hash(paper: Paper) -> str:
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-hash"], input=paper.pem, capture_output=True, check=True
    )
    return done.stdout.decode().strip()
