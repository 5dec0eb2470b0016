"""What machines used in a month, summed where the rows are."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from vcycled.store.accounting import in_month
from vcycled.store.room import Room
from vcycled.store.schema import intervals, terms


class Usage(NamedTuple):
    """What the final runs of one kind came to that ended in a month."""

    space: str
    machinetype: str
    fqan: str
    power_per_processor: float | None
    """None where the site stated none."""
    power_unit: str
    machines: int
    wall_seconds: int
    cpu_seconds: int
    """Wall seconds times processors, as accounting records have it."""


class UsageBook(Room):
    """The part of the store that sums what was used."""

    def usage(self, year: int, month: int) -> tuple[Usage, ...]:
        """Return what the runs used whose records are of this month (1 to 12), in UTC."""
        key = (intervals.c.space, intervals.c.machinetype, terms.c.fqan)
        power = (terms.c.power_per_processor, terms.c.power_unit)
        wall = _at_least(intervals.c.ended_at - intervals.c.started_at, 0)
        cpu = wall * _at_least(intervals.c.processors, 1)
        summed = (sa.func.count(intervals.c.uuid.distinct()), sa.func.sum(wall), sa.func.sum(cpu))
        query = sa.select(*key, *power, *summed).select_from(intervals.join(terms))
        query = query.where(in_month(year, month), intervals.c.is_final == sa.true())
        query = query.group_by(*key, *power).order_by(*key, *power)
        with self._database.read() as connection:
            # PostgreSQL sums into a type of its own, which is no int.
            return tuple(
                Usage(space, machinetype, fqan, each, unit, number, int(wall_s), int(cpu_s))
                for space, machinetype, fqan, each, unit, number, wall_s, cpu_s in (
                    connection.execute(query)
                )
            )

    def open_runs(self, year: int, month: int) -> int:
        """Return how many runs that ended in this month may still get a better end."""
        query = sa.select(sa.func.count()).where(
            in_month(year, month), intervals.c.is_final == sa.false()
        )
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def accounted_span(self) -> tuple[int, int] | None:
        """Return when the first run ended that is kept, and when the last; None without any."""
        first, last = sa.func.min(intervals.c.ended_at), sa.func.max(intervals.c.ended_at)
        with self._database.read() as connection:
            # Each alone is found at an end of the index.
            ends = connection.scalar(sa.select(first)), connection.scalar(sa.select(last))
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])


def _at_least(value: sa.ColumnElement[int], least: int) -> sa.ColumnElement[int]:
    return sa.case((value > least, value), else_=least)
