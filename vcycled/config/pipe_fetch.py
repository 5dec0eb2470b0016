"""Getting the document of a vacuum pipe: what becomes of its copy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vcycled.config.model import PipeConfig
from vcycled.config.pipe_document import PipeDocument, PipeError, parse_pipe
from vcycled.config.pipe_shelf import Copy
from vcycled.download import shown
from vcycled.errors import UserDataError
from vcycled.userdata.fetch import PATIENCE, fetch

_OPTION = "vacuum_pipe_url"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What an attempt came to."""

    copy: Copy
    """As it is to be kept: the same as before if nothing changed."""
    document: PipeDocument | None
    """None if the pipe gave no good answer."""


def fetch_pipe(pipe: PipeConfig, before: Copy | None, *, now: int) -> Fetched:
    """Ask a pipe for its document; an answer that cannot be used changes no good copy."""
    copy = before or Copy(url=pipe.url)
    try:
        text = fetch(pipe.url, PATIENCE, option=_OPTION).decode()
        document = parse_pipe(text)
    except (UserDataError, UnicodeDecodeError, PipeError) as error:
        return failed(pipe, before, now=now, why=_why(error, pipe.url))
    if text != copy.text:
        copy = replace(copy, text=text, since=now)
    return Fetched(copy=replace(copy, failed_since=None, error=""), document=document)


def failed(pipe: PipeConfig, before: Copy | None, *, now: int, why: str) -> Fetched:
    """Return what an attempt comes to that failed: the copy goes on, with since when and why."""
    copy = before or Copy(url=pipe.url)
    since = now if copy.failed_since is None else copy.failed_since
    return Fetched(copy=replace(copy, failed_since=since, error=why), document=None)


def _why(error: Exception, url: str) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8 text"
    return str(error).removeprefix(f"{_OPTION}: {shown(url)}: ")
