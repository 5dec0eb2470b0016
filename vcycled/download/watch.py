"""A deadline for everything that one use of requests does.

The timeouts of requests are for each read, so a server that sends one byte now and then could hold
the manager for days. A timer therefore shuts the connections down when the time is over: whatever
read is waiting then ends at once.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class Watch:
    """Shuts down the connections it was told of when the time is over."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.is_over = False

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def mind(self, connection: socket.socket) -> None:
        """Shut `connection` down when the time is over, at once if it is over already."""
        with self._lock:
            self._sockets.append(connection)
            is_late = self.is_over
        if is_late:
            _shut(connection)

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            late = list(self._sockets)
        for connection in late:
            _shut(connection)


class WatchedAdapter(HTTPAdapter):
    """Makes connections as requests does, and tells the watch of each.

    Args:
        watch: that is told.
        ca_folder: authorities that are trusted besides the usual ones, in files named by the hash
            of their subject as OpenSSL wants them; it need not be there.
    """

    def __init__(self, watch: Watch, ca_folder: Path | None = None) -> None:
        self._trusted = {} if ca_folder is None else {"ssl_context": _trusting(ca_folder)}
        super().__init__()
        self._pools = _pools(watch)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: object
    ) -> None:
        """Make the manager of connections, with what is trusted."""
        super().init_poolmanager(connections, maxsize, block, **{**options, **self._trusted})

    def proxy_manager_for(self, proxy: str, **options: object) -> PoolManager:
        """Return the manager of connections through `proxy`, watched as well."""
        options = {**options, **self._trusted}
        manager: PoolManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _trusting(ca_folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(capath=str(ca_folder))
    return context


def _pools(watch: Watch) -> dict[str, type]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watch.mind(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watch.mind(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
