"""Reading the published tree for strangers: in folders that are held open, through no link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vcycled.machinedir.layout import (
    FETCHED,
    JOBOUTPUTS,
    TOKEN_HASH,
    USER_DATA,
    X509DN,
    Layout,
    is_output_name,
)
from vcycled.machinedir.offers import Offer, offer_of
from vcycled.model.dn import Dn, parse_dn
from vcycled.web.auth import Owner

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""Not there, or a link or something else in its place."""
_MOST = 2**23
"""Of a feature or a heartbeat list: 100,000 machines have lists of 6 MB."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A plain file that is open; whoever has it closes it."""

    handle: int
    size: int
    changed_at: float


@contextmanager
def folder(path: Path, inner: str = "") -> Iterator[int]:
    """Hold open `path`, or the folder `inner` in it; neither may be a link.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    with _held(_open(path)) as outer:
        if not inner:
            yield outer
            return
        with _held(_open(inner, outer)) as handle:
            yield handle


def _open(name: Path | str, within: int | None = None) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=within)
    except OSError as error:
        if error.errno in _ABSENT:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(name)) from error
        raise


@contextmanager
def _held(handle: int) -> Iterator[int]:
    try:
        yield handle
    finally:
        os.close(handle)


class Reader:
    """What may be read of the tree. Each answer is None if there is no such thing."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def owner(self, space: str, machine: str) -> Owner | None:
        """Return how a machine proves that it is this one."""
        try:
            with folder(self._layout.machine(space, machine)) as handle:
                token_hash = _content(handle, TOKEN_HASH) or b""
                dn = _content(handle, X509DN) or b""
        except FileNotFoundError:
            return None
        return Owner(
            token_hash=token_hash.decode("ascii", errors="replace").strip(),
            dn=_dn(dn.decode(errors="replace").strip()),
        )

    def offer(self, space: str, machine: str) -> Offer | None:
        """Return on which terms a machine may fetch its user_data."""
        path = self._layout.machine(space, machine)
        return offer_of(lambda inner, name: self._small(path, inner, name))

    def user_data(self, space: str, machine: str, *, now: int) -> OpenFile | None:
        """Return the user_data of a machine, open, and note when it was first fetched.

        Raises:
            OSError: that cannot be noted, so it is not given away.
        """
        path = self._layout.machine(space, machine)
        try:
            with folder(path, JOBOUTPUTS) as outputs, suppress(FileExistsError):
                _write_new(outputs, FETCHED, f"{now}\n".encode())
            with folder(path) as handle:
                return _plain_file(USER_DATA, handle)
        except FileNotFoundError:
            return None

    def names(self, space: str, machine: str, inner: str) -> list[str] | None:
        """Return the names in a folder of a machine that can be asked for, sorted."""
        try:
            with (
                folder(self._layout.machine(space, machine), inner) as handle,
                os.scandir(handle) as entries,
            ):
                return sorted(entry.name for entry in entries if is_output_name(entry.name))
        except FileNotFoundError:
            return None

    def feature(self, space: str, machine: str, inner: str, key: str) -> bytes | None:
        """Return the value of a machine or job feature."""
        return self._small(self._layout.machine(space, machine), inner, key)

    def heartbeat_list(self, space: str, machinetype: str) -> bytes | None:
        """Return the list of living machines of a machinetype."""
        path = self._layout.heartbeat_list(space, machinetype)
        return self._small(path.parent, "", path.name)

    def output(self, space: str, machine: str, file: str) -> OpenFile | None:
        """Return a file among a machine's outputs, open."""
        return output_in(self._layout.machine(space, machine), file)

    def page(self, parts: tuple[str, ...]) -> OpenFile | None:
        """Return a file that the site publishes, open.

        Links may lead anywhere within `www/`, but not out of it nor to anything hidden.
        """
        www = self._layout.www
        try:
            real = www.joinpath(*parts).resolve(strict=True)
            inside = real.relative_to(www.resolve(strict=True))
        except (OSError, ValueError, RuntimeError):  # absent, outside, a loop of links
            return None
        if any(part.startswith(".") for part in inside.parts):
            return None
        return _plain_file(real)

    def _small(self, path: Path, inner: str, name: str) -> bytes | None:
        try:
            with folder(path, inner) as handle:
                return _content(handle, name)
        except FileNotFoundError:
            return None


def output_in(machine: Path, file: str) -> OpenFile | None:
    """Return a file among the outputs in the folder of a machine, open; None if there is none."""
    try:
        with folder(machine, JOBOUTPUTS) as handle:
            return _plain_file(file, handle)
    except FileNotFoundError:
        return None


def _plain_file(name: Path | str, within: int | None = None) -> OpenFile | None:
    try:
        handle = os.open(name, _FILE, dir_fd=within)
    except OSError as error:
        if error.errno in _ABSENT or error.errno in {errno.EACCES, errno.ENXIO}:
            return None
        raise
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        return None
    return OpenFile(handle, found.st_size, found.st_mtime)


def _content(within: int, name: str) -> bytes | None:
    found = _plain_file(name, within)
    if found is None:
        return None
    with _held(found.handle):
        return os.read(found.handle, _MOST)


def _write_new(within: int, name: str, content: bytes) -> None:
    with _held(os.open(name, _NEW, 0o640, dir_fd=within)) as handle:
        try:
            os.write(handle, content)
        except OSError:
            os.unlink(name, dir_fd=within)
            raise


@lru_cache(maxsize=1024)
def _dn(text: str) -> Dn | None:
    """Return the name that the manager published; None if it is none that could be compared."""
    try:
        return parse_dn(text) if text else None
    except ValueError:
        return None
