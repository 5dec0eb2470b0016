"""Authorities that a site trusts: a folder of certificates as IGTF packages install it.

The folder holds a certificate in each `HASH.0` or `NAME.pem`, and a list of revoked ones in
`HASH.r0`, kept fresh by fetch-crl. A list that is old still says who was revoked then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from vcycled.errors import ImageError

T = TypeVar("T")
_CERTIFICATE = re.compile(r".+\.(pem|crt|[0-9])")
_REVOKED = re.compile(r".+\.(crl|r[0-9])")
_DEPTH = 8


def verify_chain(certificates: Sequence[x509.Certificate], folder: Path, *, now: int) -> None:
    """Check that the first of `certificates` comes from an authority in `folder`, now.

    Args:
        certificates: the one that matters, then any between it and the authority.
        folder: with the authorities, roots and intermediate ones.
        now: must be within the validity of every certificate of the chain.

    Raises:
        ImageError: it does not; or one of the chain was revoked.
    """
    leaf, *between = certificates
    known = tuple(dict.fromkeys(_read(folder, _CERTIFICATE, _certificates)))
    roots = [each for each in known if each.subject == each.issuer]
    if not roots:
        raise ImageError(f"there are no certificates of authorities in {folder}")
    between += [each for each in known if each.subject != each.issuer]
    verifier = (
        PolicyBuilder()
        .store(Store(roots))
        .time(datetime.fromtimestamp(now, tz=UTC))
        .max_chain_depth(_DEPTH)
        .extension_policies(ca_policy=_for_authorities(), ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        chain = verifier.verify(leaf, between).chain
    except VerificationError as error:
        raise ImageError(_why(leaf, error, now=now)) from error
    _check_revoked(chain, folder)


def _for_authorities() -> ExtensionPolicy:
    """Return what every certificate above the first must say; grids know no names of hosts."""
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
    )


def _is_authority(_policy: Policy, _cert: x509.Certificate, says: x509.BasicConstraints) -> None:
    if not says.ca:
        raise ValueError("is no authority")


def _may_sign(_policy: Policy, _cert: x509.Certificate, says: x509.KeyUsage | None) -> None:
    if says is not None and not says.key_cert_sign:
        raise ValueError("may not sign certificates")


def _why(leaf: x509.Certificate, error: VerificationError, *, now: int) -> str:
    """Return the usual reasons in plain words."""
    at = datetime.fromtimestamp(now, tz=UTC)
    if at > leaf.not_valid_after_utc:
        return f"the certificate of its signer ended at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M}"
    if at < leaf.not_valid_before_utc:
        return "the certificate of its signer is not valid yet"
    detail = " ".join(str(error).split())
    return f"the certificate of its signer comes from no authority that is trusted here: {detail}"


def _check_revoked(chain: Sequence[x509.Certificate], folder: Path) -> None:
    lists = tuple(_read(folder, _REVOKED, _revocations))
    for child, issuer in pairwise(chain):
        for each in lists:
            if each.issuer != issuer.subject or not _is_signed(each, issuer):
                continue
            if each.get_revoked_certificate_by_serial_number(child.serial_number) is not None:
                raise ImageError("the certificate of its signer was revoked by its authority")


def _is_signed(revoked: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return revoked.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (TypeError, UnsupportedAlgorithm):
        return False


def _read(
    folder: Path, names: re.Pattern[str], parse: Callable[[bytes], Iterator[T]]
) -> Iterator[T]:
    """Yield what is in the files of `folder` with such names; a damaged one is passed over.

    Raises:
        ImageError: the folder cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if names.fullmatch(path.name))
    except OSError as error:
        raise ImageError(f"ca_folder {folder} cannot be read: {error.strerror}") from error
    for path in paths:
        try:
            yield from parse(path.read_bytes())
        except (OSError, ValueError):
            continue  # one authority less: what depends on it will say so


def _certificates(content: bytes) -> Iterator[x509.Certificate]:
    yield from x509.load_pem_x509_certificates(content)


def _revocations(content: bytes) -> Iterator[x509.CertificateRevocationList]:
    if content.startswith(b"-----BEGIN"):
        yield x509.load_pem_x509_crl(content)
    else:
        yield x509.load_der_x509_crl(content)
