"""The last good copy of each vacuum pipe, in ROOT/pipescache: it outlives pipe and manager."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vcycled import files
from vcycled.config.reader import Signature, signature

_FORMAT = 1
_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What is known of a pipe. A file changes only when one of these does."""

    url: str = field(repr=False)
    """Where it came from; it may hold a password."""
    text: str = field(default="", repr=False)
    """The last document that could be used; empty if there never was one."""
    since: int | None = None
    """When this text was first got, in Unix seconds."""
    failed_since: int | None = None
    """Since when the pipe gives no good answer; None if it does."""
    error: str = ""
    """Why not."""


Copies = Mapping[tuple[str, str], Copy]
"""By space and prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A copy as it is on the shelf."""

    copy: Copy | None
    error: str = ""
    """Why it cannot be read, if it is there."""
    signature: Signature = ()
    """Of its file, from before it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where the copies are."""

    root: Path
    """Of the manager."""
    fresh: Copies = field(default_factory=dict)
    """To use instead of those on disk."""

    def path(self, space: str, prefix: str) -> Path:
        """Return the file of the pipe `[vacuum_pipe SPACE PREFIX]`."""
        return self.root / "pipescache" / space / f"{prefix}.json"

    def find(self, space: str, prefix: str, url: str) -> Found:
        """Return the copy of a pipe; one of another URL is none."""
        if (space, prefix) in self.fresh:
            return Found(copy=self.fresh[space, prefix])
        path = self.path(space, prefix)
        before = signature([], [path])
        try:
            text = files.read_text(path)
            copy = None if text is None else _decode(text)
        except OSError as error:
            why = f"{path} cannot be read: {error.strerror}"
            return Found(copy=None, error=why, signature=before)
        except (ValueError, KeyError, TypeError) as error:
            why = f"{path} is damaged and not used: {type(error).__name__}"
            return Found(copy=None, error=why, signature=before)
        is_same = copy is not None and copy.url == url
        return Found(copy=copy if is_same else None, signature=before)

    def put(self, space: str, prefix: str, copy: Copy) -> None:
        """Keep a copy; only this user can read it.

        Raises:
            OSError: what was there before is still there.
        """
        path = self.path(space, prefix)
        path.parent.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        path.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        files.write(path, _encode(copy), mode=files.PRIVATE)


def _encode(copy: Copy) -> str:
    document = {
        "format": _FORMAT,
        "url": copy.url,
        "text": copy.text,
        "since": copy.since,
        "failed_since": copy.failed_since,
        "error": copy.error,
    }
    return json.dumps(document, indent=1)


def _decode(text: str) -> Copy:
    document = json.loads(text)
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']!r}, not {_FORMAT}")
    return Copy(
        url=str(document["url"]),
        text=str(document["text"]),
        since=_instant(document["since"]),
        failed_since=_instant(document["failed_since"]),
        error=str(document["error"]),
    )


def _instant(value: object) -> int | None:
    return value if isinstance(value, int) else None
