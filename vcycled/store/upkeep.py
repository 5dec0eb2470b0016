"""Forgetting what is old, a little at a time so that no cycle waits for it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from vcycled.model import Stage
from vcycled.store import rows
from vcycled.store.database import Mode
from vcycled.store.room import Room
from vcycled.store.schema import (
    due,
    events,
    intervals,
    leases,
    machines,
    managers,
    orders,
    reports,
    spaces,
    totals,
)

_BATCH = 2000
"""Rows removed in one transaction: a few milliseconds."""
_PAGES = 5000
"""Pages of 4 KiB given back to the file system each time; the other free ones are used again."""


class Upkeep(Room):
    """The part of the store that keeps it small."""

    def forget_before(self, instant: int) -> int:
        """Remove what ended before `instant`, and return how many rows that were.

        Forgotten are events, orders that were carried out, reports of spaces that have had no
        cycle since, machines that are gone, unless a record of theirs is still due at a sink, and
        (not counted) totals of spaces and machinetypes of which nothing else is left.
        Runs of machines and their marks are kept for ever: they are what keeps a record from
        being sent twice, and what sync records count.

        Raises:
            StoreError: the database refused; what was removed until then stays removed.
        """
        unsent = sa.select(due.c.uuid).where(due.c.uuid == machines.c.uuid).exists()
        open_run = sa.select(intervals.c.uuid).where(
            intervals.c.uuid == machines.c.uuid, intervals.c.is_final == sa.false()
        )
        is_gone = sa.and_(machines.c.stage == Stage.GONE.value, machines.c.gone_at < instant)
        removed = self._remove(events, events.c.at < instant)
        removed += self._remove(orders, orders.c.done_at < instant)
        removed += self._remove(reports, reports.c.at < instant)
        removed += self._remove(machines, sa.and_(is_gone, ~unsent, ~open_run.exists()))
        self._forget_totals()
        self._shrink()
        return removed

    def _forget_totals(self) -> None:
        """Remove the totals of what was taken out of the configuration and has no history left.

        Names come and go, as with pipes of communities, and each total is a series for ever.
        """
        told = sa.select(events.c.id).where(
            events.c.space == totals.c.space, events.c.machinetype == totals.c.machinetype
        )
        lives = sa.select(machines.c.uuid).where(
            machines.c.stage.in_(rows.LIVE),
            machines.c.space == totals.c.space,
            machines.c.machinetype == totals.c.machinetype,
        )
        reported = sa.select(reports.c.space).where(reports.c.space == totals.c.space)
        is_of_space = totals.c.machinetype == ""
        is_over = sa.or_(
            sa.and_(is_of_space, ~reported.exists()),
            sa.and_(~is_of_space, ~told.exists(), ~lives.exists()),
        )
        with self._database.write() as connection:
            connection.execute(totals.delete().where(is_over))

    def abandoned(self, configured: Iterable[str]) -> frozenset[str]:
        """Return the spaces that were ours once, have no machines and are nobody's any more.

        Args:
            configured: the spaces of this manager; those of others are known here.
        """
        busy = sa.select(machines.c.space).where(machines.c.stage.in_(rows.LIVE)).distinct()
        with self._database.read() as connection:
            ours = set(connection.scalars(sa.select(spaces.c.space)))
            others = connection.scalars(sa.select(managers.c.spaces)).all()
            kept = {*configured, *connection.scalars(busy)}
        return frozenset(ours - kept.union(*map(json.loads, others)))

    def unattended(self, configured: Iterable[str]) -> Mapping[str, int]:
        """Return the spaces that have machines and that no manager could look after.

        One that holds a lease, or has it configured, may be away: that is told otherwise.

        Args:
            configured: the spaces of this manager; those of others are known here.

        Returns:
            By space, how many machines it has.
        """
        count = sa.select(machines.c.space, sa.func.count()).group_by(machines.c.space)
        held = sa.select(leases.c.space).where(leases.c.holder != "")
        with self._database.read() as connection:
            busy = connection.execute(count.where(machines.c.stage.in_(rows.LIVE))).all()
            others = connection.scalars(sa.select(managers.c.spaces)).all()
            kept = {*configured, *connection.scalars(held)}.union(*map(json.loads, others))
        return {space: number for space, number in busy if space not in kept}

    def size_bytes(self) -> int:
        """Return how much the database takes up on its disk, with its log."""
        path = self._database.path
        if path is not None:
            files = (path.with_name(f"{path.name}{end}") for end in ("", "-wal", "-shm"))
            return sum(each.stat().st_size for each in files if each.exists())
        with self._database.read() as connection:
            query = sa.select(sa.func.pg_database_size(sa.func.current_database()))
            size: int = connection.scalars(query).one()
        return size

    def _remove(self, table: sa.Table, which: sa.ColumnElement[bool]) -> int:
        (key,) = table.primary_key
        some = sa.select(key).where(which).limit(_BATCH)
        removed = 0
        while True:
            with self._database.write() as connection:
                count = connection.execute(table.delete().where(key.in_(some))).rowcount
            removed += count
            if count < _BATCH:
                return removed

    def _shrink(self) -> None:
        """Give freed pages of a SQLite file back, and empty its log; PostgreSQL does so itself."""
        if self._database.path is None:
            return
        with self._database.write(Mode.BARE) as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            # Only executescript runs such a statement to its end on every Python.
            driver.executescript(
                f"PRAGMA incremental_vacuum({_PAGES}); PRAGMA wal_checkpoint(TRUNCATE);"
            )
