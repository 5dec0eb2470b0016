"""Distinguished names as operators write them, in a form that compares exactly.

Both usual forms are read: `/DC=org/DC=example/CN=vm` (Globus, OpenSSL's old one), and
`CN=vm,DC=example,DC=org` (RFC 4514). A name becomes a tuple of pairs of OID and value, so nothing
in a value of a certificate can look like the end of a part, and no name is another's prefix.
"""

from __future__ import annotations

import re

Dn = tuple[tuple[str, str], ...]
"""OID in dotted form and value of each part, the most general part first."""

_USER_ID = "0.9.2342.19200300.100.1.1"
_EMAIL = "1.2.840.113549.1.9.1"
COMMON_NAME = "2.5.4.3"
_OIDS = {
    "CN": COMMON_NAME,
    "COMMONNAME": COMMON_NAME,
    "C": "2.5.4.6",
    "DC": "0.9.2342.19200300.100.1.25",
    "E": _EMAIL,
    "EMAIL": _EMAIL,
    "EMAILADDRESS": _EMAIL,
    "GN": "2.5.4.42",
    "L": "2.5.4.7",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "SERIALNUMBER": "2.5.4.5",
    "SN": "2.5.4.4",
    "ST": "2.5.4.8",
    "STREET": "2.5.4.9",
    "T": "2.5.4.12",
    "TITLE": "2.5.4.12",
    "UID": _USER_ID,
    "USERID": _USER_ID,
}
_TYPE = r"(?:[A-Za-z]+|[0-9]+(?:\.[0-9]+)+)"
_SLASH = re.compile(rf"/(?={_TYPE}=)")
"""A slash begins a part only if a type follows: `/CN=host/vm.example.com` is one part."""
_PAIR = re.compile(rf"\s*({_TYPE})\s*=\s*(.+)", re.DOTALL)
_COMMA_PART = re.compile(r"(?:[^\\,+]|\\.)+", re.DOTALL)
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)
_ONELINE = re.compile(r"(?:\\x[89A-Fa-f][0-9A-Fa-f])+")
"""How OpenSSL prints what is not ASCII in the form with slashes."""
_GENERAL = {_OIDS["C"], _OIDS["DC"], _OIDS["O"]}
"""Types with which a name begins, seen from its general end."""


def parse_dn(text: str) -> Dn:
    """Return the name that `text` states in either form.

    The form with commas has the most special part first (RFC 4514). A text that begins with C, DC
    or O and does not end so is taken the other way round, as `openssl x509 -subject` prints it.

    Raises:
        ValueError: it is no name, or one that has several values in one part.
    """
    return _of_slashes(text) if text.startswith("/") else _of_commas(text)


def _of_slashes(text: str) -> Dn:
    first, *parts = _SLASH.split(text)
    if first or not parts:
        raise ValueError
    return tuple(_pair(_ONELINE.sub(_bytes_of, part)) for part in parts)


def _of_commas(text: str) -> Dn:
    parts = _COMMA_PART.findall(text)
    if not parts or ",".join(parts) != text:
        raise ValueError
    pairs = tuple(_pair(part.strip()) for part in parts)
    found = tuple((oid, _ESCAPED.sub(_plain, value)) for oid, value in pairs)
    is_general_first = found[0][0] in _GENERAL and found[-1][0] not in _GENERAL
    return found if is_general_first else found[::-1]


def _pair(part: str) -> tuple[str, str]:
    match = _PAIR.fullmatch(part)
    if match is None:
        raise ValueError
    name = match[1].upper()
    if name[0].isdigit():
        return name, match[2]
    if name not in _OIDS:
        raise ValueError
    return _OIDS[name], match[2]


def _plain(escaped: re.Match[str]) -> str:
    return _bytes_of(escaped) if escaped[1] else escaped[2]


def _bytes_of(escaped: re.Match[str]) -> str:
    return bytes.fromhex(re.sub(r"\\x?", "", escaped[0])).decode()
