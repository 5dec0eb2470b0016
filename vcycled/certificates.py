"""When certificates end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm


def first_end(chain: Iterable[x509.Certificate]) -> int:
    """Return when the first certificate of a chain ends, in Unix seconds: with it all of it."""
    return int(min(each.not_valid_after_utc for each in chain).timestamp())


def end_of(path: Path) -> int | None:
    """Return when the chain in a PEM file ends, in Unix seconds; None if it cannot be read."""
    try:
        return first_end(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError, UnsupportedAlgorithm):
        return None
