"""What it costs to look at what waits for a sink, beside what it would from the runs themselves.

Both are measured in one run, on the same rows, in SQLite and in a PostgreSQL server of our own.

    python -m bench.backlog [RUNS]
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bench.table import Table
from tests.postgres import server
from tests.store_kit import SPACE, run
from vcycled.model import Changes, RunInterval
from vcycled.store import Store
from vcycled.store.dues import same_run
from vcycled.store.schema import due, intervals
from vcycled.testing.clock import FakeClock

SINK = "auditor"
RUNS = 300_000
_AT_ONCE = 5000
_TRIES = 5
_KEY = (due.c.sink, intervals.c.space)
BY_RUNS = {
    "count": sa.select(*_KEY, sa.func.count(), sa.func.min(intervals.c.ended_at))
    .where(same_run(due))
    .group_by(*_KEY),
    "first 1000": sa.select(*intervals.columns)
    .join(due, same_run(due))
    .where(due.c.sink == SINK)
    .order_by(intervals.c.ended_at, intervals.c.uuid, intervals.c.interval)
    .limit(1000),
}
"""The same by what only the runs know."""


def runs(number: int) -> Iterator[RunInterval]:
    """Yield so many, of three spaces, with the uuids and ends of years."""
    rng, base = random.Random(1), run(0)
    for each in range(number):
        own = str(uuid.UUID(int=rng.getrandbits(128)))
        ended_at = base.ended_at + 50 * each
        yield replace(base, uuid=own, space=f"{SPACE}{each % 3}", ended_at=ended_at)


def fill(store: Store, number: int) -> None:
    """Make so many runs due."""
    store.begin([SINK])
    waiting = list(runs(number))
    for at in range(0, number, _AT_ONCE):
        some = tuple(waiting[at : at + _AT_ONCE])
        for space in {each.space for each in some}:
            mine = tuple(each for each in some if each.space == space)
            store.save(Changes(space=space, intervals=mine))


def best_ms(act: Callable[[], object]) -> float:
    """Return the shortest of some times [ms]."""
    times = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


def _answer(connection: Connection, query: sa.Select[tuple[object, ...]]) -> object:
    return connection.execute(query).all()


def measure(table: Table, name: str, url: str, number: int) -> None:
    """Print a row for each look."""
    with Store.open(url, clock=FakeClock()) as store:
        fill(store, number)
        looks: dict[str, Callable[[], object]] = {
            "count": store.backlogs,
            "first 1000": lambda: store.unexported(SINK),
        }
        for look, act in looks.items():
            ours = best_ms(act)
            with store._database.read() as connection:  # noqa: SLF001 - for the other way
                theirs = best_ms(partial(_answer, connection, BY_RUNS[look]))
            table.row([name, look, number, ours, theirs, theirs / ours])


def main() -> None:
    """Print the table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    table = Table("database", "look", "runs due", "ms", "ms by the runs", "ratio")
    table.head()
    with tempfile.TemporaryDirectory() as folder:
        measure(table, "SQLite", f"sqlite:///{folder}/vcycle.db", number)
    postgres = server()
    if postgres is not None:
        measure(table, "PostgreSQL", postgres.url(postgres.new_database()), number)


if __name__ == "__main__":
    main()
