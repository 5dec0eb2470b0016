"""Being the only manager of a database, as it must be with SQLite.

Two managers would each fill the same spaces; only a PostgreSQL database lets them share those out.
Commands and the web process need no claim: they read, or write orders.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.engine import Connection

from vcycled.errors import StoreError
from vcycled.store.tenure import Lease, Presence, Wishes


def lock_path(database: Path) -> Path:
    """Return the file that is locked by the manager of a SQLite database."""
    return database.with_name(f"{database.name}.lock")


class FileClaim:
    """A lock on the file PATH.lock beside a SQLite database.

    Not on the database itself: closing that file here would drop SQLite's own locks on it.
    """

    def __init__(self, database: Path) -> None:
        self._path = lock_path(database)
        self._handle: int | None = None

    def take(self) -> None:
        """Take it, or make sure that we still have it.

        Raises:
            StoreError: another manager has it.
        """
        if self._handle is not None:
            return
        try:
            handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"{self._path}: {error.strerror}"
            raise StoreError(message) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            message = f"{self._path}: another vcycled is using this database"
            raise StoreError(message) from error
        self._handle = handle

    def close(self) -> None:
        """Give it up; the file stays, for whoever waits for it by name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class SoleLeases:
    """All spaces are left to whoever has the claim; see Leases in leases.py."""

    is_shared = False
    to_hand_over = ""
    skew = 0.0

    def __init__(self, database: Path) -> None:
        self._claim = FileClaim(database)
        self._held: Mapping[str, Lease] = {}

    @property
    def held(self) -> Mapping[str, Lease]:
        """What was wished for at the last beat."""
        return self._held

    def enrol(self, presence: Presence) -> None:  # noqa: ARG002 - there is nobody to tell
        """Take the claim.

        Raises:
            StoreError: another manager has it.
        """
        self._claim.take()

    def beat(self, wishes: Wishes) -> None:
        """Hold whatever is wished for.

        Raises:
            StoreError: another manager has the claim.
        """
        try:
            self._claim.take()
        except StoreError:
            self._held = {}
            raise
        self._held = {space: Lease(space=space, holder="", epoch=0) for space in wishes.all}

    def is_worth_a_beat(self, wishes: Wishes) -> bool:
        """Return whether there is a new wish."""
        return not wishes.all <= self._held.keys()

    def may_act(self, lease: Lease) -> bool:
        """Return whether the space is still wished for."""
        return lease.space in self._held

    def leave(self) -> None:
        """Give up the claim."""
        self.close()

    def close(self) -> None:
        """Give up the claim."""
        self._held = {}
        self._claim.close()

    def fence(self, connection: Connection, space: str, lease: Lease | None) -> None:
        """Let it pass: who has the claim is the only one, and knows no second epoch."""
