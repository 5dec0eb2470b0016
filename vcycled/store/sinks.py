"""When sinks of accounting records begin, what waits for them, and which of them fail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import sqlalchemy as sa

from vcycled.store.accounting import Key
from vcycled.store.database import insert_new, upsert
from vcycled.store.room import Room
from vcycled.store.schema import due, exports, intervals, leases, outages, sinks

_SAME_RUN = (due.c.uuid == intervals.c.uuid, due.c.interval == intervals.c.interval)


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
    """When the first of them ended."""


class Sinks(Room):
    """The part of the store that knows how sinks are."""

    def begin(self, wanted: Iterable[str]) -> None:
        """Let these sinks have every run that becomes final from now on, unless they do already.

        Raises:
            StoreError: as every method here, if the database does not answer.
        """
        wanted = tuple(wanted)
        with self._database.read() as connection:
            known = set(connection.scalars(sa.select(sinks.c.sink)))
        if known.issuperset(wanted):
            return
        with self._database.write() as connection:
            insert_new(connection, sinks, [{"sink": each} for each in wanted])

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
        key = (due.c.sink, intervals.c.space)
        query = sa.select(*key, sa.func.count(), sa.func.min(intervals.c.ended_at))
        query = query.where(*_SAME_RUN).group_by(*key).order_by(*key)
        with self._database.read() as connection:
            return tuple(
                Backlog(sink=sink, space=space, runs=runs, oldest_at=oldest_at)
                for sink, space, runs, oldest_at in connection.execute(query)
            )

    def ended_between(
        self, *, since: int, until: int, space: str | None = None
    ) -> tuple[Key, ...]:
        """Return the final runs that ended at `since` or later, and before `until`.

        Args:
            since: Unix seconds.
            until: likewise.
            space: only those in this space.
        """
        query = sa.select(intervals.c.uuid, intervals.c.interval)
        query = query.where(intervals.c.ended_at >= since, intervals.c.ended_at < until)
        query = query.where(intervals.c.is_final == sa.true())
        if space is not None:
            query = query.where(intervals.c.space == space)
        with self._database.read() as connection:
            return tuple((uuid, interval) for uuid, interval in connection.execute(query))

    def spaces_held(self) -> frozenset[str]:
        """Return the spaces that some manager of several holds."""
        query = sa.select(leases.c.space).where(leases.c.holder != "")
        with self._database.read() as connection:
            return frozenset(connection.scalars(query))

    def note_outage(self, outage: Outage) -> None:
        """Keep that a sink fails, until `end_outage`."""
        row: dict[str, object] = {each.name: getattr(outage, each.name) for each in fields(Outage)}
        with self._database.write() as connection:
            upsert(connection, outages, [row])

    def end_outage(self, sink: str, manager: str) -> None:
        """Forget that a sink failed for a manager."""
        gone = outages.delete().where(outages.c.sink == sink, outages.c.manager == manager)
        with self._database.write() as connection:
            connection.execute(gone)

    def outages(self) -> tuple[Outage, ...]:
        """Return which sinks fail, and for whom."""
        query = sa.select(outages).order_by(outages.c.sink, outages.c.manager)
        with self._database.read() as connection:
            return tuple(Outage(**each) for each in connection.execute(query).mappings())
