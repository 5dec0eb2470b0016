"""Through which door a request came, and what that says of its client."""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from enum import Enum, auto
from urllib.parse import unquote

from aiohttp.web import BaseRequest

from vcycled.model.dn import Dn
from vcycled.web.clients import Clients
from vcycled.web.credential import name_of

_VERIFIED = "X-Vcycle-Client-Verify"
_CERTIFICATE = "X-Vcycle-Client-Cert"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")


class Door(Enum):
    """Where we listen."""

    TLS = auto()
    PLAIN = auto()
    """HTTP without TLS: for reading what anybody may read."""
    FRONT = auto()
    """A local socket that only the site's own web server can open. What it says of a client's
    certificate is believed here and nowhere else."""


def dn_of(request: BaseRequest, door: Door, clients: Clients) -> Dn | None:
    """Return the verified name of the client of a request; None if it has none."""
    if door is Door.FRONT:
        return _told_by_front(request)
    connection = request.get_extra_info("ssl_object")
    return clients.dn_of(connection) if isinstance(connection, ssl.SSLObject) else None


def _told_by_front(request: BaseRequest) -> Dn | None:
    if request.headers.getall(_VERIFIED, []) != ["SUCCESS"]:
        return None
    told = request.headers.getall(_CERTIFICATE, [])
    der = _der(told[0]) if len(told) == 1 else None
    return None if der is None else name_of(der)


def _der(told: str) -> bytes | None:
    """Return a certificate as nginx (escaped) or Apache (blanks for ends of lines) tells it."""
    match = _PEM.fullmatch(unquote(told) if "%" in told else told)
    try:
        return base64.b64decode("".join(match[1].split()), validate=True) if match else None
    except binascii.Error:
        return None
