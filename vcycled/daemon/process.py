"""What makes a process a daemon: one copy at a time, a pid file, detaching, logs that reopen."""

from __future__ import annotations

import faulthandler
import fcntl
import gc
import logging
import logging.handlers
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from daemon import DaemonContext

from vcycled import files, kvlog
from vcycled.errors import OperatorError

_LOG_MODE = 0o640
_TRIES = 10
_MANY_OBJECTS = 10_000


def lock_path(root: Path) -> Path:
    """Return the file that is locked by the manager of `root`."""
    return root / "vcycled.lock"


@contextmanager
def only_one(root: Path) -> Iterator[int]:
    """Hold the lock that keeps a second manager off the same folder; yield its descriptor.

    The kernel drops the lock when the process dies, however it dies, so a stale pid file never
    hinders a start. A child that was forked keeps it.

    Raises:
        OperatorError: another manager runs there, or the folder cannot be written.
    """
    path = lock_path(root)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OperatorError(f"{path} cannot be opened: {error.strerror}") from error
    if not _is_locked(handle):
        os.close(handle)
        raise OperatorError(f"another vcycled runs on {root} (it holds {path})")
    try:
        yield handle
    finally:
        os.close(handle)


def _is_locked(handle: int) -> bool:
    """Take the lock; try again for a second, as `vcycle status` holds it while it looks."""
    never = threading.Event()
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            never.wait(1 / _TRIES)
        else:
            return True
    return False


@contextmanager
def pid_file(path: Path) -> Iterator[None]:
    """Keep this process's id in `path`, in place of whatever a dead one left there.

    At the end it goes, unless it is that of another manager by now: of one whose root is a new
    folder where ours was.

    Raises:
        OperatorError: it cannot be written.
    """
    try:
        files.write(path, f"{os.getpid()}\n")
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            if files.read_text(path) == str(os.getpid()):
                path.unlink()


def detach(keep: list[int]) -> None:
    """Leave the terminal and go on in the background, keeping the descriptors in `keep` open.

    To be called before there are threads.
    """
    DaemonContext(
        detach_process=True,
        umask=0o022,
        working_directory="/",
        files_preserve=keep,
        signal_map={},
    ).open()


class _LogFile(logging.handlers.WatchedFileHandler):
    """A log file that is not for everybody, and is opened anew when it was moved away."""

    def _open(self) -> object:  # type: ignore[override] # the stream is not used here
        stream = super()._open()
        os.fchmod(stream.fileno(), _LOG_MODE)
        return stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; to standard error if the folder of the file is gone."""
        try:
            super().emit(record)
        except OSError:
            sys.stderr.write(f"{self.format(record)}\n")


def log_to(path: Path | None, level: str) -> logging.Handler:
    """Send all log lines to `path`, or to standard error; return the handler.

    Raises:
        OperatorError: the file cannot be opened.
    """
    handler: logging.Handler
    try:
        handler = logging.StreamHandler() if path is None else _LogFile(path, encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{path} cannot be opened: {error.strerror}") from error
    kvlog.send_to(handler, level)
    return handler


def reopen(handler: logging.Handler) -> None:
    """Write to the file of that name from now on, if it was moved away (SIGHUP, logrotate)."""
    if isinstance(handler, logging.handlers.WatchedFileHandler):
        handler.acquire()
        try:
            handler.reopenIfNeeded()
        finally:
            handler.release()


def tell_where_it_hangs() -> None:
    """Let every thread's place be written to standard error when the watchdog ends us (SIGABRT).

    Places only: neither arguments nor values, which may be secrets.
    """
    faulthandler.enable(2)


def collect_seldom() -> None:
    """Let Python look for garbage that holds itself only after many new objects, not after 700.

    A cycle makes facts by the ten thousand and rings hardly ever. With the usual number it looks
    through all facts a hundred times, which is a quarter of what a cycle of a large space costs.
    """
    gc.set_threshold(_MANY_OBJECTS)
