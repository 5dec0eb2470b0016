"""When sinks of accounting records begin, what waits for them, and which of them fail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vcycled.model import Event
from vcycled.store import rows
from vcycled.store.database import insert_new, upsert
from vcycled.store.dues import Key, same_run
from vcycled.store.room import Room
from vcycled.store.schema import due, events, exports, intervals, leases, outages, sinks

NAMED_SECONDS = 600
"""How often a manager keeps that it has a sink in its configuration."""
UNNAMED_SECONDS = 2 * NAMED_SECONDS
"""No manager has a sink in its configuration that none has named for so long."""
_BATCH = 2000
"""Rows removed in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A sink that does not take what a manager gives it."""

    sink: str
    manager: str
    since: int
    """When it first failed of those times in a row."""
    failures: int
    retry_at: int | None
    """When it is tried again; None if at every cycle."""
    error: str
    """Why it failed last, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for one sink of one space."""

    sink: str
    space: str
    runs: int
    oldest_at: int
    """Since when the first of them waits."""
    refused: int = 0
    """How many of them the sink refused, each for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A record that a sink refuses though it takes others."""

    sink: str
    space: str
    machine: str
    uuid: str
    interval: int
    ended_at: int
    refused_at: int
    """When it last did."""
    refusal: str
    """Why, in one line."""


class Sinks(Room):
    """The part of the store that knows how sinks are."""

    def begin(self, wanted: Iterable[str]) -> None:
        """Let these sinks have every run that becomes final from now on, unless they do already.

        To be called again every NAMED_SECONDS: what waits for a sink that nobody names is given
        up at some time.

        Raises:
            StoreError: as every method here, if the database does not answer.
        """
        wanted, now = frozenset(wanted), self._clock.now()
        fresh = {sink for sink, at in self.sinks().items() if 0 <= now - at < NAMED_SECONDS}
        if fresh >= wanted:
            return
        with self._database.write() as connection:
            named = sinks.update().where(sinks.c.sink.in_(wanted)).values(named_at=now)
            connection.execute(named)
            insert_new(connection, sinks, [{"sink": each, "named_at": now} for each in wanted])

    def sinks(self) -> Mapping[str, int]:
        """Return the sinks that have begun, and when a manager last named each."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(sinks.c.sink, sinks.c.named_at))
            return {row.sink: row.named_at for row in found}

    def unnamed(self, configured: Collection[str]) -> frozenset[str]:
        """Return the sinks that have begun, and that no manager names any more.

        Args:
            configured: those of this manager; whether others name one is known here.
        """
        now, is_shared = self._clock.now(), self.leases.is_shared
        return frozenset(
            sink
            for sink, at in self.sinks().items()
            if sink not in configured and not (is_shared and abs(now - at) < UNNAMED_SECONDS)
        )

    def forget_sink(self, sink: str) -> int:
        """Let `sink` collect nothing any more; return how many runs were due at it.

        The marks of what it has taken stay, so that it is given nothing twice. Should it be named
        again, it begins anew.
        """
        of_it = due.c.sink == sink
        removed = self._remove_due(of_it)
        with self._database.write() as connection:  # last, or what is left would be nobody's
            removed += connection.execute(due.delete().where(of_it)).rowcount
            connection.execute(sinks.delete().where(sinks.c.sink == sink))
            connection.execute(outages.delete().where(outages.c.sink == sink))
        return removed

    def _remove_due(self, which: sa.ColumnElement[bool]) -> int:
        """Remove what is due, a little at a time as cycles wait for it; return how much."""
        some = sa.select(due.c.uuid).where(which).limit(_BATCH)
        removed = 0
        while True:
            with self._database.write() as connection:
                gone = connection.execute(due.delete().where(which, due.c.uuid.in_(some))).rowcount
            removed += gone
            if not gone:
                return removed

    def forget_unnamed(self, configured: Collection[str], before: int) -> Mapping[str, int]:
        """Forget the sinks that nobody has named since `before`; return what was due at each.

        What a cycle elsewhere gave to one at the instant when it was forgotten goes too.

        Args:
            configured: those of this manager, which are kept.
            before: Unix seconds.
        """
        named = self.sinks()
        gone = [each for each in sorted(self.unnamed(configured)) if named[each] < before]
        forgotten = {sink: self.forget_sink(sink) for sink in gone}
        self._remove_due(due.c.sink.not_in(sa.select(sinks.c.sink)))
        return forgotten

    def forget_refused(self, sink: str) -> int:
        """Let what `sink` refuses be due at it no more; return how many runs that were."""
        given_up = due.delete().where(due.c.sink == sink, due.c.refused_at != 0)
        with self._database.write() as connection:
            return connection.execute(given_up).rowcount

    def exported(self, sink: str | None = None) -> int:
        """Return how many runs `sink` has ever taken, or any sink."""
        runs = sa.select(exports.c.uuid, exports.c.interval).distinct()
        if sink is not None:
            runs = runs.where(exports.c.sink == sink)
        query = sa.select(sa.func.count()).select_from(runs.subquery())
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def backlogs(self) -> tuple[Backlog, ...]:
        """Return what is due, by sink and space."""
        key = (due.c.sink, due.c.space)
        refused = sa.func.count().filter(due.c.refused_at != 0)
        query = sa.select(*key, sa.func.count(), sa.func.min(due.c.since), refused)
        query = query.group_by(*key).order_by(*key)
        names = ("sink", "space", "runs", "oldest_at", "refused")
        with self._database.read() as connection:
            found = connection.execute(query)
            return tuple(Backlog(**dict(zip(names, row, strict=True))) for row in found)

    def refused(self, sink: str, *, limit: int) -> tuple[Refused, ...]:
        """Return what `sink` refuses though it takes others, those that ended first first."""
        run = (intervals.c.uuid, intervals.c.interval, intervals.c.name.label("machine"))
        query = sa.select(due.c.sink, due.c.space, *run, due.c.ended_at)
        query = query.add_columns(due.c.refused_at, due.c.refusal).join(intervals, same_run(due))
        query = query.where(due.c.sink == sink, due.c.refused_at != 0)
        query = query.order_by(due.c.ended_at, due.c.uuid, due.c.interval).limit(limit)
        with self._database.read() as connection:
            return tuple(Refused(**each) for each in connection.execute(query).mappings())

    def ended_between(
        self, *, since: int, until: int, space: str | None = None, new_to: str | None = None
    ) -> tuple[Key, ...]:
        """Return the final runs that ended at `since` or later, and before `until`.

        Args:
            since: Unix seconds.
            until: likewise.
            space: only those in this space.
            new_to: only those that this sink has never taken.
        """
        query = sa.select(intervals.c.uuid, intervals.c.interval)
        query = query.where(intervals.c.ended_at >= since, intervals.c.ended_at < until)
        query = query.where(intervals.c.is_final == sa.true())
        if space is not None:
            query = query.where(intervals.c.space == space)
        if new_to is not None:
            taken = sa.select(exports.c.sink).where(same_run(exports), exports.c.sink == new_to)
            query = query.where(~taken.exists())
        with self._database.read() as connection:
            return tuple((uuid, interval) for uuid, interval in connection.execute(query))

    def spaces_held(self) -> frozenset[str]:
        """Return the spaces that some manager of several holds."""
        query = sa.select(leases.c.space).where(leases.c.holder != "")
        with self._database.read() as connection:
            return frozenset(connection.scalars(query))

    def note_outage(self, outage: Outage, *, story: Iterable[Event] = ()) -> None:
        """Keep that a sink fails, until `end_outage`, and what is to be told of it."""
        row: dict[str, object] = {each.name: getattr(outage, each.name) for each in fields(Outage)}
        with self._database.write() as connection:
            upsert(connection, outages, [row])
            _tell(connection, story)

    def end_outage(self, sink: str, manager: str, *, story: Iterable[Event] = ()) -> None:
        """Forget that a sink failed for a manager, and keep what is to be told of it."""
        gone = outages.delete().where(outages.c.sink == sink, outages.c.manager == manager)
        with self._database.write() as connection:
            connection.execute(gone)
            _tell(connection, story)

    def tell(self, story: Iterable[Event]) -> None:
        """Keep what happened, of no machine and no cycle."""
        with self._database.write() as connection:
            _tell(connection, story)

    def outages(self) -> tuple[Outage, ...]:
        """Return which sinks fail, and for whom."""
        query = sa.select(outages).order_by(outages.c.sink, outages.c.manager)
        with self._database.read() as connection:
            return tuple(Outage(**each) for each in connection.execute(query).mappings())


def _tell(connection: Connection, story: Iterable[Event]) -> None:
    told = [rows.row(each, rows.EVENT) for each in story]
    if told:
        connection.execute(events.insert(), told)
