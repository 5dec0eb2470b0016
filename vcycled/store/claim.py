"""Being the only manager of a database.

Two managers would each fill the same spaces. Until they can share them by leases, the second one
is refused. Commands and the web process need no claim: they read, or write orders.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from vcycled.errors import StoreError

NUMBER = 0x7663_7963_6C65_0002
"""Of the advisory lock in PostgreSQL."""


class Claim(Protocol):
    """A lock that lasts until it is closed or this process ends, however it ends."""

    def take(self) -> None:
        """Take it, or make sure that we still have it.

        Raises:
            StoreError: another manager has it.
        """
        ...

    def close(self) -> None:
        """Give it up."""
        ...


class FileClaim:
    """A lock on the file PATH.lock beside a SQLite database.

    Not on the database itself: closing that file here would drop SQLite's own locks on it.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.lock")
        self._handle: int | None = None

    def take(self) -> None:
        """Take it, or make sure that we still have it; see Claim."""
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


class ServerClaim:
    """An advisory lock that a connection to PostgreSQL holds while it lives."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._connection: Connection | None = None

    def take(self) -> None:
        """Take it, or make sure that we still have it; see Claim."""
        if self._is_alive():
            return
        self.close()
        self._connection = self._engine.connect()
        has_it = self._connection.scalar(sa.select(sa.func.pg_try_advisory_lock(NUMBER)))
        self._connection.commit()
        if not has_it:
            self.close()
            message = f"{self._name}: another vcycled is using this database"
            raise StoreError(message)

    def _is_alive(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.execute(sa.select(1))
            self._connection.commit()
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Give it up, by ending the connection that holds it."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
