"""The web process as a whole: sockets, sign of life, and a quiet end."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from contextlib import suppress
from functools import partial

from aiohttp import web

from vcycled import kvlog
from vcycled.clock import Clock
from vcycled.config import WebOptions
from vcycled.machinedir.layout import Layout
from vcycled.web.access import AccessLog, NoHeaders
from vcycled.web.app import Site
from vcycled.web.clients import Clients
from vcycled.web.doors import Door
from vcycled.web.gate import Full, Gate, source_of
from vcycled.web.listener import Listener, bound
from vcycled.web.marker import BEAT_S, Marker
from vcycled.web.outputs import OutputLimits, OutputStore
from vcycled.web.rates import Rates
from vcycled.web.tls import Certificate

_LOG = kvlog.get(__name__)
_MB = 2**20
_IDLE_S = 30.0
"""A connection without request, or with half a request, is closed after so long."""
_BACKLOG = 1024
_SOCKET_MODE = 0o660
"""The site's own web server opens the socket by our group."""
_LINGER_S = 2.0
"""A body that was refused is read on for so long, for clients that first send, then listen."""
_GRACE_S = 10.0
"""What is on its way when we are told to end has so long to arrive,"""
_LAST_S = 1.0
"""and so long for its answer to leave."""


def limits_of(options: WebOptions) -> OutputLimits:
    """Return what one machine may send."""
    return OutputLimits(
        file_bytes=options.joboutputs_max_file_mb * _MB,
        total_bytes=options.joboutputs_max_total_mb * _MB,
        files=options.joboutputs_max_files,
        free_bytes=options.min_free_mb * _MB,
        puts_per_minute=options.joboutputs_max_per_minute,
    )


class WebServer:
    """Listens between `start` and `close`."""

    def __init__(
        self,
        options: WebOptions,
        certificate: Certificate,
        *,
        clock: Clock,
        limits: OutputLimits | None = None,
    ) -> None:
        self._options = options
        self._certificate = certificate
        self._clock = clock
        layout = Layout(options.root)
        self._marker = Marker(layout.web_up / (options.hostname or socket.getfqdn()), clock=clock)
        store = OutputStore(limits or limits_of(options), clock=clock)
        clients = Clients(certificate, clock)
        self._site = Site(layout, store, self._marker, clients=clients, clock=clock)
        self._is_ending = threading.Event()
        self._listeners: dict[Door, asyncio.Server | Listener] = {}
        self._gate = Gate(options.max_connections, options.max_connections_per_address)
        self._told = Rates(1, clock=clock)
        self._servers: list[web.Server] = []
        self._busy = 0
        self._is_idle = asyncio.Event()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: an address, a port or the socket cannot be had.
        """
        options = self._options
        await self._listen(Door.TLS, options.port, self._certificate.context)
        if options.plain_http_port is not None:
            await self._listen(Door.PLAIN, options.plain_http_port)
        if options.front_socket is not None:
            # The site's own web server has limits of its own for whom it lets in.
            self._listeners[Door.FRONT] = await asyncio.get_running_loop().create_unix_server(
                self._requests(Door.FRONT), options.front_socket, backlog=_BACKLOG
            )
            options.front_socket.chmod(_SOCKET_MODE)
        self._pulse = asyncio.create_task(self._live())
        _LOG.info("web-started", port=self.port, root=str(self._options.root))

    async def _listen(self, door: Door, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._listeners[door] = Listener(
            self._requests(door),
            await bound(self._options.listen, port),
            gate=self._gate,
            tls=tls,
            refused=self._refused,
        )

    def _refused(self, address: str, why: Full) -> None:
        """Tell of it once a minute, and that a heartbeat may be lost if it could be anybody's."""
        if why is Full.ALL:
            self._marker.broken()
        source = source_of(address) if why is Full.ADDRESS else ""
        if not self._told.wait_s(source):
            _LOG.warning("web-connections-refused", peer=address, limit=why.value)

    def _requests(self, door: Door) -> web.Server:
        server = web.Server(
            partial(self._handle, door),
            access_log=logging.getLogger("vcycled.web.access"),
            access_log_class=AccessLog,
            logger=_http_logger(),
            keepalive_timeout=_IDLE_S,
            lingering_time=_LINGER_S,
            auto_decompress=False,
        )
        self._servers.append(server)
        return server

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self.port_of(Door.TLS)

    def port_of(self, door: Door) -> int:
        """The port of a door that has one."""
        port: int = self._listeners[door].sockets[0].getsockname()[1]
        return port

    async def run(self, until: asyncio.Event) -> None:
        """Serve until `until` is set, or until our own pulse stops, which is a bug."""
        end = asyncio.create_task(until.wait())
        await asyncio.wait({end, self._pulse}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if self._pulse.done():
            await self._pulse

    async def close(self) -> None:
        """Take no more connections, let requests on their way end, remove the sign of life."""
        for listener in self._listeners.values():
            listener.close()
        self._is_ending.set()
        if self._busy:
            # aiohttp's own shutdown stops reading, which would break uploads off.
            self._is_idle.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_idle.wait(), _GRACE_S)
        await asyncio.gather(*(server.shutdown(_LAST_S) for server in self._servers))
        if self._options.front_socket is not None:
            self._options.front_socket.unlink(missing_ok=True)
        with suppress(OSError):
            await self._pulse
        self._marker.remove()
        _LOG.info("web-stopped")

    async def _handle(self, door: Door, request: web.BaseRequest) -> web.StreamResponse:
        self._busy += 1
        try:
            return await self._site.handle(request, door)
        finally:
            self._busy -= 1
            if not self._busy:
                self._is_idle.set()

    async def _live(self) -> None:
        """Beat every 15 s. The event loop does it, so that one that hangs does not look alive."""
        while not self._is_ending.is_set():
            await asyncio.to_thread(self._beat)
            await asyncio.to_thread(self._clock.wait, self._is_ending, BEAT_S)

    def _beat(self) -> None:
        self._marker.beat(self._certificate.ends_at)
        self._certificate.follow(self._clock)


def _http_logger() -> logging.Logger:
    logger = logging.getLogger("vcycled.web.http")
    if not any(isinstance(each, NoHeaders) for each in logger.filters):
        logger.addFilter(NoHeaders())
    return logger
