"""Whom a machine must trust to reach the web site: `https_ca_certificates`."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vcycled.errors import UserDataError
from vcycled.userdata.source import read_file

_OPTION = "https_ca_certificates"


def read_certificates(path: Path) -> str:
    """Return the certificates in the PEM file `path` and nothing else that it may hold.

    It is read for every machine, so that a renewed authority needs no restart; a private key in it
    goes nowhere.

    Raises:
        UserDataError: it cannot be read, or holds no certificate.
    """
    text = read_file(_OPTION, path.name, path.parent)
    try:
        certificates = x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise UserDataError(f"{_OPTION}: {path} holds no PEM certificate that can be read") from (
            error
        )
    return "".join(each.public_bytes(Encoding.PEM).decode("ascii") for each in certificates)
