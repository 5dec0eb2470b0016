"""Machines that put heartbeats one after the other: the load of bench.web_puts.

Each is a process with plain blocking sockets, which does next to nothing between two requests.
How much of its processor they all took is told with the result: while that is well below a whole
one, it is the server that is measured.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

HOST = "localhost"
_PATIENCE_S = 30.0
_BODY = b"1800000000\n"


@dataclass(frozen=True, slots=True)
class Way:
    """How a machine speaks with a server."""

    name: str
    has_certificate: bool
    """Otherwise it has its token."""
    is_kept: bool = False
    """One connection for all requests; otherwise each begins with a full handshake."""
    asks: bool = True
    """False is the handshake alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one process does, and when."""

    way: Way
    port: int
    authority: Path
    papers: Path
    """Certificate of the machine, with its key."""
    token: str
    path: str
    begins_at: float
    """On the clock of `time.monotonic`, which all processes share."""
    ends_at: float


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it."""

    count: int
    cpu: float
    """Seconds of this process."""


def begin(all_of_them: Barrier, processors: Collection[int]) -> None:
    """Make this process a client that uses `processors` only; wait for the others."""
    os.sched_setaffinity(0, processors)
    all_of_them.wait()


def run(load: Load) -> Done:
    """Do it until the time is over, and at least once.

    Raises:
        OSError: the server did not do its part.
        ValueError: it answered with something else than that it was stored.
    """
    once = _once(load)
    once()  # whatever happens the first time only
    threading.Event().wait(max(0.0, load.begins_at - time.monotonic()))
    count, cpu = 0, time.process_time()
    while not count or time.monotonic() < load.ends_at:
        once()
        count += 1
    return Done(count, time.process_time() - cpu)


def _once(load: Load) -> Callable[[], None]:
    context = ssl.create_default_context(cafile=str(load.authority))
    if load.way.has_certificate:
        context.load_cert_chain(load.papers)
    if not load.way.asks:
        return partial(_shake_hands, context, load.port)
    request = _request(load)
    if load.way.is_kept:
        return partial(_ask, _connected(context, load.port), request)
    return partial(_connect_and_ask, context, load.port, request)


def _request(load: Load) -> bytes:
    lines = [
        f"PUT {load.path} HTTP/1.1",
        f"Host: {HOST}",
        f"Connection: {'keep-alive' if load.way.is_kept else 'close'}",
        f"Content-Length: {len(_BODY)}",
    ]
    if not load.way.has_certificate:
        lines.append(f"Authorization: Bearer {load.token}")
    return "\r\n".join([*lines, "", ""]).encode() + _BODY


def _connected(context: ssl.SSLContext, port: int) -> ssl.SSLSocket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(connection, server_hostname=HOST)


def _shake_hands(context: ssl.SSLContext, port: int) -> None:
    """Make a connection and end it; the server's own end of it is waited for."""
    with _connected(context, port) as connection:
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while connection.recv(4096):
                pass


def _connect_and_ask(context: ssl.SSLContext, port: int, request: bytes) -> None:
    with _connected(context, port) as connection:
        _ask(connection, request)


def _ask(connection: ssl.SSLSocket, request: bytes) -> None:
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError("no answer")
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1] not in {b"201", b"204"}:
        raise ValueError(head.decode("latin-1"))
    left = _length(head) - len(body)
    while left > 0:
        left -= len(connection.recv(65_536))


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
