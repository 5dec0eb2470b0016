"""How machines came and went lately: what charts are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vcycled.model import Stage
from vcycled.store import rows
from vcycled.store.database import chunks
from vcycled.store.room import Room
from vcycled.store.schema import intervals, machines, terms


class Life(NamedTuple):
    """One run of a machine; times are Unix seconds, None where there is none (yet)."""

    created_at: int
    started_at: int | None
    stopped_at: int | None
    gone_at: int | None
    fizzle_seconds: int
    is_aborted: bool


class Lives(Room):
    """The part of the store that tells how machines came and went."""

    def lives(self, space: str, machinetype: str = "", *, since: int) -> tuple[Life, ...]:
        """Return every run of the machines that are not gone, or were not at `since`.

        Args:
            space: of this space.
            machinetype: of this machinetype; empty is any.
            since: an instant not longer ago than what is gone is remembered.
        """
        columns = (
            *(machines.c.uuid, machines.c.interval, machines.c.created_at),
            *(machines.c.started_at, machines.c.stopped_at, machines.c.gone_at),
            *(terms.c.fizzle_seconds, machines.c.is_aborted),
        )
        query = sa.select(*columns).join(terms).where(machines.c.space == space)
        if machinetype:
            query = query.where(machines.c.machinetype == machinetype)
        # Two questions, for each of which there is an index; for both at once there is none.
        is_here = machines.c.stage.in_(rows.LIVE)
        is_gone = sa.and_(machines.c.gone_at >= since, machines.c.stage == Stage.GONE.value)
        with self._database.read() as connection:
            found = [
                each
                for which in (is_here, is_gone)
                for each in connection.execute(query.where(which))
            ]
            earlier = _earlier(connection, [(each[0], each[1]) for each in found if each[1]])
        return (*(_life(each) for each in found), *earlier)


def _life(found: Sequence[int | None]) -> Life:
    """Return the current run; one that is not the first began with its start."""
    _, interval, created_at, started_at, stopped_at, gone_at, fizzle_seconds, is_aborted = found
    assert created_at is not None
    assert fizzle_seconds is not None
    began = started_at if interval and started_at is not None else created_at
    return Life(began, started_at, stopped_at, gone_at, fizzle_seconds, bool(is_aborted))


def _earlier(connection: Connection, current: Sequence[tuple[str, int]]) -> list[Life]:
    """Return the runs before these, of machines that came back."""
    numbers, lives = dict(current), []
    query = sa.select(
        *(intervals.c.uuid, intervals.c.interval, intervals.c.started_at, intervals.c.ended_at),
        terms.c.fizzle_seconds,
    ).join(terms)
    for chunk in chunks(numbers):
        for uuid, number, start, end, fizzle in connection.execute(
            query.where(intervals.c.uuid.in_(chunk))
        ):
            if number < numbers[uuid]:
                lives.append(Life(start, start, end, end, fizzle, is_aborted=False))
    return lives
