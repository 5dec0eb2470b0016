"""The cloud on a port of 127.0.0.1: HTTP/1.1 with connections that are kept, a thread for each."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes.openstack.messages import Dropped, Reply, Request

Answer: TypeAlias = Callable[[Request], Reply]

_CHUNK = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""To linger zero seconds: what is closed then sends RST."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        """Answer one request; whatever the connection suffers ends it and nothing else."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        is_file = self.headers.get("Content-Type") == "application/octet-stream"
        pieces = self._body()
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            content=b"" if is_file else b"".join(pieces),
            file=pieces if is_file else iter(()),
            base=f"{self.server.scheme}://{self.headers.get('Host', '127.0.0.1')}",
        )
        try:
            reply = self.server.answer(request)
        except Dropped:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close_connection = True
            return
        if is_file and next(pieces, None) is not None:
            self.close_connection = True  # the rest of the file is not read to the end
        self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815 - names it looks for

    def _body(self) -> Iterator[bytes]:
        """Yield the body piece by piece.

        Raises:
            ConnectionError: the client went before it was whole.
        """
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self._line(), 16):
                yield self._read(size)
                self._line()
            self._line()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            yield self._read(min(left, _CHUNK))
            left -= min(left, _CHUNK)

    def _line(self) -> bytes:
        line = self.rfile.readline()
        if not line:
            raise ConnectionError("the client has gone")
        return line

    def _read(self, size: int) -> bytes:
        piece = self.rfile.read(size)
        if len(piece) < size:
            raise ConnectionError("the client has gone")
        return piece

    def _send(self, reply: Reply) -> None:
        phrase = HTTPStatus(reply.status).phrase
        headers = {**reply.headers, "X-Openstack-Request-Id": "req-00000000"}
        if reply.status != 204:
            headers["Content-Length"] = str(len(reply.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {reply.status} {phrase}\r\n{lines}\r\n".encode("latin-1")
        if reply.cut is not None:
            self.close_connection = True
        self.wfile.write(head + reply.body[: reply.cut])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Answer, tls: ssl.SSLContext | None) -> None:
        self.answer = answer
        self.scheme = "https" if tls else "http"
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        if tls:  # the handshake is left to the thread of each connection
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def hang_up(self) -> None:
        """End every connection, so that no thread waits for a client."""
        for each in tuple(self.connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(answer: Answer, *, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve on a port, by default any that is free; yield the URL of all: `http://127.0.0.1:1`."""
    with _Server(port, answer, tls) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"{server.scheme}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()
