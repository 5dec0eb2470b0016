"""How much room is left where the manager writes, and whether that is enough to create machines.

A machine that is made needs a folder, a place for its outputs, rows in the database and, at its
end, a record. What runs already needs that room too, so nothing is created once it gets short:
long before the disk is full, when nothing can be written any more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vcycled.config import ManagerOptions
from vcycled.config.places import database_url, sqlite_path

MB = 2**20
FILES_LEAST = 10_000
"""Files and folders that must be free too; a machine has about thirty of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A file system that the manager writes to."""

    folder: Path
    """Where the manager meets it."""
    total_bytes: int
    free_bytes: int
    """For anybody but root."""
    free_files: int | None
    """How many more files there can be; None where that has no bound of its own."""
    total_files: int | None = None
    """How many there can be at all; None as above."""


def shortage(disk: Disk, *, min_free_mb: int) -> str:
    """Return why `disk` has too little room for new machines; empty if it has enough.

    Args:
        disk: as it is now.
        min_free_mb: MB of 2**20 bytes that are to be free; 0 is content with any disk.
    """
    if not min_free_mb:
        return ""
    if disk.free_bytes < min_free_mb * MB:
        free = f"only {disk.free_bytes // MB} MiB are free on the disk of {disk.folder}"
        return f"{free}, and min_free_mb is {min_free_mb}"
    if disk.free_files is not None and disk.free_files < FILES_LEAST:
        free = f"only {disk.free_files} more files fit on the disk of {disk.folder}"
        return f"{free}, and {FILES_LEAST} should be free"
    return ""


def look(folder: Path) -> Disk:
    """Return the disk that `folder` is on.

    Raises:
        OSError: it is not there, or the file system does not answer.
    """
    found = os.statvfs(folder)
    return Disk(
        folder=folder,
        total_bytes=found.f_blocks * found.f_frsize,
        free_bytes=found.f_bavail * found.f_frsize,
        free_files=found.f_favail if found.f_files else None,
        total_files=found.f_files or None,
    )


def disks(manager: ManagerOptions) -> tuple[Disk, ...]:
    """Return each file system that the manager writes to, once.

    Raises:
        OSError: one of them does not answer.
    """
    found: dict[int, Disk] = {}
    for folder in _written(manager):
        found.setdefault(folder.stat().st_dev, look(folder))
    return tuple(found.values())


def disk_hold(manager: ManagerOptions) -> str:
    """Return why nothing may be created for want of room; empty if there is enough."""
    if not manager.min_free_mb:
        return ""
    try:
        found = disks(manager)
    except OSError as error:
        return f"disk: {error.filename} cannot be looked at: {error.strerror}"
    reasons = (shortage(each, min_free_mb=manager.min_free_mb) for each in found)
    why = "; ".join(filter(None, reasons))
    return f"disk: {why}" if why else ""


def _written(manager: ManagerOptions) -> Iterator[Path]:
    """Return the folders of the manager that may be on disks of their own."""
    database = sqlite_path(database_url(manager))
    wanted = [manager.root]
    wanted += [manager.root / name for name in ("shared", "apel-archive", "apel-outgoing")]
    wanted += [database.parent] if database else []
    yield from (folder for folder in wanted if folder.exists())
