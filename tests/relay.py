"""A way to a server that a test can cut: TCP on loopback, passed on to a Unix socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class Relay:
    """Passes connections on while it is open; cut, it refuses new ones and ends those there."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and take no new ones."""
        with self._lock:
            self._is_open = False
            pairs = tuple(self._pairs)
        for pair in pairs:
            self._end(pair)

    def mend(self) -> None:
        """Take connections again."""
        with self._lock:
            self._is_open = True

    def close(self) -> None:
        """End all."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                self._take(near)

    def _take(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        with self._lock:
            is_open = self._is_open and far.connect_ex(str(self._target)) == 0
            if is_open:
                self._pairs.add((near, far))
        if not is_open:
            near.close()
            far.close()
            return
        for one, other in ((near, far), (far, near)):
            arguments = (one, other, (near, far))
            threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(
        self, one: socket.socket, other: socket.socket, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        with contextlib.suppress(OSError):
            while part := one.recv(65_536):
                other.sendall(part)
        self._end(pair)

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            is_there = pair in self._pairs
            self._pairs.discard(pair)
        if is_there:
            for each in pair:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
