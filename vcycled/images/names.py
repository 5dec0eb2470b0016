"""Names in certificates as text in the form of grids: `/DC=org/DC=example/CN=vm`."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID

_SHORT = {NameOID.EMAIL_ADDRESS: "emailAddress", NameOID.SERIAL_NUMBER: "serialNumber"}
"""Short names of OpenSSL that RFC 4514 does not know."""
_LIKE_A_PART = re.compile(r"/[A-Za-z0-9.]+=")


def slash_name(name: x509.Name) -> str:
    """Return `name` as OpenSSL's one-line form writes it, which patterns are written for.

    Raises:
        ValueError: a value in it looks like a part of its own, so that the text could be taken
            for another name.
    """
    return "".join(f"/{_key(each)}={_text(each)}" for each in name)


def _key(attribute: x509.NameAttribute[str | bytes]) -> str:
    return _SHORT.get(attribute.oid, attribute.rfc4514_attribute_name)


def _text(attribute: x509.NameAttribute[str | bytes]) -> str:
    text = attribute.value if isinstance(attribute.value, str) else attribute.value.hex()
    if _LIKE_A_PART.search(text) or not text.isprintable():
        raise ValueError(f"{text!r} in the name of a certificate could be taken for another name")
    return text
