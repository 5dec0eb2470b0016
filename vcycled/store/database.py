"""Connections and transactions, alike for SQLite and PostgreSQL, and all their errors as ours.

# Note [One writer]

Writers stand in line, in this process at a lock and between processes at the database: SQLite's
BEGIN IMMEDIATE, an advisory lock in PostgreSQL. So no write fails because of another one, numbers
given to rows are committed in their order, and what a writer reads stays true until it commits.
Readers see one instant of the database and wait for nobody.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from functools import cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from vcycled.errors import StoreError

T = TypeVar("T")

CHUNK = 300
"""Keys in one statement, up to three values each; SQLite may be built to take 999."""
BUSY_S = 30.0
"""How long a write waits for another process (SQLite: `?timeout=` in the URL sets it)."""
CONNECTIONS = 6
"""Most at once; each may hold 2 MB of SQLite's cache."""
LOCK = 0x7663_7963_6C65_0001
"""Number of the advisory lock of writers in PostgreSQL."""


class Mode(Enum):
    """What a transaction is for."""

    READ = auto()
    WRITE = auto()
    RELAXED = auto()
    """A write that a power cut may undo (whole), and that waits for no disk."""
    BARE = auto()
    """No transaction: for statements that refuse one."""


_DRIVER = "postgresql+psycopg"
_OPTION = "vcycle_mode"
_SQLITE: Mapping[Mode, tuple[str, ...]] = MappingProxyType(
    {
        Mode.READ: ("BEGIN",),
        Mode.WRITE: ("PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"),
        Mode.RELAXED: ("PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE"),
        Mode.BARE: (),
    }
)
_POSTGRESQL: Mapping[Mode, tuple[str, ...]] = MappingProxyType(
    {
        Mode.READ: ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",),
        Mode.WRITE: (f"SELECT pg_advisory_xact_lock({LOCK})",),
        Mode.RELAXED: (
            "SET LOCAL synchronous_commit TO OFF",
            f"SELECT pg_advisory_xact_lock({LOCK})",
        ),
        Mode.BARE: (),
    }
)
_SERVER: Mapping[str, str] = MappingProxyType(
    {
        "statement_timeout": "120s",
        "lock_timeout": "30s",
        # A manager that stops, or is cut off, in the midst of a write must not hold up the others.
        "idle_in_transaction_session_timeout": "10s",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "3",
        "tcp_keepalives_count": "3",
    }
)
"""Settings of each session at the server."""
_CLIENT: Mapping[str, int] = MappingProxyType(
    {
        "connect_timeout": 10,
        "tcp_user_timeout": 20_000,
        "keepalives_idle": 5,
        "keepalives_interval": 3,
        "keepalives_count": 3,
    }
)
"""A server that vanished is found out within 20 s, also while we wait for its answer."""


class Database:
    """One database, shared by all threads of a process. Open it after forking, not before."""

    def __init__(
        self, engine: Engine, *, name: str, path: Path | None, is_read_only: bool
    ) -> None:
        self.name = name
        """URL without a password, or path: for messages."""
        self.path = path
        """File of a SQLite database; None for PostgreSQL."""
        self.is_read_only = is_read_only
        self._engines = {mode: engine.execution_options(**{_OPTION: mode}) for mode in Mode}
        self._writer = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The engine whose transactions read."""
        return self._engines[Mode.READ]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one instant of the database.

        Raises:
            StoreError: the database does not answer, or refuses.
        """
        with self.errors(), self._engines[Mode.READ].begin() as connection:
            yield connection

    @contextmanager
    def write(self, mode: Mode = Mode.WRITE) -> Iterator[Connection]:
        """Give the one connection that may write; committed at the end, undone by an exception.

        Raises:
            StoreError: it was not taken (locked, disk full, read-only, …); nothing was changed.
        """
        if self.is_read_only:
            message = f"{self.name}: opened for reading only"
            raise StoreError(message)
        with self.errors(), self._writer, self._engines[mode].begin() as connection:
            yield connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn whatever a database or its driver raises into StoreError."""
        try:
            yield
        except DBAPIError as error:
            raise self._error(error.orig or error) from error
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._error(error) from error
        except OverflowError as error:
            message = f"{self.name}: a number does not fit into 64 bits"
            raise StoreError(message) from error

    def _error(self, error: BaseException) -> StoreError:
        # The first line only: the rest may repeat statements with all their values.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return StoreError(f"{self.name}: {lines[0]}")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def connect(url: str, *, read_only: bool) -> Database:
    """Return the database at `url`, which need not answer yet.

    Raises:
        StoreError: not a URL of SQLite or PostgreSQL, or the driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError as error:
        message = "the database URL cannot be read; accepted are sqlite:///PATH and postgresql://…"
        raise StoreError(message) from error
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(parsed, read_only=read_only)
        case "postgresql":
            return _postgresql(parsed, read_only=read_only)
        case other:
            message = f"databases of kind {other} are not supported, only sqlite and postgresql"
            raise StoreError(message)


def _sqlite(url: URL, *, read_only: bool) -> Database:
    if not url.database or url.database == ":memory:":
        message = "a SQLite URL names a file: sqlite:////var/lib/vcycle/vcycle.db"
        raise StoreError(message)
    path = Path(url.database).absolute()
    timeout_s = _timeout_s(url)
    # Never mode=rwc: a file that vanished under us must not come back empty.
    uri = f"file:{quote(str(path))}?mode={'ro' if read_only else 'rw'}"

    def creator() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False
        )

    engine = sa.create_engine(
        "sqlite://", creator=creator, poolclass=QueuePool, pool_size=CONNECTIONS, max_overflow=0
    )
    sa.event.listen(engine, "connect", _enforce_foreign_keys)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return Database(engine, name=str(path), path=path, is_read_only=read_only)


def _timeout_s(url: URL) -> float:
    text = url.query.get("timeout", str(BUSY_S))
    try:
        return float(str(text))
    except ValueError as error:
        message = f"?timeout= of a SQLite URL must be a number of seconds, not {text!r}"
        raise StoreError(message) from error


def _postgresql(url: URL, *, read_only: bool) -> Database:
    if url.drivername not in {"postgresql", _DRIVER}:
        message = f"{url.drivername} is not supported for PostgreSQL, only psycopg"
        raise StoreError(message)
    url = url.set(drivername=_DRIVER)
    settings = {**_SERVER, "default_transaction_read_only": "on" if read_only else "off"}
    stated = " ".join(f"-c {name}={value}" for name, value in settings.items())
    stated = f"{stated} {url.query.get('options', '')}"
    try:
        engine = sa.create_engine(
            url,
            connect_args={**_CLIENT, "options": stated},
            pool_pre_ping=True,
            pool_size=CONNECTIONS,
            max_overflow=0,
        )
    except ImportError as error:
        message = "the driver psycopg is missing; install the extra postgresql of vcycle"
        raise StoreError(message) from error
    sa.event.listen(engine, "begin", _begin_postgresql)
    name = url.set(query={}).render_as_string(hide_password=True)
    return Database(engine, name=name, path=None, is_read_only=read_only)


def _enforce_foreign_keys(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    for statement in _SQLITE[connection.get_execution_options()[_OPTION]]:
        connection.exec_driver_sql(statement)


def _begin_postgresql(connection: Connection) -> None:
    for statement in _POSTGRESQL[connection.get_execution_options()[_OPTION]]:
        connection.exec_driver_sql(statement)


def chunks(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """Give `items` in portions for which one statement has room."""
    left = iter(items)
    while chunk := tuple(islice(left, CHUNK)):
        yield chunk


def upsert(connection: Connection, table: sa.Table, rows: list[dict[str, object]]) -> None:
    """Put `rows` into `table`, replacing those with the same primary key."""
    if rows:
        connection.execute(_upserting(connection.dialect.name, table), rows)


def insert_new(connection: Connection, table: sa.Table, rows: list[dict[str, object]]) -> None:
    """Put those of `rows` into `table` that break no unique key there; leave the others."""
    if rows:
        connection.execute(
            inserting(connection.dialect.name, table).on_conflict_do_nothing(), rows
        )


@cache
def _upserting(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    insert = inserting(dialect, table)
    values = {each.name: each for each in insert.excluded if each.name not in table.primary_key}
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=values)


def inserting(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insertion that can say what to do about rows that are there."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
