"""One look through an image file: its format, its size, and the hashes that tell what it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vcycled.errors import ImageError
from vcycled.images.formats import format_of

_CHUNK = 2**20
SIGNATURE_BYTES = 32 * 1024
"""Of the block at the end of a signed image that is not signed itself."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does: looking at it costs nothing."""

    inode: int
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A file that a cloud can be given, as it was when it was looked through."""

    path: Path
    stamp: Stamp
    format: str
    """`raw`, `qcow2` or `iso`."""
    sha256: str
    signed_digest: bytes
    """SHA-256 of all but the last 32 KiB: what the signature of a signed image is over."""

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return self.stamp.size_bytes


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file.

    Raises:
        ImageError: there is none, or it is none that can be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise ImageError(f"{path} is not a plain file")
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def examine(path: Path, name: str, *, is_stopping: Callable[[], bool]) -> Examined:
    """Read a whole image file.

    Args:
        path: of the file.
        name: that it goes by, for its format and for messages.
        is_stopping: asked now and then; True ends it.

    Raises:
        ImageError: it is no image that can be used, it cannot be read, it changes just now, or
            it was told to stop.
    """
    stamp = stamp_of(path)
    try:
        kind = format_of(path, name)
        whole, signed = _hashes(path, stamp.size_bytes - SIGNATURE_BYTES, is_stopping)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    if stamp_of(path) != stamp:
        raise ImageError(f"{name} is being written just now")
    return Examined(path=path, stamp=stamp, format=kind, sha256=whole, signed_digest=signed)


def _hashes(path: Path, signed_bytes: int, is_stopping: Callable[[], bool]) -> tuple[str, bytes]:
    """Return the SHA-256 of all, and of the first `signed_bytes` (of nothing if negative)."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        left = max(0, signed_bytes)
        while left and (chunk := stream.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
            if is_stopping():
                raise ImageError("told to stop")
        signed = digest.copy().digest()
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest(), signed
