"""Making proxies."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from vcycled.proxy.credentials import Credentials
from vcycled.proxy.info import LEGACY_NAMES, LIMITED, PROXY_CERT_INFO

KEY_SECONDS = 600
"""How long a private key serves; see note [One key for ten minutes]."""
_KEY_BITS = 2048
"""Less is refused by OpenSSL's usual security level on today's systems."""
_SERIAL_BITS = 62
"""What the signed 64 bits of older grid software hold."""
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Made:
    key: rsa.RSAPrivateKey
    at: int


@dataclass(frozen=True, slots=True)
class _Judged:
    texts: tuple[bytes, bytes] = field(repr=False)
    credentials: Credentials


class Mint:
    """Makes the proxies of one space; keeps the keys of the last minutes and what it was given."""

    def __init__(self) -> None:
        self._keys: dict[str, _Made] = {}
        self._judged: dict[str, _Judged] = {}

    def credentials(self, certificates: bytes, key: bytes, *, machinetype: str) -> Credentials:
        """Return what `Credentials.read` does; texts that were judged before are not again.

        To judge a private key takes as long as to make one.

        Raises:
            UserDataError: as `Credentials.read` does.
        """
        texts = (certificates, key)
        judged = self._judged.get(machinetype)
        if judged is None or judged.texts != texts:
            judged = _Judged(texts, Credentials.read(certificates, key))
            self._judged[machinetype] = judged
        return judged.credentials

    def proxy(
        self,
        credentials: Credentials,
        *,
        machinetype: str,
        now: int,
        until: int,
        is_legacy: bool = False,
    ) -> bytes:
        """Return a limited proxy as PEM: its certificate, its key, the issuing chain.

        Args:
            credentials: to make it from.
            machinetype: whose machines may share a key.
            now: Unix seconds.
            until: Unix seconds; the end of its validity.
            is_legacy: make it in the style of Globus 2.

        Raises:
            UserDataError: the credentials are not valid so long, or of another style.
        """
        credentials.check_times(now=now, until=until)
        credentials.check_style(is_legacy=is_legacy)
        key = self._key(machinetype, now)
        builder = _legacy(credentials) if is_legacy else _rfc(credentials, key)
        begin = max(_instant(now) - _SKEW, credentials.valid_from)
        certificate = (
            builder.issuer_name(credentials.chain[0].subject)
            .public_key(key.public_key())
            .not_valid_before(begin)
            .not_valid_after(_instant(until))
            .add_extension(_USAGE, critical=True)
            .sign(credentials.key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        chain = [each.public_bytes(pem) for each in credentials.chain]
        return b"".join([certificate.public_bytes(pem), _text(key), *chain])

    def _key(self, machinetype: str, now: int) -> rsa.RSAPrivateKey:
        made = self._keys.get(machinetype)
        if made is None or not 0 <= now - made.at < KEY_SECONDS:
            made = _Made(rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS), now)
            self._keys[machinetype] = made
        return made.key


def _rfc(credentials: Credentials, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    """Begin a proxy of RFC 3820; its own name is its serial number, as 3.4 recommends."""
    serial = 1 + secrets.randbits(_SERIAL_BITS)
    return (
        x509.CertificateBuilder()
        .serial_number(serial)
        .subject_name(_below(credentials, str(serial)))
        .add_extension(_issuer_key(credentials), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.UnrecognizedExtension(PROXY_CERT_INFO, LIMITED), critical=True)
    )


def _legacy(credentials: Credentials) -> x509.CertificateBuilder:
    """Begin a proxy of Globus 2: known by its name only, with its issuer's serial number."""
    return (
        x509.CertificateBuilder()
        .serial_number(credentials.chain[0].serial_number)
        .subject_name(_below(credentials, LEGACY_NAMES[-1]))
    )


def _below(credentials: Credentials, name: str) -> x509.Name:
    own = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return x509.Name([*credentials.chain[0].subject.rdns, own])


def _issuer_key(credentials: Credentials) -> x509.AuthorityKeyIdentifier:
    issuer = credentials.chain[0].extensions
    try:
        own = issuer.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(credentials.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _text(key: rsa.RSAPrivateKey) -> bytes:
    """Return the key in the form that older grid software reads (PKCS #1)."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_encipherment=True,
    content_commitment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
