"""Answers: short texts, listings, and files sent in pieces."""

from __future__ import annotations

import asyncio
import html
import mimetypes
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from aiohttp.web import BaseRequest, Response, StreamResponse

from vcycled.web.threads import in_thread
from vcycled.web.tree import OpenFile

_PIECE = 2**18
_SLOWEST_S = 60.0
"""A client that takes no piece for so long is given up."""
_HEADERS = {"Server": "vcycle-web", "X-Content-Type-Options": "nosniff"}
_NO_MORE: Mapping[str, str] = MappingProxyType({})
OCTETS = "application/octet-stream"


def text(status: int, content: str | bytes = "", **headers: str) -> Response:
    """Return a short plain answer; `_` in names of headers stands for `-`."""
    body = content.encode() if isinstance(content, str) else content
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = "text/plain; charset=utf-8"
    return Response(status=status, body=body, headers={**_HEADERS, "Content-Type": kind, **given})


def page(content: str) -> Response:
    """Return a page of HTML."""
    return text(200, content, Content_Type="text/html; charset=utf-8")


def listing(path: str, names: Iterable[str]) -> Response:
    """Return the names in a folder as links, as other web servers list them."""
    title = html.escape(f"Index of {path}")
    rows = "".join(f'<li><a href="{_link(name)}">{html.escape(name)}</a></li>\n' for name in names)
    return page(
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1>\n<ul>\n{rows}</ul></body></html>\n"
    )


def _link(name: str) -> str:
    # Before a colon stands what a browser takes for a scheme.
    return html.escape(f"./{name}" if ":" in name else name, quote=True)


def kind_of(name: str) -> str:
    """Return the media type of a file of this name."""
    kind, packed = mimetypes.guess_type(name)
    return kind if kind and not packed else OCTETS


async def send(
    request: BaseRequest, file: OpenFile, kind: str, headers: Mapping[str, str] = _NO_MORE
) -> StreamResponse:
    """Send an open file, or only its head, or that it has not changed; and close it.

    Args:
        request: by which it was asked for.
        file: what is sent.
        kind: its media type.
        headers: what is said of it besides.

    Raises:
        ConnectionResetError: it could not be sent whole.
    """
    try:
        if _is_known(request, file):
            return text(304)
        response = StreamResponse(headers={**_HEADERS, "Content-Type": kind, **headers})
        response.content_length = file.size
        response.last_modified = int(file.changed_at)
        await response.prepare(request)
        if request.method == "GET":
            await _pour(request, response, file)
        await response.write_eof()
        return response
    finally:
        os.close(file.handle)


def _is_known(request: BaseRequest, file: OpenFile) -> bool:
    since = request.if_modified_since
    changed_at = datetime.fromtimestamp(int(file.changed_at), UTC)
    return since is not None and changed_at <= since


async def _pour(request: BaseRequest, response: StreamResponse, file: OpenFile) -> None:
    """Send as many bytes as were promised.

    Raises:
        ConnectionResetError: they are not there, or not taken; the connection is of no use then.
    """
    left = file.size
    try:
        while left:
            piece = await in_thread(os.read, file.handle, min(_PIECE, left))
            if not piece:
                raise ConnectionResetError("the file became shorter")
            left -= len(piece)
            async with asyncio.timeout(_SLOWEST_S):
                await response.write(piece)
    except (TimeoutError, OSError) as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError(str(error)) from error
