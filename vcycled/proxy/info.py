"""ProxyCertInfo (RFC 3820, 3.8), the extension that makes a certificate a proxy. Pure.

ProxyCertInfo ::= SEQUENCE { pCPathLenConstraint INTEGER OPTIONAL, proxyPolicy ProxyPolicy }
ProxyPolicy   ::= SEQUENCE { policyLanguage OBJECT IDENTIFIER, policy OCTET STRING OPTIONAL }
"""

from __future__ import annotations

from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import NameOID

PROXY_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
_DRAFT_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.4.1.3536.1.222")
"""What Globus 3 used before the RFC."""

LIMITED = bytes.fromhex("300f 300d 060b 2b060104019b5001010109")
"""The whole extension: no path length, policy 1.3.6.1.4.1.3536.1.1.1.9 (Globus: no new jobs)."""

LEGACY_NAMES = ("proxy", "limited proxy")
"""Last common name of proxies of Globus 2, which have no extension; we make the second."""


class Style(StrEnum):
    """What kind of certificate one is."""

    PLAIN = "a plain certificate"
    RFC = "an RFC 3820 proxy"
    LEGACY = "a legacy proxy"
    DRAFT = "a proxy of Globus 3"


def style_of(certificate: x509.Certificate) -> Style:
    """Return what kind of certificate it is."""
    oids = {extension.oid for extension in certificate.extensions}
    if PROXY_CERT_INFO in oids:
        return Style.RFC
    if _DRAFT_CERT_INFO in oids:
        return Style.DRAFT
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    is_legacy = len(names) > 1 and names[-1].value in LEGACY_NAMES
    return Style.LEGACY if is_legacy else Style.PLAIN


def path_length(certificate: x509.Certificate) -> int | None:
    """Return how many more proxies may follow this one; None if any number."""
    for extension in certificate.extensions:
        if extension.oid == PROXY_CERT_INFO:
            assert isinstance(extension.value, x509.UnrecognizedExtension)
            return _first_integer(extension.value.value)
    return None


def _first_integer(sequence: bytes) -> int | None:
    """Return the integer that a DER sequence begins with; None if it begins with another type."""
    is_short = sequence[1:2] < b"\x80"
    body = sequence[2:] if is_short else sequence[2 + (sequence[1] & 0x7F) :]
    if body[:1] != b"\x02":
        return None
    return int.from_bytes(body[2 : 2 + body[1]], "big")
