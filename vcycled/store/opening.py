"""Opening a database: file and tables are made or brought up to date, or it is refused."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vcycled.errors import StoreError
from vcycled.store import backup, roster, schema
from vcycled.store.claim import FileClaim
from vcycled.store.database import Database, Mode, connect


def opened(url: str, *, read_only: bool, upgrade: bool) -> Database:
    """Return the database at `url` with the tables of schema.py.

    Raises:
        StoreError: see Store.open; what is refused is not touched.
    """
    database = connect(url, read_only=read_only)
    try:
        if database.path is not None:
            with database.errors():
                _find_file(database.path, read_only=read_only)
        found = _accepted(database, upgrade=upgrade and not read_only)
        if database.path is not None and not read_only:
            _log_ahead(database)
        if found != schema.REVISION:
            with _unmanaged(database, found):
                _upgrade(database)
    except StoreError:
        database.close()
        raise
    return database


def _find_file(path: Path, *, read_only: bool) -> None:
    """Make sure that there is a SQLite file."""
    try:
        if read_only:
            path.stat()
        elif not path.exists():
            _make_file(path)
    except OSError as error:
        hint = "; vcycled makes the database when it first runs" if read_only else ""
        message = f"{path}: {error.strerror}{hint}"
        raise StoreError(message) from error


def _make_file(path: Path) -> None:
    """Make an empty database for its owner only, unless another process is faster.

    It appears in WAL mode from the first instant: several that switch to it at once fail.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def _accepted(database: Database, *, upgrade: bool) -> str | None:
    """Return the revision of the tables, None if there are none yet, or refuse the database."""
    with database.read() as connection:
        found = _revision(connection)
        is_foreign = found is None and bool(sa.inspect(connection).get_table_names())
    if is_foreign:
        message = f"{database.name}: this is not a database of Vcycle"
        raise StoreError(message)
    if found == schema.REVISION:
        return found
    _refuse_newer(database, found)
    if not upgrade:
        state = f"of version {found}" if found else "empty"
        message = (
            f"{database.name}: the database is {state}, not of version {schema.REVISION}; "
            "the next start of vcycled makes it so"
        )
        raise StoreError(message)
    return found


def _log_ahead(database: Database) -> None:
    """Switch a SQLite file to WAL mode if it is not; one that was copied by hand may not be."""
    with database.write(Mode.BARE) as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        if mode != "wal":
            mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
    if mode != "wal":
        message = f"{database.name}: this file system cannot hold a SQLite database in WAL mode"
        raise StoreError(message)


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))


def _refuse_newer(database: Database, found: str | None) -> None:
    # Alembic takes 9 MB and 0.2 s: only who needs it pays.
    from vcycled.store import migrate  # noqa: PLC0415

    if found is not None and found not in migrate.revisions():
        message = (
            f"{database.name}: the database is of version {found}, made by a newer Vcycle; "
            f"this one knows up to {schema.REVISION}. Install the newer one again, or restore "
            "the backup that was made before the upgrade"
        )
        raise StoreError(message)


@contextmanager
def _unmanaged(database: Database, found: str | None) -> Iterator[None]:
    """Keep managers off a SQLite file that one of an older Vcycle made, and may still be using.

    Raises:
        StoreError: one is.
    """
    if found is None or database.path is None:
        yield
        return
    with closing(FileClaim(database.path)) as claim:
        claim.take()
        yield


def _upgrade(database: Database) -> None:
    from vcycled.store import migrate  # noqa: PLC0415 - as above

    with database.write() as connection:
        found = _revision(connection)  # another process may have been here first
        is_older = found is not None and found != schema.REVISION
        if is_older and database.path is not None:
            copy = database.path.with_name(f"{database.path.name}.version-{found}")
            backup.copy(database.path, copy)
        elif is_older:
            _refuse_while_managed(database, connection, found)
        migrate.upgrade(connection)
        if is_older and database.path is None:
            roster.end_all(connection)


def _refuse_while_managed(database: Database, connection: Connection, found: str | None) -> None:
    """Change no tables under managers of an older Vcycle, which would go on writing as before."""
    living = roster.living(connection)
    if living:
        message = (
            f"{database.name}: the database is of version {found} and must become version "
            f"{schema.REVISION}, but managers are alive that know it as it is: "
            f"{', '.join(living)}. Stop them first; one that died is alive for two beats more"
        )
        raise StoreError(message)
