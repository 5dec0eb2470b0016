"""Fetching an image of any size by http(s), if it is newer than the one that is here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from vcycled.download import Patience, Unusable, Watch, check, check_way, reason, session
from vcycled.errors import ImageError
from vcycled.images.source import Source

PATIENCE = Patience(connect_s=10.0, read_s=60.0, total_s=6 * 3600.0)
RESERVE_BYTES = 2**30
"""What a download leaves free: the database is usually on the same disk."""
_CHUNK = 2**20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are, and of how many if that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """What is to be fetched, and within which bounds."""

    source: Source
    part: Path
    """The new file that is written; whole once `fetch` returns an answer."""
    conditions: Mapping[str, str]
    """Headers by which the server sends nothing if it has nothing newer; empty if any will do."""
    progress: Progress
    is_stopping: Callable[[], bool]
    ca_folder: Path | None = None
    """Authorities of web servers that are trusted besides the usual ones."""
    patience: Patience = PATIENCE
    reserve_bytes: int = RESERVE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What the server said of an image that is now in the file."""

    modified_at: int | None
    """Unix seconds; None if it said nothing or nonsense."""
    last_modified: str
    etag: str


def fetch(wish: Fetch) -> Fetched | None:
    """Fetch an image into `wish.part`; None if the server has none newer.

    Raises:
        ImageError: it could not be had whole. The cause is not chained: it could hold secrets.
    """
    watch = Watch(wish.patience.total_s)
    fetched, why = None, ""
    try:
        with watch, session(watch, wish.ca_folder) as connections:
            fetched = _get(connections, wish)
    except requests.Timeout:
        why = f"no answer within {wish.patience.read_s:g} s"
    except (Unusable, OSError, ValueError, HTTPError) as error:
        why = reason(error)
    if watch.is_over:
        why = f"took longer than {wish.patience.total_s:g} s"
    if why:
        raise ImageError(f"{wish.source.label}: {why}")
    return fetched


def _get(connections: requests.Session, wish: Fetch) -> Fetched | None:
    timeout = (wish.patience.connect_s, wish.patience.read_s)
    with connections.get(
        wish.source.place, headers=wish.conditions, stream=True, timeout=timeout
    ) as response:
        if response.status_code == requests.codes.not_modified and wish.conditions:
            check_way(response)
            return None
        check(response)
        fetched = _fetched(response.headers)
        if fetched.modified_at is None and not fetched.etag:
            raise Unusable("states neither Last-Modified nor ETag, so no change could be seen")
        _write(response, wish)
        return fetched


def _fetched(headers: Mapping[str, str]) -> Fetched:
    last_modified = headers.get("Last-Modified", "")
    try:
        modified_at = max(0, int(parsedate_to_datetime(last_modified).timestamp()))
    except (ValueError, OverflowError):
        modified_at = None
    return Fetched(
        modified_at=modified_at, last_modified=last_modified, etag=headers.get("ETag", "")
    )


def _write(response: requests.Response, wish: Fetch) -> None:
    declared = response.headers.get("Content-Length", "")
    total = int(declared) if declared.isdecimal() else None
    if total is None and "chunked" not in response.headers.get("Transfer-Encoding", ""):
        raise Unusable("does not say how long its image is, so a part could be taken for it")
    _check_room(wish, total or 0)
    written = 0
    with os.fdopen(os.open(wish.part, _NEW, 0o600), "wb") as stream:
        for chunk in response.iter_content(_CHUNK):
            if wish.is_stopping():
                raise Unusable("told to stop")
            if total is None:
                _check_room(wish, len(chunk))
            stream.write(chunk)
            written += len(chunk)
            wish.progress(written, total)
        stream.flush()
        os.fsync(stream.fileno())
    if total is not None and written != total:
        raise Unusable(f"only {written} of {total} bytes arrived")


def _check_room(wish: Fetch, size: int) -> None:
    folder = wish.part.parent
    free = shutil.disk_usage(folder).free
    if size + wish.reserve_bytes > free:
        raise Unusable(
            f"{size} bytes and {wish.reserve_bytes} to spare do not fit on the disk of {folder},"
            f" where {free} are free"
        )
