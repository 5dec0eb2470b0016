"""What each sink is still to take: in its order, for one manager alone, or put aside.

# Note [Refused alone]

A sink may refuse one record and take all others. Such a record stands behind those that were never
refused, and is left alone for an hour each time, so that however many of them there are, what the
sink does take goes to it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from functools import cache
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vcycled.errors import StoreError
from vcycled.model import RunInterval
from vcycled.store import rows
from vcycled.store.database import chunks, inserting
from vcycled.store.schema import due, exports, intervals, sinks

Key: TypeAlias = tuple[str, int]
"""uuid and interval: what names a run."""

Values: TypeAlias = Mapping[str, str | int | list[str] | None]
"""What a query is given."""

REFUSED_SECONDS = 3600
"""How long a record that was refused alone is put aside."""

_RUN = ("uuid", "interval")
_INTRODUCED = sa.select(sinks.c.sink).where(sinks.c.sink == sa.bindparam("sink"))


class Whose(Enum):
    """Which due runs are meant, of managers that share the database."""

    ANYBODYS = auto()
    FREE_OR_MINE = auto()
    MINE = auto()


def aside(now: int) -> Values:
    """Return between which instants a sink must have refused what is put aside at `now`."""
    return {"aside_after": now - REFUSED_SECONDS, "aside_until": now}


@cache
def due_at_sink(
    *,
    of_space: bool,
    whose: Whose = Whose.ANYBODYS,
    is_choosy: bool = False,
    with_aside: bool = False,
) -> sa.Executable:
    """Return what finds the runs due at `sink`, `most` at once.

    Every cycle asks it, mostly for nothing, so that to make it would be what it costs.

    Args:
        of_space: only those of one `space`.
        whose: taken by whom.
        is_choosy: none of the spaces `besides`.
        with_aside: those too that are put aside.
    """
    order = (due.c.refused_at, due.c.ended_at, due.c.uuid, due.c.interval)
    query = sa.select(*order).where(due.c.sink == sa.bindparam("sink"))
    if of_space:
        query = query.where(due.c.space == sa.bindparam("space"))
    if is_choosy:
        query = query.where(due.c.space.not_in(sa.bindparam("besides", expanding=True)))
    if whose is Whose.MINE:
        query = query.where(due.c.taken_by == sa.bindparam("taken_by"))
    elif whose is Whose.FREE_OR_MINE:
        query = query.where(due.c.taken_by.in_(["", sa.bindparam("taken_by")]))
    if not with_aside:
        # What was refused in the future was so by a clock that was wrong.
        is_old = due.c.refused_at <= sa.bindparam("aside_after")
        query = query.where(is_old | (due.c.refused_at > sa.bindparam("aside_until")))
    # By itself, so that no database joins what is due with all runs before it sorts.
    first = query.order_by(*order).limit(sa.bindparam("most", type_=sa.Integer)).subquery("first")
    found = sa.select(*rows.INTERVAL_COLUMNS)
    found = found.join(first, sa.and_(*(intervals.c[name] == first.c[name] for name in _RUN)))
    return found.order_by(*first.columns)


def claimed(
    connection: Connection, sink: str, manager: str, found: Iterable[RunInterval]
) -> tuple[RunInterval, ...]:
    """Take these runs for `manager`; return those that nobody else took meanwhile."""
    runs = {(each.uuid, each.interval): each for each in found}
    mine: set[Key] = set()
    for chunk in chunks(runs):
        here = (due.c.sink == sink, among(due, chunk))
        free = due.update().where(*here, due.c.taken_by == "")
        connection.execute(free.values(taken_by=manager))
        query = sa.select(due.c.uuid, due.c.interval).where(*here, due.c.taken_by == manager)
        mine |= {(uuid, interval) for uuid, interval in connection.execute(query)}
    return tuple(run for key, run in runs.items() if key in mine)


def is_introduced(connection: Connection, sink: str) -> bool:
    """Return whether `sink` has begun."""
    return connection.scalar(_INTRODUCED, {"sink": sink}) is not None


def introduce(connection: Connection, sink: str, *, now: int) -> None:
    """Let `sink` begin, if it has not: with every final run that there is.

    One that was forgotten begins anew without them: who still gives it runs has only not read yet
    that it was taken out.
    """
    if is_introduced(connection, sink):
        return
    connection.execute(sinks.insert().values(sink=sink, named_at=now))
    has_taken = sa.select(exports.c.sink).where(exports.c.sink == sink).limit(1)
    if connection.scalar(has_taken) is None:
        _make_due(connection, sink, intervals.c.is_final == sa.true(), now=now)


def make_due(connection: Connection, sink: str, keys: Iterable[Key], *, now: int) -> None:
    """Make these runs due at `sink`, unless they are.

    Raises:
        StoreError: one of them is not known or not final.
    """
    for chunk in chunks(keys):
        demand_final(connection, chunk)
        _make_due(connection, sink, among(intervals, chunk), now=now)


def _make_due(
    connection: Connection, sink: str, which: sa.ColumnElement[bool], *, now: int
) -> None:
    run = (intervals.c.uuid, intervals.c.interval, intervals.c.space, intervals.c.ended_at)
    own = (sa.literal(sink), sa.literal(""), sa.literal(now), sa.literal(0), sa.literal(""))
    names = [*(each.name for each in run), "sink", "taken_by", "since", "refused_at", "refusal"]
    insert = inserting(connection.dialect.name, due)
    insert = insert.from_select(names, sa.select(*run, *own).where(which))
    connection.execute(insert.on_conflict_do_nothing())


def save_due(connection: Connection, runs: Iterable[tuple[str, RunInterval]], *, now: int) -> None:
    """Make final runs due at sinks; of one that is due already, tell where and when it ended."""
    found: list[dict[str, object]] = [
        {
            "sink": sink,
            "uuid": run.uuid,
            "interval": run.interval,
            "space": run.space,
            "ended_at": run.ended_at,
            "since": now,
            "taken_by": "",
            "refused_at": 0,
            "refusal": "",
        }
        for sink, run in runs
    ]
    if found:
        connection.execute(_saving(connection.dialect.name), found)


@cache
def _saving(dialect: str) -> sqlite.Insert | postgresql.Insert:
    insert = inserting(dialect, due)
    changed = {"space": insert.excluded.space, "ended_at": insert.excluded.ended_at}
    return insert.on_conflict_do_update(index_elements=list(due.primary_key), set_=changed)


def withdraw(connection: Connection, keys: Iterable[Key], *, sink: str | None = None) -> None:
    """Let these runs be due no more: at one sink, or at none."""
    for chunk in chunks(keys):
        gone = due.delete().where(among(due, chunk))
        connection.execute(gone if sink is None else gone.where(due.c.sink == sink))


def demand_final(connection: Connection, keys: Sequence[Key]) -> None:
    """Refuse runs that are no record's.

    Raises:
        StoreError: one of them is not known or not final.
    """
    query = sa.select(intervals.c.uuid, intervals.c.interval)
    query = query.where(among(intervals, keys), intervals.c.is_final == sa.true())
    found = {(uuid, interval) for uuid, interval in connection.execute(query)}
    for uuid, interval in keys:
        if (uuid, interval) not in found:
            message = f"run {interval} of machine {uuid} is not known, or not final yet"
            raise StoreError(message)


def same_run(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return whether a row of `table` is of the interval beside it."""
    is_same = (table.c.uuid == intervals.c.uuid, table.c.interval == intervals.c.interval)
    return sa.and_(*is_same)


def among(table: sa.Table, keys: Sequence[Key]) -> sa.ColumnElement[bool]:
    """Return whether a row of `table` is of one of these runs."""
    is_one = sa.tuple_(table.c.uuid, table.c.interval).in_(keys)
    # SQLite uses the index only for a list of single values.
    return sa.and_(table.c.uuid.in_([uuid for uuid, _ in keys]), is_one)
