"""When a sink begins, what it is given, who may give it, and that its failures are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.lease_kit import ONE, TWO, Office, WithManagers
from tests.store_kit import SPACE, OnBothDatabases, run
from tests.test_store_migrations import make
from vcycled.errors import StoreError
from vcycled.model import Changes, RunInterval
from vcycled.store import APEL, Backlog, Key, Outage, Refused, Store, migrate, schema, sinks
from vcycled.store.dues import REFUSED_SECONDS
from vcycled.store.sinks import NAMED_SECONDS, UNNAMED_SECONDS
from vcycled.testing.clock import START, FakeClock

AUDITOR = "auditor"


def save(store: Store, *runs: RunInterval) -> None:
    """Save `runs` as a cycle does."""
    store.save(Changes(space=SPACE, intervals=runs))


def key(interval: RunInterval) -> Key:
    """Return what names `interval`."""
    return interval.uuid, interval.interval


OUTAGE = Outage(
    sink=AUDITOR, manager="one", since=START, failures=2, retry_at=START + 60, error="refused"
)


class TestBegin(OnBothDatabases):
    """From when on a sink is given records."""

    def test_a_sink_that_begins_is_given_what_becomes_final_from_then_on(
        self, store: Store
    ) -> None:
        """Also a run that had ended, but not finally."""
        save(store, run(1), run(2, is_final=False))
        store.begin([AUDITOR])
        assert store.claim(AUDITOR, "one") == ()
        save(store, run(2), run(3))
        assert store.claim(AUDITOR, "one") == (run(2), run(3))
        assert store.unexported(AUDITOR) == (run(2), run(3))

    def test_to_begin_again_changes_nothing(self, store: Store) -> None:
        """What it has not taken yet stays due, and nothing else becomes due."""
        save(store, run(1))
        store.begin([AUDITOR, APEL])
        save(store, run(2))
        store.begin([AUDITOR])
        assert store.unexported(AUDITOR) == store.unexported(APEL) == (run(2),)

    def test_a_sink_that_nobody_asks_for_goes_on_collecting(self, store: Store) -> None:
        """It was taken out of the configuration, and comes back."""
        store.begin([APEL, AUDITOR])
        save(store, run(1), run(2))
        store.mark_exported(APEL, [key(run(1)), key(run(2))], START)
        save(store, run(3))
        store.begin([APEL, AUDITOR])
        assert store.unexported(AUDITOR) == (run(1), run(2), run(3))

    def test_what_another_manager_accounted_is_due_nowhere(self, store: Store) -> None:
        """Not at sinks that it did not have either: that takes an order."""
        store.begin([APEL, AUDITOR])
        store.take_over([Changes(space=SPACE, intervals=(run(1),))], sink=APEL)
        assert store.unexported(APEL) == store.unexported(AUDITOR) == ()
        store.unmark(AUDITOR, [key(run(1))])
        assert store.unexported(AUDITOR) == (run(1),)

    @pytest.mark.parametrize(
        ("since", "until", "expected"),
        [
            (START, START + 1, ["uuid-2"]),
            (START - 1, START + 1, ["uuid-1", "uuid-2"]),
            (START, START, []),
            (START, START + 2, ["uuid-2", "uuid-3"]),
        ],
    )
    def test_runs_are_found_by_their_ends(
        self, store: Store, since: int, until: int, expected: list[str]
    ) -> None:
        """From the first instant on, before the last; not those that are not final."""
        save(store, run(1, ended_at=START - 1), run(2, ended_at=START), run(3, ended_at=START + 1))
        save(store, run(4, ended_at=START, is_final=False))
        save(store, run(5, ended_at=START, space="other"))
        found = store.ended_between(since=since, until=until, space=SPACE)
        assert sorted(uuid for uuid, _ in found) == expected

    def test_runs_of_every_space_are_found(self, store: Store) -> None:
        """Unless one is named."""
        save(store, run(1), run(2, space="other"))
        assert len(store.ended_between(since=0, until=START * 2)) == 2


class TestClaims(OnBothDatabases):
    """What may be written whoever holds the space."""

    def test_runs_of_some_spaces_are_left(self, store: Store) -> None:
        """Those that are only watched, say."""
        store.begin([AUDITOR])
        save(store, run(1), run(2, space="other"), run(3, space="third"))
        assert store.claim(AUDITOR, "one", besides=[SPACE]) == (
            run(2, space="other"),
            run(3, space="third"),
        )
        assert store.claim(AUDITOR, "one", besides=[SPACE, "third"]) == (run(2, space="other"),)
        assert store.claim(AUDITOR, "one", limit=1) == (run(1),)


class TestUpgrade(OnBothDatabases):
    """A database from before there were several sinks, with APEL's marks alone."""

    @pytest.mark.parametrize("revision", migrate.revisions())
    def test_apel_goes_on_and_new_sinks_begin(
        self, empty: str, clock: FakeClock, revision: str
    ) -> None:
        """What APEL has taken is due nowhere again; a new sink gets it by order alone, once."""
        make(empty, revision)
        with Store.open(empty, clock=clock) as store:
            store.begin([APEL, AUDITOR])
            assert [each.uuid for each in store.unexported(APEL)] == ["uuid-3"]
            assert store.unexported(AUDITOR) == ()
            save(store, run(9))
            assert [each.uuid for each in store.unexported(APEL)] == ["uuid-9", "uuid-3"]
            assert [each.uuid for each in store.unexported(AUDITOR)] == ["uuid-9"]
            keys = store.ended_between(since=0, until=2**31)
            assert sorted(store.ended_between(since=0, until=2**31, new_to=APEL)) == [
                ("uuid-3", 0),
                ("uuid-9", 0),
            ]
            store.unmark(AUDITOR, keys)
            store.mark_exported(AUDITOR, keys, START)
            assert store.unexported(AUDITOR) == ()
            assert (store.exported(APEL), store.exported(AUDITOR)) == (1, len(keys))


class TestRefused(OnBothDatabases):
    """Records that a sink refuses though it takes others."""

    def refuse(self, store: Store, *runs: RunInterval, at: int = START) -> None:
        """Let the sink refuse these."""
        store.note_refused(AUDITOR, {key(each): f"no {each.uuid}" for each in runs}, at=at)

    def test_they_are_put_aside_for_an_hour(self, store: Store, clock: FakeClock) -> None:
        """By every way to what is due; then they come after all others."""
        store.begin([AUDITOR])
        save(store, run(1), run(2))
        self.refuse(store, run(1))
        clock.advance(REFUSED_SECONDS - 1)
        assert store.claim(AUDITOR, "one") == store.take(AUDITOR, space=SPACE) == (run(2),)
        clock.advance(1)
        assert store.claim(AUDITOR, "one") == (run(2), run(1))
        assert store.take(AUDITOR, space=SPACE) == store.unexported(AUDITOR) == (run(2), run(1))

    def test_a_clock_that_was_ahead_puts_none_aside_for_longer(self, store: Store) -> None:
        """What was refused in the future counts as refused long ago."""
        store.begin([AUDITOR])
        save(store, run(1))
        self.refuse(store, run(1), at=START + 1)
        assert store.claim(AUDITOR, "one") == (run(1),)
        self.refuse(store, run(1), at=START)
        assert store.claim(AUDITOR, "one") == ()

    def test_what_is_refused_hides_nothing_however_much_it_is(self, store: Store) -> None:
        """The manager asks for so many at once, the first ones."""
        store.begin([AUDITOR])
        save(store, *map(run, range(4)))
        self.refuse(store, run(0), run(1))
        assert store.claim(AUDITOR, "one", limit=2) == (run(2), run(3))

    def test_people_see_which_and_why(self, store: Store) -> None:
        """Until it is taken, or given up by order, which leaves the others."""
        store.begin([AUDITOR])
        save(store, run(1), run(2), run(3))
        self.refuse(store, run(2), run(1))
        told = store.refused(AUDITOR, limit=5)
        assert [(each.uuid, each.refusal) for each in told] == [
            ("uuid-1", "no uuid-1"),
            ("uuid-2", "no uuid-2"),
        ]
        assert told[0] == Refused(
            sink=AUDITOR,
            space=SPACE,
            machine=run(1).name,
            uuid="uuid-1",
            interval=0,
            ended_at=run(1).ended_at,
            refused_at=START,
            refusal="no uuid-1",
        )
        assert store.refused(AUDITOR, limit=1) == told[:1]
        assert [(each.runs, each.refused) for each in store.backlogs()] == [(3, 2)]
        store.mark_exported(AUDITOR, [key(run(1))], START)
        assert store.refused(AUDITOR, limit=5) == told[1:]
        assert store.forget_refused(AUDITOR) == 1
        assert store.unexported(AUDITOR) == (run(3),)


class TestForget(OnBothDatabases):
    """Sinks that nobody names any more."""

    def test_one_that_is_forgotten_collects_nothing_and_keeps_its_marks(
        self, store: Store
    ) -> None:
        """Named again, it begins anew, and is given nothing twice."""
        store.begin([APEL, AUDITOR])
        save(store, *map(run, range(5)))
        store.mark_exported(AUDITOR, [key(run(0))], START)
        store.note_outage(OUTAGE)
        assert store.forget_sink(AUDITOR) == 4
        assert store.outages() == ()
        save(store, run(5))
        assert [each.sink for each in store.backlogs()] == [APEL]
        assert store.exported(AUDITOR) == 1
        store.begin([AUDITOR])
        save(store, run(6), run(0))
        assert store.unexported(AUDITOR) == (run(6),)
        assert len(store.unexported(APEL)) == 7

    def test_who_still_gives_it_runs_brings_nothing_back_that_was_given_up(
        self, store: Store
    ) -> None:
        """A manager may read a moment later that it was taken out."""
        store.begin([AUDITOR])
        save(store, run(1), run(2))
        store.mark_exported(AUDITOR, [key(run(1))], START)
        assert store.forget_sink(AUDITOR) == 1
        assert store.claim(AUDITOR, "one") == ()
        save(store, run(3))
        assert store.claim(AUDITOR, "one") == (run(3),)

    def test_it_goes_by_itself_once_nobody_has_named_it_for_long(
        self, store: Store, clock: FakeClock
    ) -> None:
        """What is configured never does, whatever was kept of it."""
        store.begin([APEL, AUDITOR, "third"])
        save(store, run(1), run(2))
        clock.advance(NAMED_SECONDS)
        store.begin([APEL])
        assert store.sinks() == {APEL: START + NAMED_SECONDS, AUDITOR: START, "third": START}
        clock.advance(UNNAMED_SECONDS)
        assert store.forget_unnamed([APEL], START) == {}
        assert store.forget_unnamed([APEL, "third"], START + 1) == {AUDITOR: 2}
        assert set(store.sinks()) == {APEL, "third"}

    def test_more_goes_than_one_transaction_takes(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And if it is cut short, it is done again: the sink is known until the last."""
        monkeypatch.setattr(sinks, "_BATCH", 2)
        store.begin([APEL, AUDITOR])
        save(store, *map(run, range(5)))
        assert store.forget_sink(AUDITOR) == 5
        assert len(store.unexported(APEL)) == 5

    def test_what_came_to_it_while_it_was_forgotten_goes_later(self, store: Store) -> None:
        """A cycle elsewhere had looked which sinks there are just before."""
        store.begin([APEL, AUDITOR])
        save(store, run(1))
        with store._database.write() as connection:
            connection.execute(schema.sinks.delete().where(schema.sinks.c.sink == AUDITOR))
        assert store.forget_unnamed([APEL], 0) == {}
        assert [each.sink for each in store.backlogs()] == [APEL]

    def test_that_it_is_named_is_written_now_and_then(
        self, store: Store, clock: FakeClock
    ) -> None:
        """Not at every call, which would cost; a clock that goes back does not hinder it."""
        store.begin([AUDITOR])
        clock.advance(NAMED_SECONDS - 1)
        store.begin([AUDITOR])
        assert store.sinks() == {AUDITOR: START}
        clock.advance(1)
        store.begin([AUDITOR])
        assert store.sinks() == {AUDITOR: START + NAMED_SECONDS}
        clock.jump(-NAMED_SECONDS)
        store.begin([AUDITOR])
        assert store.sinks() == {AUDITOR: START}

    def test_who_alone_knows_the_configuration_knows_at_once(self, store: Store) -> None:
        """Among several, another may have named it a moment ago."""
        store.begin([AUDITOR, APEL])
        expected = frozenset() if store.leases.is_shared else frozenset({AUDITOR})
        assert store.unnamed([APEL]) == expected


@pytest.mark.live
class TestSharedForget(WithManagers):
    """What one manager has in its configuration, another may not forget."""

    def test_it_is_named_while_any_of_them_says_so(self, office: Office) -> None:
        """And for some minutes after."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.store.begin([AUDITOR])
        ahead = two.clock.now() - one.clock.now()  # their clocks began when each enrolled
        two.clock.advance(UNNAMED_SECONDS - 1 - ahead)
        assert two.store.unnamed([APEL]) == frozenset()
        two.clock.advance(1)
        assert two.store.unnamed([APEL]) == frozenset({AUDITOR})


@pytest.mark.live
class TestSharedClaims(WithManagers):
    """Managers that share the database never write the same record."""

    def test_a_claimed_run_is_nobody_elses(self, office: Office) -> None:
        """Neither the holder of the space nor another manager gets it; its claimer does again."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        one.store.begin([AUDITOR])
        one.leased.save(Changes(space=SPACE, intervals=(run(1), run(2))))
        assert two.store.claim(AUDITOR, TWO, limit=1) == (run(1),)
        assert one.leased.take(AUDITOR, space=SPACE) == (run(2),)
        assert two.store.claim(AUDITOR, TWO) == (run(1),)
        assert one.store.claim(AUDITOR, ONE) == (run(2),)


class TestOutages(OnBothDatabases):
    """Which sinks fail, as every process sees it."""

    def test_an_outage_is_known_until_it_ends(self, store: Store) -> None:
        """The last word of each manager on each sink counts."""
        theirs = replace(OUTAGE, manager="two", retry_at=None)
        store.note_outage(OUTAGE)
        store.note_outage(theirs)
        worse = replace(OUTAGE, failures=3, error="away")
        store.note_outage(worse)
        assert store.outages() == (worse, theirs)
        store.end_outage(AUDITOR, "one")
        assert store.outages() == (theirs,)
        store.end_outage(AUDITOR, "one")

    def test_what_waits_is_counted_by_sink_and_space(self, store: Store, clock: FakeClock) -> None:
        """With the instant since when the first of it waits; a sink without any is not there."""
        store.begin([APEL, AUDITOR])
        save(store, run(1, ended_at=START - 5), run(3, space="other"))
        clock.advance(60)
        save(store, run(2, ended_at=START - 9))
        store.mark_exported(APEL, [key(run(1)), key(run(2)), key(run(3))], START)
        assert store.backlogs() == (
            Backlog(sink=AUDITOR, space="other", runs=1, oldest_at=START),
            Backlog(sink=AUDITOR, space=SPACE, runs=2, oldest_at=START),
        )

    def test_what_is_given_anew_waits_since_then(self, store: Store, clock: FakeClock) -> None:
        """However long ago it ended; what waits already waits as long as before."""
        store.begin([AUDITOR])
        save(store, run(1), run(2, space="other"))
        store.mark_exported(AUDITOR, [key(run(1))], START)
        clock.advance(3600)
        store.unmark(AUDITOR, [key(run(1)), key(run(2))])
        assert {each.space: each.oldest_at for each in store.backlogs()} == {
            SPACE: START + 3600,
            "other": START,
        }

    def test_where_and_when_a_run_ended_is_known_by_its_last_word(self, store: Store) -> None:
        """One that no sink has taken yet may be put right, and is found in its new place."""
        store.begin([AUDITOR])
        save(store, run(1), run(2))
        later = run(1, ended_at=run(2).ended_at + 1)
        save(store, later)
        assert store.unexported(AUDITOR) == (run(2), later)

    def test_a_run_that_is_not_known_is_not_sent_again(self, store: Store) -> None:
        """And none of the same call is."""
        store.begin([AUDITOR])
        save(store, run(1))
        with pytest.raises(StoreError, match="uuid-2"):
            store.unmark(AUDITOR, [key(run(1)), ("uuid-2", 0)])
