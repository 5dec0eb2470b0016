"""Totals as rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vcycled.remember.totals import Tally
from vcycled.store.database import inserting
from vcycled.store.schema import totals

_KEY = ("space", "machinetype", "name", "label")


def raise_totals(connection: Connection, raised: Mapping[Tally, int]) -> None:
    """Add to each total, in the transaction that stores what is counted."""
    # Always in the same order, and none that is not raised.
    found = [{**key._asdict(), "value": value} for key, value in sorted(raised.items()) if value]
    if found:
        connection.execute(_adding(connection.dialect.name), found)


@cache
def _adding(dialect: str) -> sa.Insert:
    insert = inserting(dialect, totals)
    more = {"value": totals.c.value + insert.excluded.value}
    return insert.on_conflict_do_update(index_elements=list(_KEY), set_=more)


def read_totals(connection: Connection) -> Mapping[Tally, int]:
    """Return every total."""
    found = connection.execute(sa.select(*(totals.c[name] for name in _KEY), totals.c.value))
    return {Tally(*key): value for *key, value in found}
