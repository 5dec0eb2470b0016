"""When a sink begins, what it is given, who may give it, and that its failures are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.lease_kit import ONE, TWO, Office, WithManagers
from tests.store_kit import SPACE, OnBothDatabases, run
from vcycled.errors import StoreError
from vcycled.model import Changes, RunInterval
from vcycled.store import APEL, Backlog, Key, Outage, Store
from vcycled.testing.clock import START

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

    def test_what_waits_is_counted_by_sink_and_space(self, store: Store) -> None:
        """With the first end; a sink without any is not there."""
        store.begin([APEL, AUDITOR])
        save(store, run(1, ended_at=START - 5), run(2, ended_at=START - 9), run(3, space="other"))
        store.mark_exported(APEL, [key(run(1)), key(run(2)), key(run(3))], START)
        assert store.backlogs() == (
            Backlog(sink=AUDITOR, space="other", runs=1, oldest_at=run(3).ended_at),
            Backlog(sink=AUDITOR, space=SPACE, runs=2, oldest_at=START - 9),
        )

    def test_a_run_that_is_not_known_is_not_sent_again(self, store: Store) -> None:
        """And none of the same call is."""
        store.begin([AUDITOR])
        save(store, run(1))
        with pytest.raises(StoreError, match="uuid-2"):
            store.unmark(AUDITOR, [key(run(1)), ("uuid-2", 0)])
