"""Whether vcycled runs here, as its lock tells."""

from __future__ import annotations

import fcntl
import os
from enum import StrEnum
from pathlib import Path


class ManagerState(StrEnum):
    """What can be said of the manager from this host."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    """It never ran on this host, or this user may not look."""


def manager_state(root: Path) -> ManagerState:
    """Return whether a vcycled holds the lock of `root` (see vcycled.daemon.process)."""
    try:
        handle = os.open(root / "vcycled.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ManagerState.UNKNOWN
    try:
        # Shared and given back at once: only a vcycled that starts in this very instant would
        # meet it. There is no way to ask for a flock without taking it.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return ManagerState.RUNNING
    else:
        return ManagerState.STOPPED
    finally:
        os.close(handle)
