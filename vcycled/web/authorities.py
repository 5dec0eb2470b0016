"""Whom we believe names of clients: a folder of grid authorities or a bundle, and their CRLs.

# Note [Revocation]

A lapsed CRL must not cost every machine of an authority its heartbeats, and many authorities
publish none. OpenSSL knows only "every authority has a valid CRL", so it verifies chains without
them, and we look certificates up ourselves: in whatever CRL of their issuer is there, also one
whose time is over, which is logged. Whoever can write there could put an authority there too, so
signatures of CRLs are not checked again (fetch-crl does).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from vcycled import kvlog
from vcycled.clock import Clock
from vcycled.web.credential import Credential

_LOG = kvlog.get(__name__)

Stamp = tuple[int, int, int]
Stamps = dict[Path, Stamp]

_HASHED = re.compile(r"[0-9a-f]{8}\.r?[0-9]+")
_HASHED_CRL = re.compile(r"[0-9a-f]{8}\.r[0-9]+")
_PEM_CRL = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Read:
    """A file of CRLs as it was read."""

    stamp: Stamp
    crls: tuple[x509.CertificateRevocationList, ...]


def stamps_of(*paths: Path) -> Stamps:
    """Return what changes when a file changes; one that is not there is left out."""
    found = {}
    for path in paths:
        try:
            seen = path.stat()
        except OSError:
            continue
        found[path] = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
    return found


class Authorities:
    """The authorities of clients' certificates, in `path`: a hashed folder or a PEM bundle.

    Not safe for use by several threads, but `is_revoked`, which may be called beside `follow`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[Path, _Read] = {}
        self._by_issuer: dict[x509.Name, tuple[x509.CertificateRevocationList, ...]] = {}
        self._told: set[tuple[Path, Stamp]] = set()

    def stamps(self) -> Stamps:
        """Return what changes when authorities or CRLs change.

        Raises:
            OSError: the folder cannot be read.
        """
        if not self.path.is_dir():
            return stamps_of(self.path)
        return stamps_of(*(each for each in self.path.iterdir() if _HASHED.fullmatch(each.name)))

    def trust_in(self, context: ssl.SSLContext) -> None:
        """Let `context` ask clients for a certificate of these authorities, and take none too.

        Raises:
            OSError, ValueError: there are none.
        """
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VerifyFlags.VERIFY_ALLOW_PROXY_CERTS
        # A resumed session would know the client's certificate only, not its verified chain.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        if not self.path.is_dir():
            context.load_verify_locations(cafile=self.path)
            return
        if all(_HASHED_CRL.fullmatch(each.name) for each in self.stamps()):
            raise ValueError(f"there is no hashed certificate in {self.path} (openssl rehash)")
        context.load_verify_locations(capath=self.path)

    def read_crls(self, stamps: Stamps) -> None:
        """Read the CRLs among the files that changed; what cannot be read stays as it was."""
        is_folder = self.path.is_dir()
        for path, stamp in stamps.items():
            known = self._files.get(path)
            if (is_folder and not _HASHED_CRL.fullmatch(path.name)) or (
                known and known.stamp == stamp
            ):
                continue
            try:
                self._files[path] = _Read(stamp, tuple(_crls_in(path.read_bytes())))
            except (OSError, ValueError) as error:
                self._files[path] = _Read(stamp, known.crls if known else ())
                _LOG.error("web-crl-unusable", file=str(path), error=str(error))
        self._files = {path: read for path, read in self._files.items() if path in stamps}
        self._by_issuer = _by_issuer(self._files)

    def tell_lapsed(self, clock: Clock) -> None:
        """Log each CRL whose time is over, once."""
        now = clock.now()
        lapsed = {
            (path, read.stamp)
            for path, read in self._files.items()
            if any(_ends_at(crl) < now for crl in read.crls)
        }
        for path, _ in sorted(lapsed - self._told):
            _LOG.warning("web-crl-lapsed", file=str(path))
        self._told = lapsed

    def is_revoked(self, credential: Credential) -> bool:
        """Return whether a CRL names the client's certificate or one of those above it."""
        return any(
            crl.get_revoked_certificate_by_serial_number(signed.serial) is not None
            for signed in credential.signed
            for crl in self._by_issuer.get(signed.issuer, ())
        )


def _crls_in(content: bytes) -> Iterator[x509.CertificateRevocationList]:
    """Yield each CRL.

    Raises:
        ValueError: one cannot be used.
    """
    for pem in _PEM_CRL.findall(content):
        found = x509.load_pem_x509_crl(pem)
        _ = found.issuer  # names are read when they are asked for, and may be broken too
        yield found


def _by_issuer(
    files: dict[Path, _Read],
) -> dict[x509.Name, tuple[x509.CertificateRevocationList, ...]]:
    found: dict[x509.Name, tuple[x509.CertificateRevocationList, ...]] = {}
    for read in files.values():
        for crl in read.crls:
            found[crl.issuer] = (*found.get(crl.issuer, ()), crl)
    return found


def _ends_at(crl: x509.CertificateRevocationList) -> float:
    ends = crl.next_update_utc
    return float("inf") if ends is None else ends.timestamp()
