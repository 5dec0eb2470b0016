"""What is logged of requests: never a header, never a query, so never a token."""

from __future__ import annotations

import logging

from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest, StreamResponse

from vcycled.kvlog import KVLogger, line

_LONGEST = 200


class AccessLog(AbstractAccessLogger):
    """One line for each request."""

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Write the line; `time` is how many seconds the request took."""
        KVLogger(self.logger).info(
            "web-request",
            peer=_peer(request),
            method=request.method,
            path=_shown(request.raw_path),
            status=response.status,
            received=request.content_length,
            seconds=time,
        )


def _peer(request: BaseRequest) -> str | None:
    """Return who asks; on the local socket there is no address but what the front says."""
    if request.remote:
        return request.remote
    _, _, last = request.headers.get("X-Forwarded-For", "").rpartition(",")
    return _shown(last.strip()) or None


def _shown(raw_path: str) -> str:
    path = raw_path.partition("?")[0][:_LONGEST]
    if path.isascii() and path.isprintable():
        return path
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in path)


class NoHeaders(logging.Filter):
    """Lets nothing of a request that is no HTTP into the log: its lines may hold a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace what the HTTP library says of a broken request; leave everything else."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            peer = record.args[0] if isinstance(record.args, tuple) and record.args else ""
            record.msg = line("web-bad-request", peer=str(peer), error=type(error).__name__)
            record.args = ()
            record.exc_info = None
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True
