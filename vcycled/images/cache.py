"""The image cache: a copy of each image that is fetched, renewed only if the server's is newer.

`ROOT/imagecache/NAME` is the image, its time stamp that of the server (Last-Modified), so that a
cache of Vcycle 3 goes on. `.NAME.json` beside it keeps what the server must be asked with, bound
to the file by its size and time; without it the time stamp is what is asked with.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote

from vcycled import files
from vcycled.clock import Clock
from vcycled.download import Patience
from vcycled.errors import ImageError
from vcycled.images.examine import stamp_of
from vcycled.images.fetch import PATIENCE, RESERVE_BYTES, Fetch, Fetched, Progress, fetch
from vcycled.images.source import Source

_BESIDE = re.compile(r"\.(.+)\.(?:lock|json|part)|([^.].*)")
"""A copy, or a file beside one."""
_LONGEST_NAME = 240
"""File systems take 255 bytes; the files beside an image have six more than it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An image file on this host that can be used."""

    path: Path
    is_new: bool = False
    """True if it was fetched just now."""
    trouble: str = ""
    """Why the server could not be asked whether it has a newer one; empty if it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed:
    """A copy that no machinetype names."""

    path: Path
    size_bytes: int
    wanted_at: int
    """When one did last; now if that is not known, as of a copy of Vcycle 3."""


class Busy(ImageError):
    """Another thread or process is at it; the next round may find it done."""


class ImageCache:
    """Copies of images of web servers; any number of threads and processes may share it.

    Args:
        folder: made if it is not there.
        clock: stamps images whose server states no time.
        ca_folder: authorities of web servers that are trusted besides the usual ones.
        patience: with servers.
        reserve_bytes: what is left free on the disk.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        ca_folder: Path | None = None,
        patience: Patience = PATIENCE,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._ca_folder = ca_folder
        self._patience = patience
        self._reserve_bytes = reserve_bytes

    def path_of(self, source: Source) -> Path:
        """Return where the copy of a remote source is, or will be."""
        name = quote(source.label, safe="")
        if len(name) > _LONGEST_NAME:
            name = hashlib.sha256(name.encode()).hexdigest()[:16] + name[-_LONGEST_NAME + 16 :]
        return self._folder / name

    def refresh(
        self, source: Source, progress: Progress, *, is_stopping: Callable[[], bool]
    ) -> Copy:
        """Ask the server for its image unless it is the one that is here already.

        Raises:
            Busy: there is no copy, and another thread is fetching one.
            ImageError: there is no copy and none could be had.
        """
        path = self.path_of(source)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(path):
                os.utime(_lock(path))
                is_new = self._renew(source, path, progress, is_stopping)
        except ImageError as error:
            if not path.is_file():
                raise
            return Copy(path=path, trouble="" if isinstance(error, Busy) else str(error))
        except OSError as error:
            raise ImageError(f"{self._folder} cannot be written: {error.strerror}") from error
        return Copy(path=path, is_new=is_new)

    def prune(self, named: Iterable[Source], *, before: int) -> int:
        """Remove copies of none of these sources that nobody has asked for since an instant.

        With a copy goes what a fetch that was killed left of a newer one. A copy without a lock,
        such as one of Vcycle 3, is given one, and so begins to age.

        Returns:
            how many copies were removed.

        Raises:
            OSError: one could not be; those before it were.
        """
        kept = {self._name_here(source) for source in named}
        unnamed = (self._folder / name for name in sorted(self._names() - kept))
        return sum(self._prune_one(path) for path in unnamed if self._is_old(path, before))

    def unnamed(self, named: Iterable[Source]) -> Iterator[Unnamed]:
        """Yield the copies of none of these sources, by name.

        Raises:
            OSError: one cannot be looked at.
        """
        kept = {self._name_here(source) for source in named}
        for name in sorted(self._names() - kept):
            path, lock = self._folder / name, _lock(self._folder / name)
            with suppress(FileNotFoundError):  # it goes just now, or is being fetched
                size = path.stat().st_size
                wanted_at = self._clock.now()
                if lock.exists():
                    wanted_at = self._clock.of_stamp(lock.stat().st_mtime)
                yield Unnamed(path=path, size_bytes=size, wanted_at=wanted_at)

    def _name_here(self, source: Source) -> str:
        """Return the name of its copy, or of the file itself if a machinetype names that."""
        is_own_file = not source.is_remote and Path(source.place).parent == self._folder
        return Path(source.place).name if is_own_file else self.path_of(source).name

    def _names(self) -> set[str]:
        """Return the names of the copies that are here, or of which anything is."""
        with suppress(FileNotFoundError):
            files = (path.name for path in self._folder.iterdir() if not path.is_dir())
            found = map(_BESIDE.fullmatch, files)
            return {match[1] or match[2] for match in found if match}
        return set()

    def _is_old(self, path: Path, before: int) -> bool:
        lock = _lock(path)
        if not lock.exists():
            lock.touch(0o600)
        return self._clock.of_stamp(lock.stat().st_mtime) < before

    def _prune_one(self, path: Path) -> bool:
        """Remove all but the lock, which another process may be waiting for by its name."""
        is_there = path.exists()
        with suppress(Busy), _alone(path):
            for each in (_memo(path), _part(path), path):
                each.unlink(missing_ok=True)
        return is_there and not path.exists()

    def _renew(
        self, source: Source, path: Path, progress: Progress, is_stopping: Callable[[], bool]
    ) -> bool:
        """Put a newer image into `path`, if there is one; it is whole at any time."""
        part = _part(path)
        wish = Fetch(
            source=source,
            part=part,
            conditions=_conditions(path),
            progress=progress,
            is_stopping=is_stopping,
            ca_folder=self._ca_folder,
            patience=self._patience,
            reserve_bytes=self._reserve_bytes,
        )
        try:
            fetched = fetch(wish)
            if fetched is None:
                return False
            at = self._clock.now() if fetched.modified_at is None else fetched.modified_at
            os.utime(part, (at, at))
            _note(path, part, fetched)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of one image.

    Raises:
        Busy: another thread or process holds it.
    """
    with os.fdopen(
        os.open(_lock(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb"
    ) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise
            raise Busy("it is being fetched for another space") from error
        yield


def _lock(path: Path) -> Path:
    """Return the file that is locked; its time stamp is when the copy was last asked for."""
    return path.with_name(f".{path.name}.lock")


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _memo(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")


def _note(path: Path, part: Path, fetched: Fetched) -> None:
    """Note what the server must be asked with once `part` has become `path`."""
    stamp = stamp_of(part)
    note = {
        "file": [stamp.size_bytes, stamp.modified_ns],
        "If-None-Match": fetched.etag,
        "If-Modified-Since": fetched.last_modified,
    }
    files.write(_memo(path), json.dumps(note), mode=files.PRIVATE)


def _conditions(path: Path) -> dict[str, str]:
    """Return the headers by which the server sends its image only if it is not the one here."""
    if not path.is_file():
        return {}
    stamp = stamp_of(path)
    try:
        note = json.loads(files.read_text(_memo(path)) or "{}")
        if note["file"] == [stamp.size_bytes, stamp.modified_ns]:
            return {name: text for name, text in note.items() if name in _ASKED and text}
    except (ValueError, KeyError, TypeError):
        pass  # damaged: the time of the file is enough
    return {"If-Modified-Since": formatdate(stamp.modified_ns // 10**9, usegmt=True)}


_ASKED = ("If-None-Match", "If-Modified-Since")
