"""What a verified chain of certificates says of a client. Pure.

# Note [Whose name counts]

An RFC 3820 proxy stands for whoever signed it. It is known by its extension ProxyCertInfo, and
its name is its issuer's with one CN more. Such certificates, and no others, are taken off the
front of the chain; the subject of the first that is none is the client. Names are never compared
by how their text begins: `/CN=vm1` is not `/CN=vm10`, nor `/CN=vm1/CN=other`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from vcycled.certificates import first_end
from vcycled.model.dn import COMMON_NAME, Dn
from vcycled.proxy.info import PROXY_CERT_INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Which authority signed a certificate, and under which number: what a CRL speaks of."""

    issuer: x509.Name
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who a client is."""

    dn: Dn
    signed: tuple[Signed, ...]
    """The client's certificate and those of authorities above it, without the root."""
    ends_at: int
    """Unix seconds at which the first certificate of the chain ends."""


def credential_of(chain: Sequence[bytes]) -> Credential | None:
    """Return who the holder of a chain is; None if it gives no name that could be compared.

    Args:
        chain: certificates in DER, the client's first, each signed by the next, as TLS has
            verified them, with its root.
    """
    try:
        return _credential([x509.load_der_x509_certificate(each) for each in chain])
    except (ValueError, x509.DuplicateExtension):
        return None


def name_of(certificate: bytes) -> Dn | None:
    """Return the subject of a certificate in DER; None if it is a proxy or unreadable."""
    try:
        loaded = x509.load_der_x509_certificate(certificate)
        return None if _is_proxy(loaded) else _dn(loaded.subject)
    except (ValueError, x509.DuplicateExtension):
        return None


def _credential(certificates: Sequence[x509.Certificate]) -> Credential | None:
    end = _end_entity(certificates)
    dn = None if end is None else _dn(certificates[end].subject)
    if end is None or dn is None:
        return None
    *signed, root = certificates[end:]
    return Credential(
        dn=dn,
        signed=tuple(
            Signed(issuer=each.issuer, serial=each.serial_number) for each in signed or [root]
        ),
        ends_at=first_end(certificates),
    )


def _end_entity(certificates: Sequence[x509.Certificate]) -> int | None:
    """Return the place of the first certificate that is no proxy; None if the chain is broken."""
    for place, certificate in enumerate(certificates):
        if not _is_proxy(certificate):
            return place
        if not any(_stands_for(certificate, each) for each in certificates[place + 1 :][:1]):
            return None
    return None


def _is_proxy(certificate: x509.Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_oid(PROXY_CERT_INFO)
    except x509.ExtensionNotFound:
        return False
    return True


def _stands_for(proxy: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether a proxy's name is its issuer's and one CN (RFC 3820, 3.4)."""
    own = proxy.subject.rdns
    return (
        bool(own)
        and proxy.issuer == issuer.subject
        and own[:-1] == issuer.subject.rdns
        and [each.oid.dotted_string for each in own[-1]] == [COMMON_NAME]
    )


def _dn(name: x509.Name) -> Dn | None:
    """Return a name; None if it is empty, or a part of it has several values or is no text."""
    parts = [list(rdn) for rdn in name.rdns]
    if not parts or any(len(part) != 1 or isinstance(part[0].value, bytes) for part in parts):
        return None
    return tuple((part[0].oid.dotted_string, str(part[0].value)) for part in parts)
