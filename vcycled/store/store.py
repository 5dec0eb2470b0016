"""The manager's memory: what a cycle needs of a space, and what it learned, in one transaction."""

from __future__ import annotations

import copy
import uuid as uuids
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vcycled.clock import Clock
from vcycled.errors import StoreError
from vcycled.model import (
    Changes,
    Drain,
    Machine,
    MachinetypeMemory,
    Order,
    Records,
    SpaceMemory,
    Terms,
)
from vcycled.remember import tallies
from vcycled.store import backup, rows
from vcycled.store.accounting import Accounting, mark_taken, save_intervals
from vcycled.store.claim import SoleLeases, lock_path
from vcycled.store.database import Database, chunks, connect, insert_new, upsert
from vcycled.store.dues import withdraw
from vcycled.store.history import History
from vcycled.store.leases import Leases, SharedLeases
from vcycled.store.lives import Lives
from vcycled.store.managers import Managers
from vcycled.store.opening import opened
from vcycled.store.schema import drains, events, machines, machinetypes, orders, properties, spaces
from vcycled.store.search import Search
from vcycled.store.sinks import Sinks
from vcycled.store.tenure import Lease
from vcycled.store.totals import raise_totals
from vcycled.store.upkeep import Upkeep
from vcycled.store.usage import UsageBook

_ID = "installation_id"
_LIVE_OF_SPACE = sa.select(*rows.MACHINE_COLUMNS).where(
    machines.c.stage.in_(rows.LIVE), machines.c.space == sa.bindparam("space")
)
_OPEN_ORDERS_OF_SPACE = (
    sa.select(orders.c.id, *(orders.c[name] for name in rows.ORDER))
    .where(orders.c.space == sa.bindparam("space"), orders.c.done_at.is_(None))
    .order_by(orders.c.id)
)


class Store(Accounting, History, Lives, Managers, Search, Sinks, Upkeep, UsageBook):
    """All that is remembered, in one database; to be used from any number of threads.

    Every method may raise StoreError: the database did not answer or refused, and nothing was
    changed.
    """

    def __init__(self, database: Database, *, clock: Clock) -> None:
        super().__init__(database, rows.TermsBook(), _leases(database, clock), clock)
        self._shelf = rows.MachineShelf()

    @classmethod
    def open(
        cls, url: str, *, clock: Clock, read_only: bool = False, upgrade: bool = True
    ) -> Self:
        """Open the store at `url`, making or upgrading its tables.

        Before an upgrade a SQLite file is copied to `FILE.version-OLD`. To be called after a fork,
        never before one.

        Args:
            url: `sqlite:////var/lib/vcycle/vcycle.db` or `postgresql://USER@HOST/NAME`.
            clock: says when orders were carried out, and since when records wait.
            read_only: nothing is made, upgraded or written.
            upgrade: False for commands, which must not change tables under a running manager.

        Raises:
            StoreError: it does not answer, is not ours, was made by a newer Vcycle, or is of an
                older version and must not be upgraded here.
        """
        return cls(opened(url, read_only=read_only, upgrade=upgrade), clock=clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def files(self) -> tuple[Path, ...]:
        """What a manager that has enrolled holds open, and must find at these paths for ever.

        None if the database is a server's.
        """
        path = self._database.path
        return () if path is None else (path, lock_path(path))

    def close(self) -> None:
        """Close all connections; who has not left its leases lets them run out."""
        self.leases.close()
        self._database.close()

    def under(self, lease: Lease) -> Self:
        """Return this store for the holder of `lease`: it takes nothing once that is lost."""
        leased = copy.copy(self)
        leased.lease = lease
        return leased

    def installation_id(self) -> str:
        """Return what marks machines as ours on the clouds; minted when first asked for."""
        with self._database.read() as connection:
            found = _installation_id(connection)
        if found is not None:
            return found
        with self._database.write() as connection:
            minted: dict[str, object] = {"name": _ID, "value": str(uuids.uuid4())}
            insert_new(connection, properties, [minted])
            return str(_installation_id(connection))

    def adopt_installation_id(self, installation_id: str) -> None:
        """Go on under the id of a database that was lost.

        Raises:
            StoreError: machines were made under another id here; they would become strangers.
        """
        with self._database.write() as connection:
            found = _installation_id(connection)
            if found == installation_id:
                return
            has_machines = connection.scalar(sa.select(machines.c.uuid).limit(1)) is not None
            if found is not None and has_machines:
                message = (
                    f"{self._database.name}: its machines are marked as those of {found}, "
                    f"not of {installation_id}"
                )
                raise StoreError(message)
            upsert(connection, properties, [{"name": _ID, "value": installation_id}])

    def spaces_with_machines(self) -> frozenset[str]:
        """Return the names of the spaces that still have machines that are not gone."""
        query = sa.select(machines.c.space).where(machines.c.stage.in_(rows.LIVE)).distinct()
        with self._database.read() as connection:
            return frozenset(connection.scalars(query))

    def records(self, space: str) -> Records:
        """Return what a cycle of `space` needs, as of one instant; machines in any order."""
        key = {"space": space}
        with self._database.read() as connection:
            terms = self._terms.load(connection)
            found = rows.fetch(connection, _LIVE_OF_SPACE, key)
            return Records(
                memory=_memory(connection, space),
                machines=self._shelf.refresh(space, found, terms),
                machinetypes=tuple(
                    MachinetypeMemory(**each)
                    for each in _of_space(connection, machinetypes, rows.MACHINETYPE, space)
                ),
                drains=tuple(
                    Drain(**each) for each in _of_space(connection, drains, rows.DRAIN, space)
                ),
                orders=_open_orders(connection, space),
            )

    def memory(self, space: str) -> SpaceMemory:
        """Return what is remembered of a space as a whole."""
        with self._database.read() as connection:
            return _memory(connection, space)

    def known(self, wanted: Iterable[str]) -> Mapping[str, Machine]:
        """Return the machines remembered under these uuids, gone or not, by uuid."""
        query = sa.select(*rows.MACHINE_COLUMNS)
        with self._database.read() as connection:
            terms = self._terms.load(connection)
            return {
                each[0]: rows.to_machine(each, terms)
                for chunk in chunks(wanted)
                for each in rows.fetch(connection, query.where(machines.c.uuid.in_(chunk)))
            }

    def save(self, changes: Changes) -> None:
        """Write `changes`, all or nothing; without any, nothing is done.

        Raises:
            LeaseLost: nothing was written: another manager holds the space.
            StoreError: nothing was written: the database refused, or a run that was exported
                would be changed.
        """
        if changes == Changes(space=changes.space):
            return
        with self._database.write() as connection:
            self._write(connection, changes)

    def take_over(self, changes: Iterable[Changes], *, sink: str) -> None:
        """Write what another manager left, all or nothing.

        Its runs are those whose records that manager wrote, as `sink` does: no sink is given any.

        Raises:
            LeaseLost: nothing was written: a manager holds one of the spaces.
            StoreError: nothing was written.
        """
        with self._database.write() as connection:
            for each in changes:
                self._write(connection, each)
                taken = [((run.uuid, run.interval), run.ended_at) for run in each.intervals]
                mark_taken(connection, sink, taken, now=self._clock.now())
                withdraw(connection, (key for key, _ in taken))

    def _write(self, connection: Connection, changes: Changes) -> None:
        self._fence(connection, changes.space)
        now = self._clock.now()
        _save_machines(connection, changes, self._terms, now=now)
        _save_memory(connection, changes)
        if changes.done_orders:
            done = orders.update().where(orders.c.id.in_(changes.done_orders))
            connection.execute(done.values(done_at=now))
        raise_totals(connection, tallies(changes))
        if changes.events:
            connection.execute(events.insert(), [rows.row(e, rows.EVENT) for e in changes.events])

    def order(self, order: Order) -> int:
        """Leave `order` for the next cycle of its space; return the number it was given."""
        with self._database.write() as connection:
            insert = orders.insert().returning(orders.c.id)
            number: int = connection.scalars(insert, rows.row(order, rows.ORDER)).one()
        return number

    def spaces_with_orders(self, *, since: int) -> tuple[int, frozenset[str]]:
        """Return the number of the newest order, and the spaces of open ones above `since`."""
        newer = sa.select(orders.c.id, orders.c.space).where(
            orders.c.id > since, orders.c.done_at.is_(None)
        )
        with self._database.read() as connection:
            found = connection.execute(newer).all()
        newest = max((number for number, _ in found), default=since)
        return newest, frozenset(space for _, space in found)

    def backup(self, path: Path) -> None:
        """Put a checked copy of the database into `path` while it is in use.

        Raises:
            StoreError: no copy was made, or this is PostgreSQL, which has its own means.
        """
        if self._database.path is None:
            message = f"{self._database.name}: PostgreSQL databases are saved by pg_dump"
            raise StoreError(message)
        backup.copy(self._database.path, path)


def _leases(database: Database, clock: Clock) -> Leases:
    if database.path is not None:
        return SoleLeases(database.path)
    return SharedLeases(database, clock=clock)


def restore(url: str, path: Path) -> Path | None:
    """Make the backup `path` the database at `url`; return where the one it replaces now is.

    Raises:
        StoreError: the backup is damaged, vcycled is running, or `url` is a PostgreSQL database;
            nothing was changed.
    """
    database = connect(url, read_only=True)
    database.close()
    if database.path is None:
        message = f"{database.name}: PostgreSQL databases are restored by pg_restore"
        raise StoreError(message)
    return backup.put_back(path, database.path)


def _installation_id(connection: Connection) -> str | None:
    query = sa.select(properties.c.value).where(properties.c.name == _ID)
    found: str | None = connection.scalar(query)
    return found


def _of_space(
    connection: Connection, table: sa.Table, names: tuple[str, ...], space: str
) -> Iterable[sa.RowMapping]:
    return connection.execute(_rows_of_space(table, names), {"space": space}).mappings()


@cache
def _rows_of_space(table: sa.Table, names: tuple[str, ...]) -> sa.Executable:
    """Return what finds the rows of a space; to make it costs more than to find a few rows."""
    query = sa.select(*(table.c[name] for name in names))
    return query.where(table.c.space == sa.bindparam("space"))


def _memory(connection: Connection, space: str) -> SpaceMemory:
    for found in _of_space(connection, spaces, rows.SPACE_COLUMNS, space):
        return rows.to_space(found)
    return SpaceMemory(space=space)


def _open_orders(connection: Connection, space: str) -> tuple[Order, ...]:
    found = connection.execute(_OPEN_ORDERS_OF_SPACE, {"space": space}).mappings()
    return tuple(rows.to_order(each) for each in found)


def _save_machines(
    connection: Connection, changes: Changes, terms: rows.TermsBook, *, now: int
) -> None:
    promised: set[Terms] = {each.terms for each in changes.machines}
    promised |= {each.terms for each in changes.intervals}
    numbers = terms.numbers(connection, promised)
    upsert(connection, machines, [rows.of_machine(each, numbers) for each in changes.machines])
    save_intervals(connection, changes.intervals, numbers, now=now)


def _save_memory(connection: Connection, changes: Changes) -> None:
    kinds = [rows.row(each, rows.MACHINETYPE) for each in changes.machinetypes]
    upsert(connection, machinetypes, kinds)
    if changes.memory is not None:
        upsert(connection, spaces, [rows.of_space(changes.memory)])
    if changes.drains is not None:
        connection.execute(drains.delete().where(drains.c.space == changes.space))
        upsert(connection, drains, [rows.row(each, rows.DRAIN) for each in changes.drains])
