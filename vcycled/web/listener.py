"""Takes connections, as many as the gate lets in, each counted before its TLS handshake.

The servers of asyncio take every connection, and tell nobody of one whose handshake never ends.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from vcycled import kvlog
from vcycled.web.gate import Full, Gate

_LOG = kvlog.get(__name__)
_BACKLOG = 1024
_HANDSHAKE_S = 10.0
_FAREWELL_S = 10.0
"""A client has so long to end TLS in its turn."""
_BREATH_S = 1.0
"""Nothing is taken for so long when the system can take nothing."""


class _Counted(asyncio.Protocol):
    """Another protocol, that tells besides when its connection is over, once."""

    def __init__(self, inner: asyncio.Protocol, over: Callable[[], None]) -> None:
        self._inner = inner
        self._over: Callable[[], None] | None = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)
        self.end()

    def end(self) -> None:
        """Tell that it is over; also of a connection that was never made."""
        over, self._over = self._over, None
        if over is not None:
            over()


class Listener:
    """Listens from the moment it is made until `close`.

    Args:
        server: makes what speaks with each who comes.
        sockets: bound ones, that are ours from now on.
        gate: says who may come.
        tls: of each connection; None for none.
        refused: is told the address of who may not come, and why.
    """

    def __init__(
        self,
        server: Callable[[], asyncio.Protocol],
        sockets: Sequence[socket.socket],
        *,
        gate: Gate,
        tls: ssl.SSLContext | None,
        refused: Callable[[str, Full], None],
    ) -> None:
        self.sockets = sockets
        self._server = server
        self._gate = gate
        self._tls = tls
        self._refused = refused
        for each in sockets:
            each.setblocking(False)
            each.listen(_BACKLOG)
        self._tasks = {asyncio.create_task(self._accept(each)) for each in sockets}

    def close(self) -> None:
        """Take no more; connections that have begun to speak HTTP go on."""
        for task in self._tasks:
            task.cancel()
        for each in self.sockets:
            each.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, (address, *_) = await loop.sock_accept(listening)
            except OSError as error:
                _LOG.error("web-accept-failed", error=error.strerror)
                await asyncio.sleep(_BREATH_S)
                continue
            if (why := self._gate.enter(address)) is not None:
                connection.close()
                self._refused(address, why)
                await asyncio.sleep(0)  # a crowd must not keep us from those who are in
                continue
            task = asyncio.create_task(self._begin(connection, address))
            self._tasks.add(task)
            task.add_done_callback(partial(self._begun, connection))
            await asyncio.sleep(0)

    def _begun(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            connection.close()  # maybe it never began

    async def _begin(self, connection: socket.socket, address: str) -> None:
        """Shake hands; then the connection is the server's until it is lost."""
        counted = _Counted(self._server(), partial(self._gate.leave, address))
        is_secure = self._tls is not None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: counted,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_S if is_secure else None,
                ssl_shutdown_timeout=_FAREWELL_S if is_secure else None,
            )
        except OSError:
            counted.end()
        except asyncio.CancelledError:
            counted.end()
            raise


async def bound(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Return sockets bound to `port` of all `hosts`, of every address if there are none.

    Raises:
        OSError: an address or the port cannot be had.
    """
    loop = asyncio.get_running_loop()
    # asyncio knows how to bind names with several addresses; it must not accept for us.
    binder = await loop.create_server(
        asyncio.Protocol, list(hosts) or None, port, start_serving=False
    )
    sockets = [each.dup() for each in binder.sockets]
    binder.close()
    return sockets
