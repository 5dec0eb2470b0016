"""Who may do what at the admin site. Pure.

# Note [Loopback]

Whoever connects to an address of this host alone is on this host, so may read: the pages show no
secret. But a browser on this host may be led here by a stranger's page, whose name was pointed to
127.0.0.1 after it was loaded: its requests bear that name as Host, so only names of this host are
answered. A page that asks by such a name may not read the answer (no CORS, and CORP), but could
keep us busy, and the cloud by /plan: browsers tell of that (Sec-Fetch-Site). And with a web server
in front everybody comes by loopback.

# Note [Orders]

They need a token, or a certificate. A browser shows certificates by itself, also to what a
stranger's page sends; but it then says so with Origin. No page of ours gives orders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from vcycled.config.admin_door import is_loopback
from vcycled.machinedir import is_token
from vcycled.model.dn import Dn

OPEN = frozenset({"/healthz"})
"""What everybody may see: that this process lives."""
_READS = frozenset({"GET", "HEAD"})
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
_WAYS = "show a token of admin_token_file (Authorization: Bearer TOKEN)"
_OR_DN = f"{_WAYS}, or a client certificate with a name of admin_dns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What is known of a request before it is answered."""

    method: str
    path: str
    host: str = ""
    """As the client calls us, with port."""
    address: str = ""
    """Ours that it came to."""
    has_origin: bool = False
    """It tells of the page that it was sent by."""
    is_embedded: bool = False
    """A page of another site asks for it, for itself."""
    tokens: tuple[str, ...] = ()
    dn: Dn | None = None
    """In the client's certificate, which was verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Who is known here."""

    holders: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Hashes of tokens, and the names of their holders."""
    names: Mapping[Dn, str] = field(default_factory=dict)
    """Names in certificates, and how they are written."""
    is_behind_proxy: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who may do what was asked for."""

    name: str = ""
    """Empty for anybody."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something may not be done."""

    status: HTTPStatus
    why: str


def admit(visit: Visit, rules: Rules) -> Caller | Refusal:
    """Return who asks, or why that may not be."""
    if visit.path in OPEN:
        return Caller()
    if visit.tokens:
        return _by_token(visit, rules)
    is_read = visit.method in _READS
    if visit.is_embedded:
        return Refusal(HTTPStatus.FORBIDDEN, "pages of others may lead here, but load nothing")
    if visit.dn is not None and visit.dn in rules.names:
        return _by_certificate(visit, rules.names[visit.dn], is_read=is_read)
    if is_read and is_loopback(visit.address) and not rules.is_behind_proxy:
        return _on_this_host(visit)
    return _unknown(visit, rules, is_read=is_read)


def _unknown(visit: Visit, rules: Rules, *, is_read: bool) -> Refusal:
    if visit.dn is not None:
        return Refusal(HTTPStatus.FORBIDDEN, "the name in your certificate is not in admin_dns")
    what = _OR_DN if rules.names else _WAYS
    return Refusal(
        HTTPStatus.UNAUTHORIZED, f"{'this' if is_read else 'an order'} is for who is known: {what}"
    )


def _by_token(visit: Visit, rules: Rules) -> Caller | Refusal:
    """Compare with all, whichever is right, so that the time tells nothing."""
    found = [
        name
        for known, name in rules.holders.items()
        if any(is_token(each, known) for each in visit.tokens)
    ]
    if not found:
        return Refusal(HTTPStatus.UNAUTHORIZED, f"this token is not known: {_WAYS}")
    return Caller(found[0])


def _by_certificate(visit: Visit, name: str, *, is_read: bool) -> Caller | Refusal:
    """See note [Orders]."""
    if not is_read and visit.has_origin:
        return Refusal(
            HTTPStatus.FORBIDDEN, f"orders of web pages (Origin) are not taken; {_WAYS}"
        )
    return Caller(name)


def _on_this_host(visit: Visit) -> Caller | Refusal:
    """See note [Loopback]."""
    if not is_loopback(host_of(visit.host)):
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            "without a token this site is called localhost, 127.0.0.1 or [::1]",
        )
    return Caller()


def host_of(header: str) -> str:
    """Return the name or address in a Host header; empty if there is none in it.

    It has no user and nothing escaped (RFC 9110, 7.2), so who reads it differently finds nothing.
    """
    found = _HOST.fullmatch(header)
    return found[1] if found else ""
