"""Answers that say why there is no other: RFC 9457 documents to programs, plain text to people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

API = "/api/"
"""Programs ask below this."""
PROBLEM = "application/problem+json"
KINDS = "urn:vcycle:problem:"
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer; a page may cache what never changes."""


class Unreadable(Exception):
    """Configuration or database cannot be read now; the text says why."""


def failure(
    request: web.Request,
    status: int,
    why: str,
    headers: Mapping[str, str] | None = None,
    *,
    kind: str = "",
) -> web.Response:
    """Return what is said of a request that is not done.

    Args:
        request: that one.
        status: of HTTP.
        why: in a sentence, with what is accepted.
        headers: more of them.
        kind: tells programs what else tells a status from itself.
    """
    title = HTTPStatus(status).phrase
    if not request.path.startswith(API):
        text = f"{title}: {why}\n"
        return web.Response(status=status, text=text, headers=headers)
    document = {
        "type": f"{KINDS}{kind}" if kind else "about:blank",
        "title": title,
        "status": status,
        "detail": why,
    }
    body = json.dumps(document, indent=2).encode() + b"\n"
    return web.Response(status=status, body=body, content_type=PROBLEM, headers=headers)


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every answer; a signal of aiohttp."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "vcycle-admin"
