"""However long the history grows, what the manager does at each cycle stays as quick as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tests.store_kit import SPACE, OnSqlite, machine, run
from vcycled.model import Changes, Drain, Event, Order, OrderKind, SpaceMemory
from vcycled.store import Store
from vcycled.testing.clock import START

SHORT = {"first", "leases", "managers", "reports", "sinks", "totals"}
"""Tables that do not grow with time, and the first rows of others."""


@contextmanager
def noted(store: Store) -> Iterator[list[tuple[str, object]]]:
    """Give a list that fills with each statement and its values."""
    statements: list[tuple[str, object]] = []

    def note(*arguments: object) -> None:
        statements.append((str(arguments[2]), arguments[3]))

    engines = store._database._engines.values()
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", note)


def a_day(store: Store) -> None:
    """Do everything that is done again and again, and that has no limit of its own."""
    store.unexported("archive")
    store.save(
        Changes(
            space=SPACE,
            machines=(machine(1), machine(2)),
            intervals=(run(1), run(2), run(3, is_final=False)),
            memory=SpaceMemory(space=SPACE),
            drains=(Drain(space=SPACE, machinetype="", since=START),),
            events=(Event(at=START, space=SPACE, event="e"),),
            done_orders=(store.order(Order(kind=OrderKind.DRAIN, space=SPACE, at=1, who="me")),),
        )
    )
    store.records(SPACE)
    store.spaces_with_orders(since=0)
    store.unexported("archive", space=SPACE)
    store.known(["uuid-1", "uuid-2"])
    store.machine("vcycle-prod-0000000001")
    store.spaces_with_machines()
    keys = [(each.uuid, each.interval) for each in store.unexported("archive")]
    store.mark_exported("archive", keys, START)
    store.unmark("archive", keys)
    store.is_exported("uuid-1", 0)
    store.sync_counts(2027, 1)
    store.intervals(month=(2027, 1))
    store.intervals(uuid="uuid-1")
    store.events(machine="vcycle-prod-0000000001")
    store.events(space=SPACE)
    store.forget_before(START)


class TestPlans(OnSqlite):
    """How SQLite goes about it."""

    def test_no_statement_looks_through_a_table_that_grows(self, store: Store) -> None:
        """Each finds what it needs by an index; only sinks that are new see all runs."""
        store.unexported("archive")
        with noted(store) as statements:
            a_day(store)
        plans = []
        with store._database.read() as connection:
            for text, values in statements:
                if text.startswith(("SELECT", "UPDATE", "DELETE")):
                    explain = f"EXPLAIN QUERY PLAN {text}"
                    found = connection.exec_driver_sql(explain, values)  # type: ignore[arg-type]
                    plans += [str(row[3]).split() for row in found]
        assert len(plans) > 50
        scanned = {each[1] for each in plans if each[0] == "SCAN" and "CONSTANT" not in each}
        assert scanned <= SHORT
