"""Opening a database: file and tables are made or brought up to date, or it is refused."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vcycled.errors import StoreError
from vcycled.store import backup, schema
from vcycled.store.database import Database, Mode, connect


def opened(url: str, *, read_only: bool, upgrade: bool) -> Database:
    """Return the database at `url` with the tables of schema.py.

    Raises:
        StoreError: see Store.open; what is refused is not touched.
    """
    database = connect(url, read_only=read_only)
    try:
        if database.path is not None:
            _find_file(database.path, read_only=read_only)
        found = _accepted(database, upgrade=upgrade and not read_only)
        if database.path is not None and not read_only:
            _prepare_file(database, is_new=found is None)
        if found != schema.REVISION:
            _upgrade(database)
    except StoreError:
        database.close()
        raise
    return database


def _find_file(path: Path, *, read_only: bool) -> None:
    """Make sure that there is a SQLite file; one made here is for its owner only.

    One that is there is not opened: closing it would drop the locks that SQLite holds on it for
    another store of this process.
    """
    try:
        if read_only:
            path.stat()
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        hint = "; vcycled makes the database when it first runs" if read_only else ""
        message = f"{path}: {error.strerror}{hint}"
        raise StoreError(message) from error


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


def _prepare_file(database: Database, *, is_new: bool) -> None:
    with database.write(Mode.BARE) as connection:
        if is_new:  # before there is a table
            connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
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


def _upgrade(database: Database) -> None:
    from vcycled.store import migrate  # noqa: PLC0415 - as above

    with database.write() as connection:
        found = _revision(connection)  # another process may have been here first
        if found is not None and found != schema.REVISION and database.path is not None:
            copy = database.path.with_name(f"{database.path.name}.version-{found}")
            backup.copy(database.path, copy)
        migrate.upgrade(connection)
