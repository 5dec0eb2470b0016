"""What machines say: their heartbeats and shutdown messages. All of it is written by strangers."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from vcycled.clock import Clock
from vcycled.model import ShutdownMessage

_MOST = 4096
_LONGEST = 250
_CODE = re.compile(r"([1-9][0-9]{2})(?![0-9])")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The newest heartbeat of a machine."""

    at: int | None
    """None if there is no such file."""
    is_known: bool
    """False if the machine's folder cannot be read, so that a missing file proves nothing."""


def heartbeat(outputs: Path | str, file: str, clock: Clock) -> Heartbeat:
    """Return when `file` was last written: one stat if it is there, two if not."""
    path = f"{outputs}/{file}"
    try:
        found = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - thousands a cycle
    except FileNotFoundError:
        return Heartbeat(None, Path(outputs).is_dir())
    except OSError:
        return Heartbeat(None, is_known=False)
    if not stat.S_ISREG(found.st_mode):
        return Heartbeat(None, is_known=True)
    return Heartbeat(clock.of_stamp(found.st_mtime), is_known=True)


def shutdown_message(path: Path, clock: Clock) -> ShutdownMessage | None:
    """Return the first line of `path`; None if there is no such file, or it says nothing.

    A link, a folder or a pipe in its place says nothing. Text that is not UTF-8 or not printable
    is made so; only the first 4096 bytes are looked at.

    Raises:
        OSError: the file is there but cannot be read.
    """
    found = head(path)
    if found is None:
        return None
    content, written = found
    line = next(
        (each for each in content.decode(errors="replace").splitlines() if each.strip()), ""
    )
    text = "".join(each if each.isprintable() else " " for each in line).strip()[:_LONGEST]
    if not text:
        return None
    match = _CODE.match(text)
    code = int(match[1]) if match else None
    return ShutdownMessage(code=code, text=text, written_at=clock.of_stamp(written))


def head(path: Path) -> tuple[bytes, float] | None:
    """Return the first 4096 bytes and the time stamp of `path`; None unless it is a plain file.

    Raises:
        OSError: it is one that cannot be read.
    """
    try:
        handle = os.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError:
        if _is_regular(path):
            raise
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        return os.read(handle, _MOST), found.st_mtime
    finally:
        os.close(handle)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
