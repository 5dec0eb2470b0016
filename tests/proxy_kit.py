"""Certificates to make proxies from: an authority, what it issues, and openssl's own opinion."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from vcycled.proxy.credentials import PrivateKey

PEM = serialization.Encoding.PEM
DAY = 86_400


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """Return one of a few keys, which take long to make."""
    assert number < 4
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """Return an elliptic curve key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_text(key: PrivateKey, password: bytes = b"") -> bytes:
    """Return a key as PEM, encrypted if there is a password."""
    encryption = serialization.BestAvailableEncryption(password) if password else None
    return key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption()
    )


def name(*parts: str) -> x509.Name:
    """Return /DC=org/DC=example with common names below."""
    above = [x509.NameAttribute(NameOID.DOMAIN_COMPONENT, part) for part in ("org", "example")]
    return x509.Name([*above, *(x509.NameAttribute(NameOID.COMMON_NAME, part) for part in parts)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """Return the certificate as PEM."""
        return self.certificate.public_bytes(PEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a certificate is to be like."""

    subject: x509.Name
    begins_at: int
    ends_at: int
    is_authority: bool = False
    may_sign: bool = True
    has_key_id: bool = True
    extension: x509.UnrecognizedExtension | None = None
    serial: int = 77
    host: str = ""


def issue(wanted: Wanted, key: PrivateKey, issuer: Paper | None = None) -> Paper:
    """Return a certificate for `key`, signed by `issuer` or, without one, by itself."""
    above = issuer.certificate.subject if issuer else wanted.subject
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(wanted.subject)
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(wanted.serial)
        .not_valid_before(datetime.fromtimestamp(wanted.begins_at, UTC))
        .not_valid_after(datetime.fromtimestamp(wanted.ends_at, UTC))
        .add_extension(x509.BasicConstraints(wanted.is_authority, None), critical=True)
        .add_extension(_usage(wanted), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if wanted.has_key_id:
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(own, critical=False)
    if wanted.extension is not None:
        builder = builder.add_extension(wanted.extension, critical=True)
    if wanted.host:
        names = x509.SubjectAlternativeName([x509.DNSName(wanted.host)])
        builder = builder.add_extension(names, critical=False)
    return Paper(certificate=builder.sign(signer, hashes.SHA256()), key=key)


def _usage(wanted: Wanted) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=wanted.may_sign and not wanted.is_authority,
        key_encipherment=not wanted.is_authority,
        key_cert_sign=wanted.is_authority,
        crl_sign=wanted.is_authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def authority(now: int) -> Paper:
    """Return an authority, valid for a month."""
    wanted = Wanted(
        subject=name("Test CA"),
        begins_at=now - DAY,
        ends_at=now + 30 * DAY,
        is_authority=True,
        serial=1,
    )
    return issue(wanted, rsa_key(0))


def robot(now: int) -> Wanted:
    """Return what the certificate of a community's robot is like, valid for 20 days."""
    return Wanted(subject=name("robot"), begins_at=now - DAY, ends_at=now + 20 * DAY)


def put(folder: Path, paper: Paper, *above: Paper) -> None:
    """Put what proxies are made from into a machinetype's folder, as a site does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "x509cert.pem").write_bytes(b"".join(each.pem for each in (paper, *above)))
    (folder / "x509key.pem").write_bytes(key_text(paper.key))
    (folder / "x509key.pem").chmod(0o600)


def openssl_verdict(folder: Path, proxy: bytes, trusted: Paper, *options: str) -> str:
    """Return what `openssl verify` says of a proxy: OK, or its error numbers."""
    first, *rest = x509.load_pem_x509_certificates(proxy)
    (folder / "proxy.pem").write_bytes(first.public_bytes(PEM))
    (folder / "rest.pem").write_bytes(b"".join(each.public_bytes(PEM) for each in rest))
    (folder / "ca.pem").write_bytes(trusted.pem)
    command = ["openssl", "verify", *options, "-CAfile", "ca.pem", "-untrusted", "rest.pem"]
    done = subprocess.run(
        [*command, "proxy.pem"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return done.stdout.split()[-1]
    return " ".join(line for line in done.stderr.splitlines() if line.startswith("error"))
