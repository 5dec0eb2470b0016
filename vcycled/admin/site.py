"""The HTTP server of the admin site: /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from aiohttp import web

from vcycled import __version__, kvlog
from vcycled.admin.facts import read_facts
from vcycled.admin.health import troubles
from vcycled.admin.measure import exposition, measured, nothing
from vcycled.cli.session import Session
from vcycled.errors import VcycleError
from vcycled.web.access import NoHeaders

T = TypeVar("T")

_LOG = kvlog.get(__name__)
_NO_HEADERS = NoHeaders()
PATIENCE_S = 9.0
"""A database that takes longer does not answer; Prometheus itself gives up after 10 s."""
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class AdminSite:
    """Answers from what is read afresh for each request, one reading at a time.

    Args:
        new_session: gives what the configuration and the database are read with.
        patience_s: how long a reading may take.
    """

    def __init__(
        self, new_session: Callable[[], Session], *, patience_s: float = PATIENCE_S
    ) -> None:
        self._new_session = new_session
        self._patience_s = patience_s
        self._reading = asyncio.Lock()
        self._trouble = ""

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        """Say that this process lives, whatever else does."""
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Say whether the database answers and every space has had its cycle."""
        found = await self._read(_not_ready)
        wrong = ("the database or the configuration cannot be read",) if found is None else found
        text = "\n".join(wrong or ("ready",))
        return web.Response(status=503 if wrong else 200, text=f"{text}\n")

    async def _metrics(self, _request: web.Request) -> web.Response:
        """Show every metric or, if nothing can be read, that."""
        text = await self._read(_shown)
        if text is None:
            text = exposition(nothing(__version__))
        return web.Response(body=text, headers={"Content-Type": _PROMETHEUS})

    async def _read(self, make: Callable[[Session], T]) -> T | None:
        """Return what `make` does; None if nothing can be read, which is logged when it is new."""
        trouble, found = "", None
        try:
            async with asyncio.timeout(self._patience_s), self._reading:
                found = await asyncio.to_thread(make, self._new_session())
        except TimeoutError:
            trouble = f"no answer within {self._patience_s:g} s"
        except (VcycleError, OSError) as error:
            trouble = str(error)
        if trouble and trouble != self._trouble:
            _LOG.warning("admin-read-failed", error=trouble)
        self._trouble = trouble
        return found


@asynccontextmanager
async def listening(site: AdminSite, hosts: Sequence[str], port: int) -> AsyncIterator[int]:
    """Serve `site` on a port of these hosts; give the port, which differs if it was 0.

    Raises:
        OSError: an address or the port cannot be had.
    """
    logging.getLogger("aiohttp.server").addFilter(_NO_HEADERS)
    # A scrape each 15 s is nothing to log.
    runner = web.AppRunner(site.app(), access_log=None)
    await runner.setup()
    try:
        for host in hosts:
            await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _shown(session: Session) -> bytes:
    return exposition(measured(read_facts(session, __version__)))


def _not_ready(session: Session) -> tuple[str, ...]:
    with session.store() as store:
        return tuple(troubles(session.view(store)))
