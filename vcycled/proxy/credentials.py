"""What a site put into a machinetype's folder to make proxies from, and whether it will do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from vcycled.certificates import first_end
from vcycled.errors import UserDataError
from vcycled.proxy.info import Style, path_length, style_of

CERTIFICATE = "x509cert.pem"
"""The certificate that issues proxies, then those of the authorities between it and the root."""
KEY = "x509key.pem"
"""Its private key, not encrypted. (Both names: compat.md 5, Vcycle 3.)"""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A certificate that may issue proxies, those above it as far as given, and its key."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKey = field(repr=False)

    @classmethod
    def read(cls, certificates: bytes, key: bytes) -> Credentials:
        """Return what the two PEM texts hold.

        Raises:
            UserDataError: they cannot issue a proxy, whatever the time; the text says why.
        """
        made = cls(chain=_chain(certificates), key=_key(key))
        issuer = made.chain[0]
        if _public(issuer) != _public(made.key):
            raise UserDataError(f"{KEY} is not the key of {CERTIFICATE}")
        _check_issuer(issuer)
        for child, parent in pairwise(made.chain):
            _check_issued(child, parent)
        for depth, each in enumerate(made.chain):
            limit = path_length(each)
            if limit is not None and limit <= depth:
                message = f"allows {limit} proxies below it, and this would be one more"
                raise UserDataError(f"{CERTIFICATE}: {_name(each)} {message}")
        return made

    @property
    def style(self) -> Style:
        """What kind of certificate issues the proxies."""
        return style_of(self.chain[0])

    @property
    def valid_from(self) -> datetime:
        """Since when every certificate is valid."""
        return max(each.not_valid_before_utc for each in self.chain)

    @property
    def ends_at(self) -> int:
        """When the first certificate of the chain ends, in Unix seconds."""
        return first_end(self.chain)

    def check_times(self, *, now: int, until: int) -> None:
        """Check that every certificate is valid from `now` to `until`, in Unix seconds.

        Raises:
            UserDataError: one is not; the text names the date and until when it must be valid.
        """
        for each in self.chain:
            begins, ends = each.not_valid_before_utc, each.not_valid_after_utc
            if begins > _instant(now):
                raise UserDataError(
                    f"{CERTIFICATE}: {_name(each)} is not valid before {_date(begins)}"
                )
            if ends < _instant(until):
                raise UserDataError(
                    f"{CERTIFICATE}: {_name(each)} expires on {_date(ends)}, before a machine"
                    f" made now must have ended ({_date(_instant(until))})"
                )

    def check_style(self, *, is_legacy: bool) -> None:
        """Check that a proxy of this style may follow: chains of two styles are not accepted.

        Raises:
            UserDataError: it may not.
        """
        wanted = Style.LEGACY if is_legacy else Style.RFC
        if self.style not in {Style.PLAIN, wanted}:
            raise UserDataError(
                f"{CERTIFICATE}: is {self.style}, from which {wanted} cannot be made; "
                "see legacy_proxy"
            )


def _chain(certificates: bytes) -> tuple[x509.Certificate, ...]:
    try:
        chain = tuple(x509.load_pem_x509_certificates(certificates))
        for each in chain:
            each.extensions  # noqa: B018 - damage in them shows only when they are read
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserDataError(f"{CERTIFICATE} holds no PEM certificate that can be read") from error
    return chain


def _key(text: bytes) -> PrivateKey:
    # What the library says could quote the key, so it is neither told nor chained.
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError:
        raise UserDataError(f"{KEY} is encrypted, so nobody here can use it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UserDataError(f"{KEY} holds no PEM private key that can be read") from None
    if not isinstance(key, PrivateKey):
        raise UserDataError(f"{KEY} must be an RSA or elliptic curve key")
    return key


def _check_issued(child: x509.Certificate, parent: x509.Certificate) -> None:
    """Check that `child` was signed by the certificate that follows it."""
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise UserDataError(
            f"{CERTIFICATE}: {_name(child)} was not issued by the certificate that follows it, "
            f"{_name(parent)}; first comes that of {KEY}, then who issued it, and so on"
        ) from error
    if style_of(child) is not Style.PLAIN:
        _check_issuer(parent)


def _check_issuer(issuer: x509.Certificate) -> None:
    """Check that `issuer` may issue proxies (RFC 3820, 3.1)."""
    values = [extension.value for extension in issuer.extensions]
    if style_of(issuer) is Style.DRAFT:
        reason = f"is {Style.DRAFT}, which nothing accepts any more"
    elif any(isinstance(value, x509.BasicConstraints) and value.ca for value in values):
        reason = "is an authority, which cannot issue proxies"
    elif not all(value.digital_signature for value in values if isinstance(value, x509.KeyUsage)):
        reason = "may not sign (its keyUsage lacks digitalSignature)"
    else:
        return
    raise UserDataError(f"{CERTIFICATE}: {_name(issuer)} {reason}")


def _public(holder: x509.Certificate | PrivateKey) -> bytes:
    return holder.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _name(certificate: x509.Certificate) -> str:
    """Return the subject as grids write it, most general part first."""
    parts = [attribute.rfc4514_string() for attribute in certificate.subject]
    return "/" + "/".join(parts)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _date(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
