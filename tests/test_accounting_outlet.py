"""An outlet: what was taken is marked, what fails is told, and a sink that fails is left alone."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from tests import accounting_kit
from tests.accounting_kit import ME, Faked, due, outlet_of
from tests.store_kit import SPACE, run
from vcycled.accounting.apel import ApelSink
from vcycled.accounting.base import NoOptions, SinkRefused, SinkUnavailable
from vcycled.calls import CallPool
from vcycled.clock import SystemClock
from vcycled.errors import StoreError
from vcycled.model import Changes, Event
from vcycled.store import Outage, Store
from vcycled.testing.clock import START, FakeClock

clock = accounting_kit.clock
store = accounting_kit.store


class TestOutlet:
    """What it does with verdicts and errors."""

    def test_what_was_taken_is_marked(self, store: Store, clock: FakeClock) -> None:
        """In batches as the sink wants them."""
        sink = Faked()
        given = due(store, 250)
        taken = outlet_of(sink, store, clock).write(given)
        assert len(taken) == 250
        assert sink.batches == [100, 100, 50]
        assert store.unexported("faked") == ()
        assert store.exported("faked") == 250
        assert store.outages() == ()

    def test_what_was_taken_before_an_error_is_marked(
        self, store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The rest stays due, and no further batch is tried."""
        sink = Faked()
        sink.error, sink.after = SinkUnavailable("away"), 30
        given = due(store, 250)
        outlet = outlet_of(sink, store, clock)
        assert len(outlet.write(given)) == 30
        assert sink.batches == [100]
        assert store.unexported("faked") == given[30:]
        (record,) = [each for each in caplog.records if "records-waiting" in each.message]
        assert record.levelno == logging.WARNING
        assert "records=220" in record.message

    def test_an_outage_is_known_until_it_ends(
        self, store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Also by the next process, which goes on to count."""
        sink, given = Faked(), due(store, 1)
        sink.error = SinkRefused("what\n is\twrong")
        outlet_of(sink, store, clock).write(given)
        clock.advance(100)
        outlet = outlet_of(sink, store, clock)
        outlet.write(given)
        assert store.outages() == (
            Outage(
                sink="faked",
                manager=ME,
                since=START,
                failures=2,
                retry_at=START + 100 + 120,
                error="what is wrong",
            ),
        )
        sink.error = None
        outlet.write(given)
        assert store.outages() == ()
        caplog.set_level(logging.INFO)
        assert not outlet.is_paused

    @pytest.mark.parametrize(
        ("failures", "asked", "pause"),
        [
            (1, None, 60),
            (2, None, 120),
            (6, None, 1800),
            (20, None, 1800),
            (1, 59, 60),
            (1, 61, 61),
            (1, 3600, 3600),
            (1, 3601, 3600),
        ],
    )
    def test_a_sink_that_fails_is_left_alone(
        self, store: Store, clock: FakeClock, failures: int, asked: int | None, pause: int
    ) -> None:
        """Twice as long each time, or as long as it asks, within bounds."""
        sink, given = Faked(), due(store, 1)
        sink.error = SinkUnavailable("away", retry_after_s=asked)
        outlet = outlet_of(sink, store, clock)
        for _ in range(failures):
            outlet.write(given)
        clock.advance(pause - 1)
        assert outlet.is_paused
        clock.advance(1)
        assert not outlet.is_paused

    def test_a_sink_of_this_host_is_tried_at_every_cycle(
        self, store: Store, clock: FakeClock, tmp_path: Path
    ) -> None:
        """It costs no time."""
        (tmp_path / "apel-archive").write_text("in the way")
        sink = ApelSink("apel", NoOptions(), root=tmp_path)
        outlet = outlet_of(sink, store, clock)
        assert outlet.write(due(store, 1)) == frozenset()
        assert not outlet.is_paused
        (outage,) = store.outages()
        assert outage.retry_at is None

    def test_a_record_that_is_refused_delays_no_other(
        self, store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It stays due, a person is told, and it is tried again later; the sink is well."""
        sink, given = Faked(), due(store, 150)
        sink.refused = given[3].uuid
        outlet = outlet_of(sink, store, clock)
        assert len(outlet.write(given)) == 149
        assert store.unexported("faked") == (given[3],)
        (refused,) = store.refused("faked", limit=2)
        assert (refused.uuid, refused.refusal, refused.refused_at) == (given[3].uuid, "no", START)
        assert store.outages() == ()
        assert not outlet.is_paused
        assert outlet.claim(besides=()) == ()
        (record,) = [each for each in caplog.records if "record-refused" in each.message]
        assert record.levelno == logging.ERROR

    def test_an_outage_is_an_event_when_it_begins_and_when_it_ends(
        self, store: Store, clock: FakeClock
    ) -> None:
        """Once each, also if another process sees it go on."""
        sink, given = Faked(), due(store, 1)
        sink.error = SinkUnavailable("away")
        outlet_of(sink, store, clock).write(given)
        clock.advance(60)
        outlet = outlet_of(sink, store, clock)
        outlet.write(given)
        clock.advance(90)
        sink.error = None
        outlet.write(given)
        due(store, 1, first=9)
        outlet.write(store.unexported("faked"))
        assert store.events(oldest_first=True) == (
            Event(at=START, space="", event="sink-failing", detail=f"faked of {ME}: away"),
            Event(
                at=START + 150,
                space="",
                event="sink-back",
                detail=f"faked of {ME}: takes records again, after 150 s",
            ),
        )

    def test_nothing_to_give_ends_no_outage(self, store: Store, clock: FakeClock) -> None:
        """It was not asked whether it is well."""
        sink = Faked()
        sink.error = SinkUnavailable("away")
        outlet = outlet_of(sink, store, clock)
        outlet.write(due(store, 1))
        outlet.write(())
        assert len(store.outages()) == 1

    def test_a_call_that_hangs_is_given_up(self, store: Store) -> None:
        """What it took until then counts; the thread that hangs is left to itself."""
        clock, sink, given = SystemClock(), Faked(), due(store, 2)
        sink.hang = threading.Event()
        outlet = outlet_of(sink, store, clock)
        calls = CallPool(2, timeout_s=0.3, clock=clock)
        assert outlet.write(given, calls=calls) == frozenset()
        assert calls.stuck == 1
        (outage,) = store.outages()
        assert outage.error == "no answer within 0.3 s"
        sink.hang.set()
        sink.hang = None
        patient = CallPool(2, timeout_s=60, clock=clock)
        assert len(outlet.write(given, calls=patient)) == 2

    def test_an_outage_that_could_not_be_kept_is_told_the_next_time(
        self, store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A full disk can keep the queue and the database from being written alike."""
        sink, given = Faked(), due(store, 1)
        sink.error = SinkRefused("full")
        outlet = outlet_of(sink, store, clock)

        def full(*_: object, **__: object) -> None:
            raise StoreError("full")

        with monkeypatch.context() as patch:
            patch.setattr(store, "note_outage", full)
            with pytest.raises(StoreError):
                outlet.write(given)
        clock.advance(60)
        outlet.write(given)
        (told,) = store.events()
        assert (told.at, told.event) == (START + 60, "sink-failing")

    def test_a_database_that_fails_leaves_it_to_be_repeated(
        self, store: Store, clock: FakeClock
    ) -> None:
        """As the manager had died there: the sink is given the run again."""
        sink = Faked()
        unknown = run(1)
        with pytest.raises(StoreError):
            outlet_of(sink, store, clock).write([unknown])
        store.begin(["faked"])
        store.save(Changes(space=SPACE, intervals=(unknown,)))
        outlet_of(sink, store, clock).write(store.unexported("faked"))
        assert sink.taken == [unknown.uuid] * 2
        assert store.exported("faked") == 1
