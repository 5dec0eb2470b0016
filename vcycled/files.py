"""Files that are whole or not there: temporary file, fsync, rename."""

from __future__ import annotations

import os
from pathlib import Path

PUBLIC = 0o644
PRIVATE = 0o600


def write(
    path: Path,
    content: bytes | str,
    *,
    mode: int = PUBLIC,
    durable: bool = True,
    owner: tuple[int, int] | None = None,
) -> None:
    """Put `content` into `path` so that a reader or a crash never sees half of it.

    Args:
        path: its folder must exist; the temporary file `.NAME.tmp` stands beside it.
        content: text is written as UTF-8.
        mode: permission bits, whatever the umask.
        durable: False where losing the file to a power cut costs nothing.
        owner: user and group id that the file gets; None leaves those of this process.

    Raises:
        OSError: nothing was changed (disk full, read-only, …).
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            if owner is not None:
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_text(path: Path) -> str | None:
    """Return the text of `path` without surrounding blanks; None if there is no such file.

    Raises:
        OSError: it is there but cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
