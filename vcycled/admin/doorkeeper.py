"""The door of the admin site, before every request: middlewares of aiohttp."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from vcycled import kvlog
from vcycled.admin.answers import Unreadable, add_headers, failure
from vcycled.admin.door import Caller, Refusal, Visit, admit
from vcycled.admin.keys import Keys
from vcycled.clock import Clock
from vcycled.config import ManagerOptions
from vcycled.model.dn import Dn
from vcycled.web.auth import tokens_in
from vcycled.web.clients import Clients
from vcycled.web.rates import Rates
from vcycled.web.tls import Certificate, OptionNames

_LOG = kvlog.get(__name__)
MOST_BYTES = 64 * 1024
"""Of the body of a request: orders are short."""
_TOLD_A_MINUTE = 10
_WAY: dict[str, str] = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="vcycle-admin"'}
CALLER: ContextVar[str] = ContextVar("caller", default="")
"""Name of who was let in with the request that is being answered; empty for anybody."""
_OPTIONS = OptionNames(section="vcycle", certificate="admin_cert", authorities="admin_ca")


class Doorkeeper:
    """Knows who is who, by what the options name.

    Args:
        options: of [vcycle].
        clock: for the ends of certificates.

    Raises:
        ConfigError: the certificate or the authorities cannot be used.
    """

    def __init__(self, options: ManagerOptions, clock: Clock) -> None:
        self.keys = Keys(options)
        self._clock = clock
        self._told = Rates(_TOLD_A_MINUTE, clock=clock)
        self._certificate = None
        self._clients = None
        if options.admin_cert is not None and options.admin_key is not None:
            self._certificate = Certificate(
                options.admin_cert, options.admin_key, options.admin_ca, names=_OPTIONS
            )
            self._clients = Clients(self._certificate, clock)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What connections are encrypted with; None if they are not."""
        return None if self._certificate is None else self._certificate.context

    def follow(self) -> None:
        """Read again what changed; to be called now and then, in any thread."""
        self.keys.follow()
        if self._certificate is not None:
            self._certificate.follow(self._clock)

    def admit(self, request: web.Request) -> Caller | web.Response:
        """Return who asks, or the answer to who may not."""
        found = admit(self._visit(request), self.keys.rules)
        if isinstance(found, Caller):
            return found
        self._tell(request, found)
        is_unknown = found.status is HTTPStatus.UNAUTHORIZED
        return failure(request, found.status, found.why, _WAY if is_unknown else None)

    def _tell(self, request: web.Request, found: Refusal) -> None:
        """Log it, a few times a minute for each peer: a crowd must not fill the log."""
        peer = request.remote or ""
        if not self._told.wait_s(peer):
            status = int(found.status)
            _LOG.warning(
                "admin-refused", peer=peer, method=request.method, status=status, error=found.why
            )

    def _visit(self, request: web.Request) -> Visit:
        authorization = request.headers.get(hdrs.AUTHORIZATION, "")
        is_bearer = authorization.lower().startswith("bearer ")
        return Visit(
            method=request.method,
            path=request.path,
            host=request.headers.get(hdrs.HOST, ""),
            address=_own_address(request),
            has_origin=hdrs.ORIGIN in request.headers,
            is_embedded=_is_embedded(request.headers),
            # A browser sends what was typed into its dialog (Basic) to strangers' orders too.
            tokens=tokens_in(authorization) if is_bearer else (),
            dn=self._dn(request),
        )

    def _dn(self, request: web.Request) -> Dn | None:
        connection = request.get_extra_info("ssl_object")
        if self._clients is None or not isinstance(connection, ssl.SSLObject):
            return None
        return self._clients.dn_of(connection)


def guarded(doorkeeper: Doorkeeper | None = None) -> web.Application:
    """Return an application whose every answer has our headers, behind a door if there is one."""
    chain: list[Middleware] = [_plainly]
    if doorkeeper is not None:
        chain.append(_door_of(doorkeeper))
    app = web.Application(middlewares=chain, client_max_size=MOST_BYTES)
    app.on_response_prepare.append(add_headers)
    return app


def _door_of(doorkeeper: Doorkeeper) -> Middleware:
    @web.middleware
    async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
        found = doorkeeper.admit(request)
        if isinstance(found, web.Response):
            found.force_close()  # what the client still sends is not waited for
            return found
        CALLER.set(found.name)
        return await handler(request)

    return door


_WHY = {
    404: "there is no such page here",
    408: "the body did not come in time",
    413: f"the body may have {MOST_BYTES} bytes at most",
    415: "the body must be of Content-Type: application/json, without Content-Encoding",
}
_STANDARD = re.compile(r"[0-9]{3}: ")
"""How aiohttp's own texts begin."""


@web.middleware
async def _plainly(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say in our words what aiohttp says of paths, methods and bodies."""
    try:
        return await handler(request)
    except Unreadable as error:
        return failure(request, 503, str(error), {hdrs.RETRY_AFTER: "15"})
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        why = f"{request.method} cannot be done with this; {allowed} can"
        return failure(request, error.status, why, {hdrs.ALLOW: allowed})
    except web.HTTPError as error:
        text = error.text or ""
        why = _WHY.get(error.status, error.reason) if _STANDARD.match(text) else text
        return failure(request, error.status, why)


def _is_embedded(headers: Mapping[str, str]) -> bool:
    """Return whether a browser says that a page of another site asks, and nobody goes there."""
    is_foreign = headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}
    return is_foreign and headers.get("Sec-Fetch-Mode") != "navigate"


def _own_address(request: web.Request) -> str:
    """Return which of our addresses a request came to; empty once the connection is gone."""
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    return str(name[0]) if isinstance(name, tuple) else ""
