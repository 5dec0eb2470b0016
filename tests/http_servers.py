"""Servers for tests of clients: scripted answers over real sockets, on loopback only."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.ports import free_port


@dataclass(slots=True)
class Script:
    """What the server says to each connection, and what it heard."""

    pieces: tuple[bytes, ...]
    """Sent one after the other."""
    pause_s: float = 0.0
    """Between pieces."""
    is_endless: bool = False
    """True repeats the last piece until the client goes."""
    gate: threading.Event | None = None
    """Waited for before the last piece."""
    heard: list[str] = field(default_factory=list)
    """Head of each request."""


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Return a whole HTTP/1.1 answer."""
    given = {"Content-Length": str(len(body)), "Connection": "close"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@contextmanager
def serving(script: Script, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve `script` on a port of 127.0.0.1, by TLS if there is a context; yield the port."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=_serve, args=(listener, script, context, stop))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def _serve(
    listener: socket.socket, script: Script, context: ssl.SSLContext | None, stop: threading.Event
) -> None:
    while not stop.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        with suppress(OSError), connection:
            connection.settimeout(30)
            if context is not None:
                with context.wrap_socket(connection, server_side=True) as secure:
                    _talk(secure, script, stop)
            else:
                _talk(connection, script, stop)


def _talk(connection: socket.socket, script: Script, stop: threading.Event) -> None:
    script.heard.append(_head(connection))
    for number, piece in enumerate(script.pieces, 1):
        if script.gate is not None and number == len(script.pieces):
            script.gate.wait(60)
        connection.sendall(piece)
        stop.wait(script.pause_s)
    while script.is_endless and not stop.is_set():
        connection.sendall(script.pieces[-1])
        stop.wait(script.pause_s)


def _head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(4096)
        if not more:
            break
        head += more
    return head.decode("latin-1")
