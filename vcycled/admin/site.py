"""The HTTP server of the admin site: health, metrics, API and pages, and who may see them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from aiohttp import web

from vcycled import __version__, kvlog
from vcycled.admin import pages
from vcycled.admin.answers import Unreadable
from vcycled.admin.api import Api
from vcycled.admin.doorkeeper import Doorkeeper, guarded
from vcycled.admin.facts import read_facts
from vcycled.admin.health import troubles
from vcycled.admin.measure import exposition, measured, nothing
from vcycled.admin.readings import Readings
from vcycled.cli.session import Session
from vcycled.clock import SystemClock
from vcycled.web.access import NoHeaders
from vcycled.web.gate import Full, Gate, source_of
from vcycled.web.listener import Listener, bound
from vcycled.web.rates import Rates

_LOG = kvlog.get(__name__)
_NO_HEADERS = NoHeaders()
PATIENCE_S = 9.0
"""A database that takes longer does not answer; Prometheus itself gives up after 10 s."""
_FOLLOW_S = 15.0
"""How often it is seen whether tokens and certificates changed."""
_IDLE_S = 30.0
_LINGER_S = 2.0
"""What is refused may send its body for so long."""
_TOLD_A_MINUTE = 1
_GRACE_S = 5.0
"""Requests under way have so long when we are told to end; a plan may take minutes."""
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many connections there may be at once."""

    most: int = 200
    most_each: int = 100
    """From one address; a web server in front has one for all that it lets in."""


LIMITS = Limits()


class AdminSite:
    """Answers from what is read afresh for each request.

    Args:
        new_session: gives what the configuration and the database are read with.
        doorkeeper: says who may; None lets everybody in.
        patience_s: how long a reading may take.
    """

    def __init__(
        self,
        new_session: Callable[[], Session],
        doorkeeper: Doorkeeper | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.doorkeeper = doorkeeper
        self._health = Readings(new_session, patience_s=patience_s)
        self._api = Api(new_session)
        self._pages = Readings(new_session, patience_s=patience_s, most=2)

    def app(self) -> web.Application:
        """Return the application."""
        app = guarded(self.doorkeeper)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_routes(self._api.routes())
        app.router.add_routes(pages.routes(self._pages))
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        """Say that this process lives, whatever else does."""
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Say whether the database answers and every space has had its cycle."""
        try:
            wrong = await self._health.read(_not_ready)
        except Unreadable:
            wrong = ("the database or the configuration cannot be read",)
        text = "\n".join(wrong or ("ready",))
        return web.Response(status=503 if wrong else 200, text=f"{text}\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        """Show every metric or, if nothing can be read, that."""
        try:
            text = await self._health.read(_shown)
        except Unreadable:
            text = exposition(nothing(__version__))
        return web.Response(body=text, headers={"Content-Type": _PROMETHEUS})


@asynccontextmanager
async def listening(
    site: AdminSite, hosts: Sequence[str], port: int, *, limits: Limits = LIMITS
) -> AsyncIterator[int]:
    """Serve `site` on a port of these hosts; give the port, which differs if it was 0.

    Args:
        site: what is served.
        hosts: names or addresses of ours.
        port: 0 for any.
        limits: of connections.

    Raises:
        OSError: an address or the port cannot be had.
    """
    logging.getLogger("aiohttp.server").addFilter(_NO_HEADERS)
    # A scrape each 15 s is nothing to log.
    runner = web.AppRunner(
        site.app(),
        access_log=None,
        keepalive_timeout=_IDLE_S,
        lingering_time=_LINGER_S,
        auto_decompress=False,
        shutdown_timeout=_GRACE_S,
    )
    await runner.setup()
    assert runner.server is not None
    tls = None if site.doorkeeper is None else site.doorkeeper.tls
    following = asyncio.create_task(_follow(site.doorkeeper))
    try:
        listener = Listener(
            runner.server,
            await bound(hosts, port),
            gate=Gate(limits.most, limits.most_each),
            tls=tls,
            refused=_teller(limits),
        )
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await runner.cleanup()


def _teller(limits: Limits) -> Callable[[str, Full], None]:
    """Return what tells of connections that are not taken: once a minute, for each address."""
    told = Rates(_TOLD_A_MINUTE, clock=SystemClock())

    def tell(address: str, why: Full) -> None:
        source, most = ("", limits.most)
        if why is Full.ADDRESS:
            source, most = source_of(address), limits.most_each
        if not told.wait_s(source):
            _LOG.warning("admin-connections-refused", peer=address, most=most)

    return tell


async def _follow(doorkeeper: Doorkeeper | None) -> None:
    """Take note of new tokens, certificates and authorities."""
    while doorkeeper is not None:
        await asyncio.sleep(_FOLLOW_S)
        try:
            await asyncio.to_thread(doorkeeper.follow)
        except Exception:  # noqa: BLE001 - the top of a loop: a bug in one look is not the last look
            _LOG.bug("admin-follow-broken")


def _shown(session: Session) -> bytes:
    return exposition(measured(read_facts(session, __version__)))


def _not_ready(session: Session) -> tuple[str, ...]:
    with session.store() as store:
        return tuple(troubles(session.view(store)))
