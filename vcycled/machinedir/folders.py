"""Making, filling and removing folders, whatever the umask and whoever else is at it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OPEN_FOLDER = 0o755
"""World-readable: httpd, site scripts and the web process look in."""
SHARED_FOLDER = 0o2770
"""Written by the manager and by the web process, which share its group."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be: path relative to a folder, content, permission bits."""

    path: str
    content: bytes
    mode: int


def make(path: Path, mode: int = OPEN_FOLDER) -> None:
    """Make a folder, and those above it, with these permissions unless it is there already.

    A setgid bit inherited from the folder above is kept, so that one `chmod g+s` on the tree
    gives all of it to the group that the manager and the web process share.
    """
    try:
        path.mkdir(mode)
    except FileExistsError:
        return
    except FileNotFoundError:
        make(path.parent)
        make(path, mode)
        return
    given = stat.S_IMODE(path.stat().st_mode)
    wanted = mode | (given & stat.S_ISGID)
    if given != wanted:
        path.chmod(wanted)


def fill(folder: Path, files: Iterable[NewFile]) -> None:
    """Write new files into a folder that nobody reads yet.

    Raises:
        OSError: some are not written, or one was there.
    """
    prefix = f"{folder}/"
    for new in files:
        handle = os.open(prefix + new.path, _NEW_FILE, new.mode)
        try:
            os.fchmod(handle, new.mode)
            _write_all(handle, new.content)
        finally:
            os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def is_there(path: Path | str) -> bool:
    """Return whether `path` is a file or link that is not empty; an empty file is a torn one."""
    try:
        return os.lstat(path).st_size > 0
    except FileNotFoundError:
        return False


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder, without hidden files; nothing if it is not there."""
    try:
        return [each for each in folder.iterdir() if not each.name.startswith(".")]
    except FileNotFoundError:
        return []


def within(folder: Path) -> list[Path]:
    """Return the folders in a folder that are neither hidden nor links."""
    return [each for each in visible(folder) if each.is_dir() and not each.is_symlink()]


def remove_all(old: Iterable[Path]) -> None:
    """Remove each of the folders.

    Raises:
        OSError: one cannot be removed; it is told only after the others went.
    """
    failed: OSError | None = None
    for each in old:
        try:
            remove(each)
        except OSError as error:
            failed = error
    if failed is not None:
        raise failed


def remove(folder: Path) -> None:
    """Remove a folder with all in it, if it is there.

    Raises:
        OSError: it cannot be removed, or folders in it are too deep.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except RecursionError as error:  # a machine of the local space can make folders that deep
        raise OSError(errno.ELOOP, "folders in it are too deep; rm -rf", str(folder)) from error
