"""Runs of machines, and which sink of accounting records has taken which.

# Note [Exactly once]

A run is one row, `(uuid, interval)`. Once it is final it is *due* at every sink that has begun;
a sink that has written its record *marks* it, and the mark is never removed. Sending a record
again makes it due again; the mark stays, so counts do not change and the run stays what it was.
A run that any sink has taken cannot be changed any more: the writer must number a new one.

A sink that is not configured any more goes on collecting what is due, so that nothing is missing
when it is put back, until it is forgotten: by order, or as nobody has named it for long. Its marks
stay all the same.

Where managers share the database, each has sinks of its own on its own host. So a manager *takes*
a run in its own name before it writes the record, and nobody else writes it, also if it dies in
between: it finds what it took when it is back. One that never comes back is forgotten by order,
which frees what it took.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vcycled.accounting.base import APEL
from vcycled.errors import StoreError
from vcycled.model import RunInterval, Terms
from vcycled.remember import Tally, record_tally
from vcycled.store import rows
from vcycled.store.database import chunks, insert_new, upsert
from vcycled.store.dues import (
    Key,
    Values,
    Whose,
    among,
    aside,
    claimed,
    demand_final,
    due_at_sink,
    introduce,
    is_introduced,
    make_due,
    same_run,
    save_due,
    withdraw,
)
from vcycled.store.room import Room
from vcycled.store.schema import due, exports, intervals, sinks, terms
from vcycled.store.totals import raise_totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """A run, and what became of its records."""

    interval: RunInterval
    exports: tuple[tuple[str, int], ...]
    """Each sink that has taken it, and when first."""


class SyncCount(NamedTuple):
    """How many records of a month a site has published for a submit host."""

    site: str
    submit_host: str
    jobs: int


class Accounting(Room):
    """The part of the store that accounting works with."""

    def unexported(
        self, sink: str, *, space: str | None = None, limit: int = 1000
    ) -> tuple[RunInterval, ...]:
        """Return final runs (of one space, or of all) due at `sink`, those that ended first first.

        A sink that asks for the first time is given every final run there ever was. What it does
        not want it must mark all the same, or it will be given it for ever.

        Raises:
            StoreError: as every method here, if the database does not answer.
        """
        query = due_at_sink(of_space=space is not None, with_aside=True)
        values: dict[str, str | int | None] = {"sink": sink, "space": space, "most": limit}
        return self._due(sink, query, values)

    def take(self, sink: str, *, space: str, limit: int = 1000) -> tuple[RunInterval, ...]:
        """Return what is due at `sink` of a space that we hold, ours alone to write from now on.

        Raises:
            LeaseLost: another manager holds the space.
        """
        lease = self.lease
        now = self._clock.now()
        values: Values = {"sink": sink, "space": space, "most": limit, **aside(now)}
        if lease is None or not self.leases.is_shared:
            return self._due(sink, due_at_sink(of_space=True), values)
        query = due_at_sink(of_space=True, whose=Whose.FREE_OR_MINE)
        found = self._due(sink, query, {**values, "taken_by": lease.holder})
        if not found:
            return ()
        with self._database.write() as connection:
            self._fence(connection, space)
            return claimed(connection, sink, lease.holder, found)

    def claim(
        self, sink: str, manager: str, *, besides: Collection[str] = (), limit: int = 1000
    ) -> tuple[RunInterval, ...]:
        """Return what is due at `sink` of any space but some, `manager`'s alone from now on.

        It needs to hold none of these spaces: what a run is does not change once it is final.
        """
        query = due_at_sink(of_space=False, whose=Whose.FREE_OR_MINE, is_choosy=True)
        values: Values = {"sink": sink, "most": limit, "taken_by": manager, "besides": [*besides]}
        found = self._due(sink, query, {**values, **aside(self._clock.now())})
        if not found or not self.leases.is_shared:
            return found
        with self._database.write() as connection:
            return claimed(connection, sink, manager, found)

    def taken(self, sink: str, manager: str, *, limit: int = 1000) -> tuple[RunInterval, ...]:
        """Return what a manager took, of whatever space, and did not mark as exported."""
        query = due_at_sink(of_space=False, whose=Whose.MINE)
        values: Values = {"sink": sink, "most": limit, "taken_by": manager}
        return self._due(sink, query, {**values, **aside(self._clock.now())})

    def _due(self, sink: str, query: sa.Executable, values: Values) -> tuple[RunInterval, ...]:
        with self._database.read() as connection:
            if is_introduced(connection, sink):
                return self._runs(connection, query, values)
        with self._database.write() as connection:
            introduce(connection, sink, now=self._clock.now())
            return self._runs(connection, query, values)

    def mark_exported(self, sink: str, keys: Iterable[Key], at: int) -> None:
        """Record that `sink` has taken these runs at `at`; a second mark changes nothing.

        Raises:
            StoreError: one of them is not known or not final; none was marked.
        """
        wanted = tuple(dict.fromkeys(keys))
        with self._database.write() as connection:
            raise_totals(connection, _new_records(connection, sink, wanted))
            mark_taken(connection, sink, ((key, at) for key in wanted), now=at)

    def unmark(self, sink: str, keys: Iterable[Key]) -> None:
        """Make these runs due at `sink` again, for their records to be sent once more.

        Raises:
            StoreError: one of them is not known or not final; none is due.
        """
        now = self._clock.now()
        with self._database.write() as connection:
            introduce(connection, sink, now=now)
            make_due(connection, sink, keys, now=now)

    def note_refused(self, sink: str, refusals: Mapping[Key, str], at: int) -> None:
        """Put these runs, due at `sink`, aside for a while, and keep why it refused each.

        See note [Refused alone] of vcycled.store.dues.
        """
        with self._database.write() as connection:
            for key, why in refusals.items():
                here = (due.c.sink == sink, among(due, [key]))
                connection.execute(due.update().where(*here).values(refused_at=at, refusal=why))

    def is_exported(self, uuid: str, interval: int) -> bool:
        """Return True if any sink has ever taken this run."""
        query = sa.select(exports.c.sink).where(among(exports, [(uuid, interval)])).limit(1)
        with self._database.read() as connection:
            return connection.scalar(query) is not None

    def intervals(
        self,
        *,
        month: tuple[int, int] | None = None,
        space: str | None = None,
        uuid: str | None = None,
        limit: int | None = None,
    ) -> tuple[Accounted, ...]:
        """Return runs, final or not, those that ended last before others.

        Args:
            month: only those that ended in this year and month (1 to 12), in UTC.
            space: only those in this space.
            uuid: only those of this machine.
            limit: at most so many.
        """
        order = (intervals.c.ended_at.desc(), intervals.c.uuid, intervals.c.interval)
        query = sa.select(*rows.INTERVAL_COLUMNS).order_by(*order).limit(limit)
        if month is not None:
            query = query.where(in_month(*month))
        if space is not None:
            query = query.where(intervals.c.space == space)
        if uuid is not None:
            query = query.where(intervals.c.uuid == uuid)
        with self._database.read() as connection:
            runs = self._runs(connection, query)
            marks = _marks(connection, [(each.uuid, each.interval) for each in runs])
        return tuple(
            Accounted(interval=each, exports=marks.get((each.uuid, each.interval), ()))
            for each in runs
        )

    def sync_counts(self, year: int, month: int, *, sink: str = APEL) -> tuple[SyncCount, ...]:
        """Return how many published runs that ended in this month (in UTC) `sink` has taken.

        The server counts in the same way, by EndTime (formats.md 1.3).
        """
        key = (terms.c.site, terms.c.submit_host)
        query = (
            sa.select(*key, sa.func.count())
            .select_from(intervals.join(exports, same_run(exports)).join(terms))
            .where(in_month(year, month), exports.c.sink == sink)
            .where(terms.c.is_published == sa.true())
            .group_by(*key)
            .order_by(*key)
        )
        with self._database.read() as connection:
            found = connection.execute(query)
            return tuple(SyncCount(site, host, jobs) for site, host, jobs in found)

    def _runs(
        self,
        connection: Connection,
        query: sa.Executable,
        values: Values | None = None,
    ) -> tuple[RunInterval, ...]:
        known = self._terms.load(connection)
        found = connection.execute(query, values).mappings()
        return tuple(rows.to_interval(each, known) for each in found)


def _new_records(connection: Connection, sink: str, keys: Iterable[Key]) -> Counter[Tally]:
    """Return how many of these runs `sink` is given for the first time."""
    raised: Counter[Tally] = Counter()
    known = sa.select(exports.c.sink).where(same_run(exports), exports.c.sink == sink).exists()
    query = sa.select(intervals.c.space, intervals.c.machinetype).where(~known)
    for chunk in chunks(keys):
        found = connection.execute(query.where(among(intervals, chunk)))
        raised.update(record_tally(space, kind, sink) for space, kind in found)
    return raised


def mark_taken(
    connection: Connection, sink: str, taken: Iterable[tuple[Key, int]], *, now: int
) -> None:
    """Record that `sink` has taken these runs, each at its instant.

    Raises:
        StoreError: one of them is not known or not final.
    """
    introduce(connection, sink, now=now)
    instants = dict(taken)
    for chunk in chunks(instants):
        demand_final(connection, chunk)
        marks = [{"sink": sink, "uuid": u, "interval": i, "at": instants[u, i]} for u, i in chunk]
        insert_new(connection, exports, marks)
        withdraw(connection, chunk, sink=sink)


def save_intervals(
    connection: Connection,
    changed: Sequence[RunInterval],
    numbers: Mapping[Terms, int],
    *,
    now: int,
) -> None:
    """Write these runs; final ones become due at every sink that has not taken them.

    Raises:
        StoreError: one that a sink has taken would be changed (see note [Exactly once]).
    """
    _refuse_rewriting(connection, changed, numbers)
    upsert(connection, intervals, [rows.of_interval(each, numbers) for each in changed])
    known = connection.scalars(sa.select(sinks.c.sink)).all()
    withdraw(connection, ((run.uuid, run.interval) for run in changed if not run.is_final))
    final = {(run.uuid, run.interval): run for run in changed if run.is_final}
    for chunk in chunks(final):
        taken = {
            (sink, key) for key, marks in _marks(connection, chunk).items() for sink, _ in marks
        }
        new = ((sink, key) for key in chunk for sink in known if (sink, key) not in taken)
        save_due(connection, ((sink, final[key]) for sink, key in new), now=now)


def _refuse_rewriting(
    connection: Connection, changed: Sequence[RunInterval], numbers: Mapping[Terms, int]
) -> None:
    wanted = {(each.uuid, each.interval): rows.of_interval(each, numbers) for each in changed}
    for chunk in chunks(wanted):
        taken = sa.select(exports.c.sink).where(same_run(exports)).exists()
        query = sa.select(*rows.INTERVAL_COLUMNS).where(among(intervals, chunk), taken)
        for found in connection.execute(query).mappings():
            new = wanted[found["uuid"], found["interval"]]
            differing = [name for name in found if found[name] != new[name]]
            if differing:
                message = (
                    f"run {found['interval']} of {found['name']} has been exported and cannot "
                    f"be changed ({', '.join(differing)})"
                )
                raise StoreError(message)


def _marks(connection: Connection, keys: Sequence[Key]) -> dict[Key, tuple[tuple[str, int], ...]]:
    marks: dict[Key, tuple[tuple[str, int], ...]] = {}
    for chunk in chunks(keys):
        columns = (exports.c.uuid, exports.c.interval, exports.c.sink, exports.c.at)
        query = sa.select(*columns).where(among(exports, chunk)).order_by(exports.c.sink)
        for uuid, interval, sink, at in connection.execute(query):
            marks[uuid, interval] = (*marks.get((uuid, interval), ()), (sink, at))
    return marks


def in_month(year: int, month: int) -> sa.ColumnElement[bool]:
    """Return whether a run ended in this month (1 to 12), in UTC, as records have it."""
    start = calendar.timegm((year, month, 1, 0, 0, 0))
    end = calendar.timegm((year + month // 12, month % 12 + 1, 1, 0, 0, 0))
    return sa.and_(intervals.c.ended_at >= start, intervals.c.ended_at < end)
