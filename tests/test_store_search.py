"""What pages ask of the store: machines and events part by part, lives, what was used."""

from __future__ import annotations

import dataclasses

from tests.store_kit import SPACE, TERMS, OnBothDatabases, OnSqlite, machine, run
from tests.test_store_indexes import SHORT, noted
from vcycled.model import Changes, Event, MachineState, Stage
from vcycled.store import Life, Place, Store, Usage, WantedEvents, WantedMachines
from vcycled.testing.clock import START

DAY = 86_400
YEAR, MONTH = 2027, 1

MACHINES: tuple[tuple[WantedMachines, list[int]], ...] = (
    (WantedMachines(), [5, 3, 2]),
    (WantedMachines(has_gone=True), [5, 4, 3, 2]),
    (WantedMachines(space="other"), [3]),
    (WantedMachines(machinetype="test"), [5]),
    (WantedMachines(condition="failed"), [2]),
    (WantedMachines(condition="asked"), [5]),
    (WantedMachines(condition="gone"), [4]),
    (WantedMachines(condition="running", has_gone=True), [3]),
    (WantedMachines(text="0000003"), [3]),
    (WantedMachines(text="uuid-2"), [2]),
    (WantedMachines(text="uuid-"), []),
    (WantedMachines(text="10.0.0.5"), [5]),
    (WantedMachines(text="vm-3"), [3]),
    (WantedMachines(text="%"), []),
    (WantedMachines(text="_"), []),
)
EVENTS: tuple[tuple[WantedEvents, list[str]], ...] = (
    (WantedEvents(), ["d", "c", "b", "a"]),
    (WantedEvents(space="other"), ["d"]),
    (WantedEvents(machinetype="test"), ["c"]),
    (WantedEvents(machine="m2"), ["b"]),
    (WantedEvents(kinds=frozenset({"a", "d"})), ["d", "a"]),
    (WantedEvents(since=START + 2), ["d", "c"]),
    (WantedEvents(since=START + 4), []),
)


def event(name: str, **changes: object) -> Event:
    """Return an event of a space."""
    plain = Event(at=START, space=SPACE, event=name, machinetype="prod", machine="m1")
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


class TestMachines(OnBothDatabases):
    """Found by what is asked for."""

    def test_a_filter(self, store: Store) -> None:
        """Each alone; what a person types is no pattern."""
        four = machine(4, created_at=START + 4, stage=Stage.GONE, gone_at=START + 9)
        five = machine(
            5, created_at=START + 5, stage=Stage.ASKED, machinetype="test", address="10.0.0.5"
        )
        store.save(
            Changes(
                space=SPACE,
                machines=(
                    machine(2, created_at=START + 2, state=MachineState.FAILED),
                    machine(
                        3,
                        created_at=START + 3,
                        space="other",
                        cloud_id="vm-3",
                        state=MachineState.RUNNING,
                    ),
                    four,
                    five,
                ),
            )
        )
        for wanted, found in MACHINES:
            listed = store.find_machines(wanted, limit=9)
            assert [int(each.name[-10:]) for each in listed] == found, wanted

    def test_parts_follow_each_other(self, store: Store) -> None:
        """None twice and none left out, also of those made in one second."""
        same = [machine(each, created_at=START) for each in range(5)]
        store.save(Changes(space=SPACE, machines=(*same, machine(9, created_at=START + 1))))
        seen, after = [], None
        while part := store.find_machines(WantedMachines(), after=after, limit=2):
            seen += [each.uuid for each in part]
            after = Place(part[-1].created_at, part[-1].uuid)
        assert seen == ["uuid-9", *(f"uuid-{each}" for each in range(5))]


class TestEvents(OnBothDatabases):
    """Likewise."""

    def test_a_filter(self, store: Store) -> None:
        """Each alone, the newest first."""
        told = (
            event("a"),
            event("b", at=START + 1, machine="m2"),
            event("c", at=START + 2, machinetype="test"),
            event("d", at=START + 3, space="other"),
        )
        store.save(Changes(space=SPACE, events=told))
        for wanted, found in EVENTS:
            listed = store.find_events(wanted, limit=9)
            assert [each.event.event for each in listed] == found, wanted

    def test_parts_follow_each_other(self, store: Store) -> None:
        """By their numbers, while new ones come."""
        store.save(Changes(space=SPACE, events=tuple(event(each) for each in "abc")))
        first = store.find_events(WantedEvents(), limit=2)
        store.save(Changes(space=SPACE, events=(event("new"),)))
        second = store.find_events(WantedEvents(), before=first[-1].number, limit=2)
        assert [each.event.event for each in (*first, *second)] == ["c", "b", "a"]


class TestLives(OnBothDatabases):
    """How machines came and went."""

    def test_those_that_are_here_or_were(self, store: Store) -> None:
        """Since an instant; of a space, or of one of its machinetypes."""
        here = machine(1, created_at=1, started_at=START)
        was = machine(
            2,
            created_at=2,
            stage=Stage.GONE,
            started_at=3,
            stopped_at=START - 9,
            gone_at=START,
            is_aborted=True,
            machinetype="test",
        )
        before = dataclasses.replace(was, uuid="old", gone_at=START - 1)
        other = machine(3, space="other")
        store.save(Changes(space=SPACE, machines=(here, was, before, other)))
        fizzle = TERMS.fizzle_seconds
        first = Life(1, START, None, None, fizzle, is_aborted=False)
        second = Life(2, 3, START - 9, START, fizzle, is_aborted=True)
        assert store.lives(SPACE, since=START) == (first, second)
        assert store.lives(SPACE, "test", since=START) == (second,)
        assert store.lives(SPACE, "none", since=START) == ()

    def test_one_that_came_back_has_lived_twice(self, store: Store) -> None:
        """Each run is told by itself; the last one is not what its record says of it so far."""
        back = machine(1, created_at=1, interval=1, started_at=START + 50)
        runs = (
            run(1, started_at=START, ended_at=START + 9),
            run(1, interval=1, started_at=START + 50, ended_at=START + 60, is_final=False),
        )
        store.save(Changes(space=SPACE, machines=(back,), intervals=runs))
        fizzle = TERMS.fizzle_seconds
        assert store.lives(SPACE, since=START) == (
            Life(START + 50, START + 50, None, None, fizzle, is_aborted=False),
            Life(START, START, START + 9, START + 9, fizzle, is_aborted=False),
        )


class TestUsage(OnBothDatabases):
    """What was used in a month."""

    def test_sums_by_kind_and_power(self, store: Store) -> None:
        """Final runs that ended in it; a machine that came back counts once."""
        strong = dataclasses.replace(
            TERMS, power_per_processor=12.5, power_unit="hepscore23", fqan="/vo"
        )
        start = START - 4000
        runs = (
            run(1, started_at=start, ended_at=start + 100, processors=2),
            run(1, interval=1, started_at=start + 200, ended_at=start + 300, processors=2),
            run(2, started_at=start, ended_at=start + 50, terms=strong, processors=8),
            run(3, started_at=start, ended_at=start - 50, terms=strong, processors=0),
            run(4, started_at=start, ended_at=start + 70, is_final=False),
            run(5, started_at=start, ended_at=START + 31 * DAY),
        )
        store.save(Changes(space=SPACE, intervals=runs))
        assert store.usage(YEAR, MONTH) == (
            Usage(SPACE, "prod", "", None, TERMS.power_unit, 1, 200, 400),
            Usage(SPACE, "prod", "/vo", 12.5, "hepscore23", 2, 50, 400),
        )
        assert store.open_runs(YEAR, MONTH) == 1
        assert store.accounted_span() == (start - 50, START + 31 * DAY)

    def test_a_month_without_runs(self, store: Store) -> None:
        """Nothing was used."""
        assert store.usage(YEAR, MONTH) == ()
        assert store.open_runs(YEAR, MONTH) == 0
        assert store.accounted_span() is None


class TestPlans(OnSqlite):
    """How SQLite goes about it."""

    def test_no_page_looks_through_all_that_is_kept(self, store: Store) -> None:
        """Pages are asked for every few seconds by whoever has one open."""
        with noted(store) as statements:
            store.find_machines(WantedMachines(space=SPACE), limit=9)
            store.find_machines(
                WantedMachines(has_gone=True), after=Place(START, "uuid-1"), limit=9
            )
            store.find_events(WantedEvents(since=START), before=9, limit=9)
            store.find_events(WantedEvents(space=SPACE), limit=9)
            store.lives(SPACE, "prod", since=START)
            store.usage(YEAR, MONTH)
            store.open_runs(YEAR, MONTH)
        plans = []
        with store._database.read() as connection:
            for text, values in statements:
                explain = f"EXPLAIN QUERY PLAN {text}"
                found = connection.exec_driver_sql(explain, values)  # type: ignore[arg-type]
                plans += [str(row[3]) for row in found]
        assert len(plans) > 9
        scans = [each for each in plans if each.startswith("SCAN") and " INDEX " not in each]
        assert [each for each in scans if each.split()[1] not in {*SHORT, "terms"}] == []
