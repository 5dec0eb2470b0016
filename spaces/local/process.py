"""Processes of machines: known by pid and start, never by pid alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vcycled.spaces.local import shim

_PASSES = 100
"""Most looks for marked processes: one that is killed may have begun another just before."""


def own() -> str:
    """Return the identity of this process; see `shim.identity`."""
    return shim.identity(os.getpid())


def pid_of(identity: str) -> int:
    """Return the pid in an identity; 0 if that is empty."""
    return int(identity.partition(" ")[0] or 0)


def is_alive(identity: str) -> bool:
    """Return whether the very process of this identity is running."""
    return bool(identity) and shim.identity(pid_of(identity)) == identity


def is_of_this_boot(identity: str) -> bool:
    """Return whether the process was started since the host was."""
    return identity.rpartition(" ")[2] == shim.boot()


def terminate(identity: str) -> None:
    """Send SIGTERM to the very process of this identity, if there is one and it still runs."""
    if not identity:
        return
    try:
        handle = os.pidfd_open(pid_of(identity))
    except ProcessLookupError:
        return
    try:
        # The handle stays with one process, so what is looked at is what gets the signal.
        if is_alive(identity):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def kill_marked(mark: bytes) -> None:
    """Kill every process that has `mark`, a whole `NAME=value`, in its environment."""
    for _ in range(_PASSES):
        marked = list(_marked(mark))
        for pid in marked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not marked:
            return


def _marked(mark: bytes) -> Iterator[int]:
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            is_marked = mark in environ.read_bytes().split(b"\0")
        except OSError:  # another user's, or gone
            continue
        if is_marked:
            yield int(environ.parent.name)
