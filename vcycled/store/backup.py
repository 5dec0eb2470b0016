"""Copies of a SQLite database: made while it is in use, and put back when it is not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from vcycled.errors import StoreError
from vcycled.store import schema
from vcycled.store.claim import FileClaim


def copy(source: Path, target: Path) -> None:
    """Put a checked copy of the database `source` into `target`; writers need not wait.

    The copy is of one instant, may be read by its owner only, and stands at `target` whole or not
    at all. A file that was there is replaced.

    Raises:
        StoreError: no copy was made; `target` is as it was.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    with _explained(target, temporary):
        _fill(temporary, source)
        temporary.replace(target)
        _sync(target.parent)


def check(path: Path) -> None:
    """Raise StoreError unless `path` is a sound Vcycle database that this version can open."""
    try:
        with closing(_connect(path)) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            broken_links = connection.execute("PRAGMA foreign_key_check").fetchone()
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        message = f"{path}: not a database of Vcycle, or damaged: {error}"
        raise StoreError(message) from error
    if verdict != "ok" or broken_links:
        message = f"{path}: damaged: {verdict if verdict != 'ok' else 'rows point nowhere'}"
        raise StoreError(message)
    _refuse_unknown(path, found[0] if found else "")


def _refuse_unknown(path: Path, revision: str) -> None:
    from vcycled.store import migrate  # noqa: PLC0415 - Alembic is slow to load, and rarely needed

    if revision != schema.REVISION and revision not in migrate.revisions():
        message = f"{path}: of version {revision!r}, which this Vcycle does not know"
        raise StoreError(message)


def put_back(source: Path, target: Path) -> Path | None:
    """Make the copy `source` the database `target`; return where the one it replaces now is.

    Raises:
        StoreError: `source` is damaged or not ours, or a manager is running on `target`; nothing
            was changed.
    """
    check(source)
    with closing(FileClaim(target)) as claim:
        claim.take()
        temporary = target.with_name(f".{target.name}.tmp")
        with _explained(target, temporary):
            _fill(temporary, source)
            with closing(_connect(temporary, "rw")) as connection:
                connection.execute("PRAGMA journal_mode = WAL")  # as a new one is made
            _sync(temporary)
            replaced = _set_aside(target) if target.exists() else None
            temporary.replace(target)
            _sync(target.parent)
    return replaced


def _set_aside(path: Path) -> Path:
    """Keep the database at `path` under a second name, with its log, and return that name.

    A log left in place would be played into the database that comes instead, so it is emptied
    first: should we die before that comes, the old one is still whole. A damaged one keeps its
    log under the second name, for whoever wants to mend it.
    """
    aside = path.with_name(f"{path.name}.replaced")
    for each in (aside, _beside(aside, "-wal"), _beside(aside, "-shm")):
        each.unlink(missing_ok=True)
    os.link(path, aside)
    if _beside(path, "-wal").exists():
        os.link(_beside(path, "-wal"), _beside(aside, "-wal"))
    with suppress(sqlite3.Error), closing(_connect(path, "rw")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for ending in ("-wal", "-shm"):
        _beside(path, ending).unlink(missing_ok=True)
    return aside


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _connect(path: Path, mode: str = "ro") -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)


def _fill(temporary: Path, source: Path) -> None:
    """Copy the database `source`, log included, to the private file `temporary`; check it."""
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(_connect(source)) as connection:
        connection.execute("VACUUM INTO ?", (str(temporary),))
    check(temporary)
    _sync(temporary)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(target: Path, temporary: Path) -> Iterator[None]:
    """Turn errors about `target` into StoreError, and leave no `temporary` behind."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{target}: {reason}"
        raise StoreError(message) from error
    finally:
        temporary.unlink(missing_ok=True)
