"""Each run of a machine reaches each sink once, and counts in the month in which it ended."""

from __future__ import annotations

import calendar
import dataclasses
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store_kit import (
    RUN,
    SPACE,
    TERMS,
    OnBothDatabases,
    OnPostgresql,
    OnSqlite,
    facts,
    machine,
    presence,
    run,
)
from vcycled.errors import StoreError
from vcycled.model import Changes, EndSource, Event, RunInterval, SpaceMemory, Stage
from vcycled.store import APEL, Key, Store, Wishes
from vcycled.testing.clock import START, FakeClock

ARCHIVE = "auditor"
NUMBERS = count()


def save(store: Store, *runs: RunInterval) -> None:
    """Save `runs` as a cycle does."""
    store.save(Changes(space=SPACE, intervals=runs))


def key(interval: RunInterval) -> Key:
    """Return what names `interval`."""
    return interval.uuid, interval.interval


class TestExport(OnBothDatabases):
    """What is due at a sink, and what it has taken."""

    @settings(
        max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(any_run=facts(RunInterval, uuid=st.just("")))
    def test_a_run_comes_back_in_every_field(self, store: Store, any_run: RunInterval) -> None:
        """Due if it is final, and listed in any case."""
        interval = dataclasses.replace(any_run, uuid=f"run-{next(NUMBERS)}")
        save(store, interval)
        assert store.unexported(ARCHIVE) == ((interval,) if interval.is_final else ())
        (listed,) = store.intervals(uuid=interval.uuid)
        assert (listed.interval, listed.exports) == (interval, ())
        store.mark_exported(ARCHIVE, [key(each) for each in store.unexported(ARCHIVE)], START)

    def test_due_runs_come_in_the_order_of_their_ends(self, store: Store) -> None:
        """Those that ended first come first, and no more than asked for."""
        save(store, run(3), run(1), run(2))
        assert store.unexported(ARCHIVE) == (run(1), run(2), run(3))
        assert store.unexported(ARCHIVE, limit=2) == (run(1), run(2))

    def test_a_space_asks_for_its_own_runs(self, store: Store) -> None:
        """Those of the others stay due."""
        save(store, run(1), run(2, space="other"))
        assert store.unexported(ARCHIVE, space="other") == (run(2, space="other"),)
        assert len(store.unexported(ARCHIVE)) == 2

    def test_a_sink_has_taken_so_many(self, store: Store) -> None:
        """Each run once, however often it was sent."""
        save(store, run(1), run(2), run(3))
        store.mark_exported(ARCHIVE, [key(run(1)), key(run(2))], START)
        store.unmark(ARCHIVE, [key(run(1))])
        assert (store.exported(ARCHIVE), store.exported(APEL)) == (2, 0)

    def test_a_run_is_due_only_once_it_is_final(self, store: Store) -> None:
        """Until then a better end may turn up."""
        store.unexported(ARCHIVE)
        save(store, run(1, is_final=False))
        assert store.unexported(ARCHIVE) == ()
        save(store, run(1))
        assert store.unexported(ARCHIVE) == (run(1),)

    def test_a_run_that_is_opened_again_is_not_due(self, store: Store) -> None:
        """The machine came back before its record left."""
        store.unexported(ARCHIVE)
        save(store, run(1))
        save(store, run(1, is_final=False))
        assert store.unexported(ARCHIVE) == ()

    def test_each_sink_takes_a_run_once(self, store: Store) -> None:
        """A mark of one sink is none of another."""
        save(store, run(1), run(2))
        assert store.unexported(ARCHIVE) == store.unexported(APEL) == (run(1), run(2))
        store.mark_exported(ARCHIVE, [key(run(1))], START)
        assert store.unexported(ARCHIVE) == (run(2),)
        assert store.unexported(APEL) == (run(1), run(2))
        assert store.is_exported("uuid-1", 0)
        assert not store.is_exported("uuid-1", 1)
        assert not store.is_exported("uuid-2", 0)

    def test_saving_an_exported_run_again_does_not_make_it_due(self, store: Store) -> None:
        """A cycle that repeats itself sends nothing twice."""
        save(store, run(1))
        store.mark_exported(ARCHIVE, [key(run(1))], START)
        save(store, run(1))
        assert store.unexported(ARCHIVE) == ()
        assert store.unexported(APEL) == (run(1),)

    def test_a_second_mark_changes_nothing(self, store: Store) -> None:
        """The instant is that of the first."""
        save(store, run(1))
        store.mark_exported(ARCHIVE, [key(run(1))], START)
        store.mark_exported(ARCHIVE, [key(run(1))], START + 9)
        (listed,) = store.intervals()
        assert listed.exports == ((ARCHIVE, START),)

    @pytest.mark.parametrize(
        "changes",
        [
            {"started_at": RUN.started_at + 1},
            {"ended_at": RUN.ended_at + 9},
            {"is_final": False},
            {"processors": 1},
            {"end_source": EndSource.SIGHTING},
            {"terms": dataclasses.replace(TERMS, site="ELSEWHERE")},
        ],
    )
    def test_an_exported_run_cannot_be_changed(
        self, store: Store, changes: dict[str, object]
    ) -> None:
        """History is not rewritten: the changes are refused as a whole."""
        save(store, run(1))
        store.mark_exported(ARCHIVE, [key(run(1))], START)
        (name,) = changes
        event = Event(at=START, space=SPACE, event="machine-stopped")
        with pytest.raises(StoreError, match=f"exported.*{name}"):
            store.save(
                Changes(space=SPACE, intervals=(run(2), run(1, **changes)), events=(event,))
            )
        assert [each.interval for each in store.intervals()] == [run(1)]
        assert store.events() == ()

    def test_a_run_is_due_again_when_it_is_to_be_sent_again(self, store: Store) -> None:
        """Its mark stays, so it counts once and stays what it was."""
        save(store, run(1))
        store.mark_exported(APEL, [key(run(1))], START)
        store.unmark(APEL, [key(run(1))])
        assert store.unexported(APEL) == (run(1),)
        assert store.is_exported("uuid-1", 0)
        with pytest.raises(StoreError, match="exported"):
            save(store, run(1, ended_at=START + 9))
        store.mark_exported(APEL, [key(run(1))], START + 5)
        assert store.unexported(APEL) == ()
        assert store.intervals()[0].exports == ((APEL, START),)

    @pytest.mark.parametrize("is_known", [True, False])
    def test_what_is_not_final_can_be_neither_marked_nor_sent_again(
        self, store: Store, is_known: bool
    ) -> None:
        """Nor what was never there; and nothing else of the same call is."""
        save(store, run(1), *([run(2, is_final=False)] if is_known else []))
        keys = [key(run(1)), key(run(2))]
        with pytest.raises(StoreError, match="uuid-2"):
            store.mark_exported(ARCHIVE, keys, START)
        with pytest.raises(StoreError, match="uuid-2"):
            store.unmark(ARCHIVE, keys)
        assert not store.is_exported("uuid-1", 0)

    @pytest.mark.parametrize("first", ["mark_exported", "unmark", "unexported"])
    def test_a_new_sink_is_given_all_that_ended_before(self, store: Store, first: str) -> None:
        """However it turns up."""
        save(store, run(1), run(2), run(3, is_final=False))
        if first == "mark_exported":
            store.mark_exported("new", [key(run(1))], START)
        elif first == "unmark":
            store.unmark("new", [key(run(1))])
        expected = (run(2),) if first == "mark_exported" else (run(1), run(2))
        assert store.unexported("new") == expected
        assert store.unexported("new") == expected

    def test_hundreds_of_runs_are_marked_at_once(self, store: Store) -> None:
        """More than one statement has room for."""
        runs = tuple(run(number) for number in range(1001))
        save(store, *runs)
        assert store.unexported(ARCHIVE, limit=2000) == runs
        store.mark_exported(ARCHIVE, [key(each) for each in runs[:-1]], START)
        assert store.unexported(ARCHIVE) == runs[-1:]
        save(store, *runs)
        assert store.unexported(ARCHIVE) == runs[-1:]
        assert sum(bool(each.exports) for each in store.intervals()) == 1000

    def test_runs_of_another_manager_are_never_due(self, store: Store) -> None:
        """It wrote their records: they count as sent at their ends, for this sink alone."""
        save(store, run(1))
        store.take_over([Changes(space=SPACE, intervals=(run(2),))], sink=APEL)
        assert store.unexported(APEL) == (run(1),)
        (taken,) = store.intervals(uuid=run(2).uuid)
        assert taken.exports == ((APEL, run(2).ended_at),)

    def test_all_that_is_taken_over_is_taken_at_once(self, store: Store) -> None:
        """Or nothing: the second space's run has no final end."""
        first = Changes(space=SPACE, machines=(machine(1),), intervals=(run(1),))
        second = Changes(space="other", intervals=(run(2, is_final=False),))
        with pytest.raises(StoreError):
            store.take_over([first, second], sink=APEL)
        assert store.records(SPACE).machines == ()
        assert store.intervals() == ()

    def test_two_processes_share_the_marks(self, store: Store, url: str, clock: FakeClock) -> None:
        """`vcycle apel resend` and the manager see the same."""
        save(store, run(1))
        store.mark_exported(APEL, [key(run(1))], START)
        with Store.open(url, clock=clock) as command:
            command.unmark(APEL, [key(run(1))])
        assert store.unexported(APEL) == (run(1),)


class TestIntervals(OnBothDatabases):
    """The list of runs."""

    def test_runs_can_be_chosen(self, store: Store) -> None:
        """By space, machine and number; those that ended last come first."""
        elsewhere = run(3, space="other")
        save(store, run(1), run(2, interval=1), elsewhere)
        found = [each.interval for each in store.intervals()]
        assert found == [elsewhere, run(2, interval=1), run(1)]
        assert [each.interval for each in store.intervals(space="other")] == [elsewhere]
        assert [each.interval for each in store.intervals(uuid="uuid-1")] == [run(1)]
        assert [each.interval for each in store.intervals(limit=1)] == [elsewhere]
        assert store.intervals(month=(2001, 1)) == ()


def at(year: int, month: int, day: int, seconds: int = 0) -> int:
    """Return the instant `seconds` after the begin of a day in UTC."""
    return calendar.timegm((year, month, day, 0, 0, 0)) + seconds


class TestSyncCounts(OnBothDatabases):
    """How many records of a month were published, as the APEL server counts them."""

    @pytest.mark.parametrize(
        ("ended_at", "month"),
        [
            (at(2027, 1, 1, -1), (2026, 12)),
            (at(2027, 1, 1), (2027, 1)),
            (at(2027, 2, 1, -1), (2027, 1)),
            (at(2027, 2, 1), (2027, 2)),
            (at(2027, 12, 31, 86_399), (2027, 12)),
            (at(2028, 1, 1), (2028, 1)),
            (at(2028, 2, 29, 86_399), (2028, 2)),
        ],
    )
    def test_a_run_counts_in_the_month_of_its_end_in_utc(
        self, store: Store, ended_at: int, month: tuple[int, int]
    ) -> None:
        """One second decides; the months before and after have none."""
        save(store, run(1, ended_at=ended_at))
        store.mark_exported(APEL, [("uuid-1", 0)], START)
        assert store.sync_counts(*month) == ((TERMS.site, TERMS.submit_host, 1),)
        year, number = month
        for other in (
            (year - (number == 1), number - 1 or 12),
            (year + number // 12, number % 12 + 1),
        ):
            assert store.sync_counts(*other) == ()
        assert len(store.intervals(month=month)) == 1

    def test_counts_are_by_site_and_submit_host(self, store: Store) -> None:
        """Terms that differ in something else are added up."""
        variants = [
            TERMS,
            dataclasses.replace(TERMS, fizzle_seconds=1),
            dataclasses.replace(TERMS, submit_host="b/host"),
            dataclasses.replace(TERMS, site="A-SITE", submit_host="b/host"),
        ]
        save(store, *(run(number, terms=terms) for number, terms in enumerate(variants)))
        store.mark_exported(APEL, [(f"uuid-{number}", 0) for number in range(4)], START)
        assert store.sync_counts(2027, 1) == (
            ("A-SITE", "b/host", 1),
            (TERMS.site, "b/host", 1),
            (TERMS.site, TERMS.submit_host, 2),
        )

    def test_only_published_runs_that_left_are_counted(self, store: Store) -> None:
        """Not those of no site, not those in the archive alone, not those that still run."""
        unpublished = dataclasses.replace(TERMS, is_published=False)
        save(store, run(1), run(2, terms=unpublished), run(3), run(4, is_final=False))
        store.mark_exported(APEL, [("uuid-1", 0), ("uuid-2", 0)], START)
        store.mark_exported(ARCHIVE, [("uuid-3", 0)], START)
        store.unmark(APEL, [("uuid-1", 0)])
        (count,) = store.sync_counts(2027, 1)
        assert (count.site, count.jobs) == (TERMS.site, 1)
        assert store.sync_counts(2027, 1, sink=ARCHIVE)[0].jobs == 1


class TestForgetting(OnBothDatabases):
    """What is removed once it is old, and what never is."""

    @pytest.mark.parametrize(("age", "is_kept"), [(-1, False), (0, True), (1, True)])
    def test_what_ended_before_the_instant_goes(
        self, store: Store, clock: FakeClock, age: int, is_kept: bool
    ) -> None:
        """Events, reports and machines that are gone, to the second."""
        gone = machine(1, stage=Stage.GONE, gone_at=START + age)
        event = Event(at=START + age, space=SPACE, event="machine-gone", machine=gone.name)
        store.save(Changes(space=SPACE, machines=(gone,), events=(event,)))
        store.save_report(SPACE, "{}", START + age)
        assert store.forget_before(START) == (0 if is_kept else 3)
        assert store.machine(gone.name) == ((gone,) if is_kept else ())
        assert store.events() == ((event,) if is_kept else ())
        assert list(store.reports()) == ([SPACE] if is_kept else [])

    def test_machines_that_are_not_gone_stay(self, store: Store) -> None:
        """However old."""
        store.save(Changes(space=SPACE, machines=(machine(1, created_at=1, gone_at=1),)))
        assert store.forget_before(START) == 0
        assert len(store.machines()) == 1

    @pytest.mark.parametrize(
        ("changes", "is_marked", "is_kept"),
        [
            pytest.param({"is_final": False}, False, True, id="not final"),
            pytest.param({}, False, True, id="due"),
            pytest.param({}, True, False, id="taken by all"),
        ],
    )
    def test_machines_stay_until_their_records_have_left(
        self, store: Store, changes: dict[str, object], is_marked: bool, is_kept: bool
    ) -> None:
        """Their runs stay in any case."""
        gone = machine(1, stage=Stage.GONE, gone_at=1)
        store.unexported(ARCHIVE)
        store.save(Changes(space=SPACE, machines=(gone,), intervals=(run(1, **changes),)))
        if is_marked:
            store.mark_exported(ARCHIVE, [("uuid-1", 0)], START)
        assert store.forget_before(START) == (0 if is_kept else 1)
        assert len(store.machine(gone.name)) == is_kept
        assert len(store.intervals()) == 1

    def test_thousands_of_events_go(self, store: Store) -> None:
        """In several portions; those that are young stay."""
        old = tuple(Event(at=1, space=SPACE, event="e", detail=str(n)) for n in range(2001))
        young = Event(at=START, space=SPACE, event="e")
        store.save(Changes(space=SPACE, events=(*old, young)))
        assert store.forget_before(START) == 2001
        assert store.events() == (young,)


class TestAbandoned(OnBothDatabases):
    """Spaces that are nobody's any more."""

    def test_a_space_is_abandoned_once_nothing_is_left_of_it(self, store: Store) -> None:
        """It was ours, has no machines, and is not in the configuration."""
        for name in ("configured", "empty", "busy", "emptied"):
            store.save(Changes(space=name, memory=SpaceMemory(space=name)))
        store.save(Changes(space="busy", machines=(machine(1, space="busy"),)))
        gone = machine(2, space="emptied", stage=Stage.GONE, gone_at=1)
        store.save(Changes(space="emptied", machines=(gone,)))
        assert store.abandoned(["configured", "never ours"]) == {"empty", "emptied"}

    def test_a_database_has_a_size(self, store: Store) -> None:
        """That grows with what is in it."""
        before = store.size_bytes()
        many = tuple(Event(at=1, space=SPACE, event="e", detail="x" * 500) for _ in range(3000))
        store.save(Changes(space=SPACE, events=many))
        assert store.size_bytes() > before + 1_000_000


class TestAbandonedByOthers(OnPostgresql):
    """Several managers on one database."""

    def test_what_another_manager_has_configured_is_not_abandoned(self, store: Store) -> None:
        """Also if that is away just now."""
        for name in ("theirs", "nobody's"):
            store.save(Changes(space=name, memory=SpaceMemory(space=name)))
        store.leases.enrol(presence("other"))
        store.leases.beat(Wishes(spaces=frozenset({"theirs"})))
        store.leases.leave()
        assert store.abandoned([]) == {"nobody's"}


class TestFile(OnSqlite):
    """The file of a SQLite database."""

    def test_it_shrinks_when_much_was_forgotten(self, store: Store, url: str) -> None:
        """Freed pages go back to the file system, and the log is emptied."""
        path = self.file_of(url)
        many = tuple(Event(at=1, space=SPACE, event="e", detail="x" * 500) for _ in range(3000))
        store.save(Changes(space=SPACE, events=many))
        store.forget_before(1)
        before = path.stat().st_size
        store.forget_before(2)
        assert path.stat().st_size < before / 2
        assert path.with_name("vcycle.db-wal").stat().st_size == 0
