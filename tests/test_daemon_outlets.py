"""The daemon's sinks: a thread for each behind a network, and all of a configuration."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests import accounting_kit
from tests.accounting_kit import ME, Faked, due, outlet_of
from tests.store_kit import SPACE, run
from vcycled import kvlog
from vcycled.accounting.apel import ApelSink
from vcycled.accounting.auditor import AuditorOptions
from vcycled.accounting.base import NoOptions, RunInterval, Sink, SinkUnavailable, Verdict
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink
from vcycled.clock import SystemClock
from vcycled.config import Config, LastGood, ManagerOptions, SinkConfig
from vcycled.daemon import outlets
from vcycled.daemon.outlets import Clerk, Outlets
from vcycled.errors import StoreError
from vcycled.model import Changes
from vcycled.store import Store
from vcycled.store.sinks import NAMED_SECONDS
from vcycled.testing.clock import START, FakeClock

clock = accounting_kit.clock
store = accounting_kit.store


PATIENCE_S = 60.0


class TestClerk:
    """A thread for a sink behind a network."""

    def clerk(self, sink: Sink, store: Store, clock: FakeClock, *spared: str) -> Clerk:
        """Return one that is not started."""
        return Clerk(outlet_of(sink, store, clock), spared=lambda: spared, timeout_s=10)

    def test_it_gives_all_that_is_due(self, store: Store, clock: FakeClock) -> None:
        """However much, of every space but those that are only watched."""
        sink = Faked()
        due(store, 1200)
        store.save(Changes(space="watched", intervals=(run(2000, space="watched"),)))
        self.clerk(sink, store, clock, "watched").turn()
        assert len(sink.taken) == len({*sink.taken}) == 1200
        assert [each.space for each in store.unexported("faked")] == ["watched"]

    def test_it_leaves_a_sink_alone_that_is_paused(self, store: Store, clock: FakeClock) -> None:
        """And goes on once the pause is over, for days if need be."""
        sink = Faked()
        sink.error = SinkUnavailable("down")
        due(store, 3)
        clerk = self.clerk(sink, store, clock)
        for _ in range(3 * 24 * 4):
            clerk.turn()
            clock.advance(900)
        assert len(sink.batches) == pytest.approx(3 * 24 * 2, abs=5)
        sink.error = None
        clock.advance(1800)
        clerk.turn()
        assert len(sink.taken) == 3
        assert store.unexported("faked") == ()
        assert store.outages() == ()

    def test_a_refused_record_does_not_make_it_turn_for_ever(
        self, store: Store, clock: FakeClock
    ) -> None:
        """A turn ends with it, and the next begins with what is new."""
        sink, given = Faked(), due(store, 2)
        sink.refused = given[0].uuid
        clerk = self.clerk(sink, store, clock)
        clerk.turn()
        clerk.turn()
        assert sink.batches == [2]
        due(store, 1, first=9)
        clerk.turn()
        assert sink.batches == [2, 1]

    def test_records_that_are_refused_before_an_outage_are_put_aside(
        self, store: Store, clock: FakeClock
    ) -> None:
        """The next try begins with others."""
        sink, given = Faked(), due(store, 3)
        sink.refused, sink.error, sink.after = given[0].uuid, SinkUnavailable("away"), 1
        outlet = outlet_of(sink, store, clock)
        assert outlet.write(given) == frozenset()
        assert outlet.claim(besides=()) == given[1:]

    def test_a_database_that_is_away_is_told_once(
        self, store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And what is due goes out when it is back."""
        sink = Faked()

        class Away(Store):
            error = "away"

            def claim(self, *_: object, **__: object) -> tuple[RunInterval, ...]:
                raise StoreError(self.error)

        clerk = self.clerk(sink, Away.__new__(Away), clock)
        clerk.turn()
        clerk.turn()
        told = [each for each in caplog.records if "store-failed" in each.message]
        assert len(told) == 1

    def test_a_bug_of_a_sink_ends_no_thread(
        self, store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is told with its traceback, and the sink is tried again."""

        class Broken(Faked):
            def put(self, runs: Sequence[RunInterval]) -> Iterable[Verdict]:
                raise KeyError(len(runs))

        due(store, 1)
        clerk = self.clerk(Broken(), store, clock)
        clerk.turn()
        clerk.turn()
        told = [each for each in caplog.records if "sink-broken" in each.message]
        assert len(told) == 1
        assert told[0].exc_info
        (outage,) = store.outages()
        assert outage.error == "a bug: KeyError: 1"

    def test_a_sink_that_says_nothing_of_a_record_fails(
        self, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is not asked for the same again and again."""
        monkeypatch.setattr(outlets, "_AT_ONCE", 3)

        class Mute(Faked):
            def put(self, runs: Sequence[RunInterval]) -> Iterable[Verdict]:
                self.batches.append(len(runs))
                return [Verdict(run=runs[0])]

        sink = Mute()
        due(store, 3)
        self.clerk(sink, store, clock).turn()
        assert sink.batches == [3]
        (outage,) = store.outages()
        assert outage.error == "a bug: no verdict on 2 records"

    def test_it_works_in_a_thread_until_it_is_stopped(self, store: Store) -> None:
        """And ends at once then."""
        sink, clock = Faked(), SystemClock()
        due(store, 1)
        clerk = Clerk(outlet_of(sink, store, clock), spared=tuple, timeout_s=10)
        clerk.start()
        deadline = clock.monotonic() + PATIENCE_S
        while not store.exported("faked"):
            assert clock.monotonic() < deadline
            threading.Event().wait(0.01)
        clerk.stop()
        assert clerk.join(PATIENCE_S)


def config_of(root: Path, *sinks: SinkConfig) -> Config:
    """Return a configuration with these sinks."""
    names = tuple(each.name for each in sinks)
    return Config(
        manager=ManagerOptions(root=root, accounting=names or ("apel",)),
        spaces=(),
        problems=(),
        unusable={},
        good=LastGood(),
        signature=(),
        sinks=sinks,
    )


APEL = SinkConfig(name="apel", kind="apel", options=NoOptions())
LINES = SinkConfig(name="lines", kind="jsonl", options=JsonLinesOptions())
NOWHERE = SinkConfig(
    name="nowhere", kind="auditor", options=AuditorOptions(url="http://127.0.0.1:9")
)


class TestOutlets:
    """All the sinks of a configuration."""

    @pytest.fixture
    def outlets(self, store: Store) -> Iterator[Outlets]:
        """Give those of a manager."""
        made = Outlets(store, manager=ME, clock=SystemClock(), log=kvlog.get("outlets"))
        yield made
        made.end(5)

    def test_sinks_come_and_go_with_the_configuration(
        self, outlets: Outlets, store: Store, tmp_path: Path
    ) -> None:
        """One that did not change stays the same; a new one begins now."""
        store.save(Changes(space=SPACE, intervals=(run(1),)))
        outlets.heed(config_of(tmp_path, APEL))
        (apel,) = outlets.current()
        store.save(Changes(space=SPACE, intervals=(run(2),)))
        outlets.heed(config_of(tmp_path, APEL, LINES, NOWHERE))
        assert [each.name for each in outlets.current()] == ["apel", "lines", "nowhere"]
        assert outlets.current()[0] is apel
        store.save(Changes(space=SPACE, intervals=(run(3),)))
        assert store.unexported("apel") == (run(2), run(3))
        assert store.unexported("lines") == (run(3),)
        moved = replace(LINES, options=JsonLinesOptions(folder=str(tmp_path / "other")))
        before = outlets.current()[1]
        outlets.heed(config_of(tmp_path, moved))
        assert [each.name for each in outlets.current()] == ["lines"]
        assert outlets.current()[0] is not before

    def test_one_that_cannot_be_made_fails_and_hinders_no_other(
        self,
        outlets: Outlets,
        store: Store,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Its records wait, and it is told as any other that fails."""

        def broken(*_: object, **__: object) -> None:
            raise KeyError("no")

        monkeypatch.setattr(ApelSink, "__init__", broken)
        outlets.heed(config_of(tmp_path, APEL, LINES))
        store.save(Changes(space=SPACE, intervals=(run(1),)))
        outlets.write_left(worked=set())
        assert store.unexported("lines") == ()
        (outage,) = store.outages()
        assert (outage.sink, outage.error) == (
            "apel",
            "the sink apel cannot be made: KeyError: 'no'",
        )
        assert "sink-broken" in caplog.text

    def test_a_cycle_never_sees_a_part_of_them(
        self, outlets: Outlets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those of before, until all that a new configuration names are there."""
        outlets.heed(config_of(tmp_path, APEL))
        seen: list[str] = []

        class Slow(JsonLinesSink):
            def __init__(self, name: str, options: object, *, root: Path) -> None:
                super().__init__(name, options, root=root)
                seen.extend(each.name for each in outlets.current())

        monkeypatch.setattr("vcycled.accounting.jsonl.JsonLinesSink", Slow)
        outlets.heed(config_of(tmp_path, NOWHERE, LINES))
        assert seen == ["apel"]
        assert [each.name for each in outlets.current()] == ["nowhere", "lines"]

    def test_it_is_kept_now_and_then_that_they_are_named(
        self, store: Store, clock: FakeClock, tmp_path: Path
    ) -> None:
        """So that what waits for them is never given up, however long they are away."""
        outlets = Outlets(store, manager=ME, clock=clock, log=kvlog.get("outlets"))
        config = config_of(tmp_path, APEL)
        outlets.heed(config)
        clock.advance(NAMED_SECONDS - 1)
        outlets.heed(config)
        outlets.wait(PATIENCE_S)
        assert store.sinks() == {"apel": START}
        (apel,) = outlets.current()
        clock.advance(1)
        outlets.heed(config)
        outlets.wait(PATIENCE_S)
        assert store.sinks() == {"apel": START + NAMED_SECONDS}
        assert outlets.current() == (apel,)

    def test_a_locked_database_holds_up_nobody_who_names_them(
        self, store: Store, clock: FakeClock, tmp_path: Path
    ) -> None:
        """It is kept once the lock is gone, and asked for again if it never was."""
        outlets = Outlets(store, manager=ME, clock=clock, log=kvlog.get("outlets"))
        config = config_of(tmp_path, APEL)
        outlets.heed(config)
        clock.advance(NAMED_SECONDS)
        with store._database.write():
            for _ in range(3):
                outlets.heed(config)
            outlets.wait(0)
            assert store.sinks() == {"apel": START}
        outlets.wait(PATIENCE_S)
        assert store.sinks() == {"apel": START + NAMED_SECONDS}

    def test_what_no_cycle_writes_is_written_all_the_same(
        self, outlets: Outlets, store: Store, tmp_path: Path
    ) -> None:
        """Of spaces that were removed, or were resent."""
        outlets.heed(config_of(tmp_path, APEL, LINES))
        store.save(Changes(space=SPACE, intervals=(run(1),)))
        outlets.write_left(worked={SPACE})
        assert store.unexported("apel") == store.unexported("lines") == ()
        assert len(list((tmp_path / "accounting" / "lines").iterdir())) == 1
