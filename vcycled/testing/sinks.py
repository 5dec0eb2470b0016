"""What every sink of accounting records must do, as tests: subclass `SinkContract`.

    class TestMySink(SinkContract):
        @pytest.fixture
        def make_sink(self, server: Server, tmp_path: Path) -> Callable[[], Sink]:
            return lambda: MySink("mine", server.options, root=tmp_path)

        @pytest.fixture
        def taken(self, server: Server) -> Callable[[], Sequence[str]]:
            return lambda: server.ids()

        @pytest.fixture
        def outage(self, server: Server) -> Callable[[], AbstractContextManager[None]]:
            return server.outage

Each call of `make_sink` gives one more sink on the same place, as after a restart of the manager.
`taken` gives the `record_id` of every record that is there, as often as it is there; a sink whose
records bear other names overrides `name_of`. `outage` is a context in which nothing can be taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from vcycled.accounting.base import Sink, SinkError, record_id
from vcycled.model import EndSource, RunInterval, Terms

DAY = 86_400
START = 1_800_000_000
TERMS = Terms(
    fizzle_seconds=600,
    max_wallclock_seconds=DAY,
    site="EXAMPLE-SITE",
    is_published=True,
    submit_host="space.example.com/vcycle-manager.example.com",
    manager_host="manager.example.com",
    global_user="/DC=com/DC=example/DC=space",
    fqan="/vo/Role=pilot",
    power_per_processor=12.5,
    power_unit="hepscore23",
)
RUN = RunInterval(
    uuid="00000000-0000-4000-8000-000000000000",
    interval=0,
    space="space.example.com",
    machinetype="prod",
    name="vcycle-prod-0000000000",
    processors=8,
    memory_mb=16_384,
    started_at=START,
    ended_at=START + 3600,
    end_source=EndSource.CLOUD,
    is_final=True,
    terms=TERMS,
)
TEXTS = (
    "",
    " ",
    "é" * 300,
    "a\0b",
    "a\nb\r\nc\u2028d",
    '"},{\\',
    "%%",
    "None",
    "\U0001f680",
    "x" * 10_000,
)
"""What a name may be for all that we know."""


def runs(number: int) -> tuple[RunInterval, ...]:
    """Return runs of machines of their own, over two days."""
    return tuple(
        replace(
            RUN,
            uuid=f"00000000-0000-4000-8000-{each:012}",
            name=f"vcycle-prod-{each:010}",
            ended_at=RUN.ended_at + each % 2 * DAY + each,
        )
        for each in range(number)
    )


def give(sink: Sink, given: Sequence[RunInterval]) -> list[RunInterval]:
    """Give these runs to a sink; return those that it says it has taken."""
    return [each.run for each in sink.put(given) if not each.refusal]


class SinkContract:
    """The contract of accounting/base.py; a subclass supplies three fixtures."""

    @pytest.fixture
    def make_sink(self) -> Callable[[], Sink]:
        """Return a function that gives a new sink on one and the same place."""
        raise NotImplementedError

    @pytest.fixture
    def taken(self) -> Callable[[], Sequence[str]]:
        """Return a function that gives the names of all records that are there."""
        raise NotImplementedError

    @pytest.fixture
    def outage(self) -> Callable[[], AbstractContextManager[None]]:
        """Return a context in which the sink can take nothing."""
        raise NotImplementedError

    def name_of(self, run: RunInterval) -> str:
        """Return the name that `taken` gives the record of `run`."""
        return record_id(run)

    def names(self, given: Sequence[RunInterval]) -> list[str]:
        """Return the names of the records of `given`, sorted."""
        return sorted(map(self.name_of, given))

    def test_it_takes_every_run_once(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]]
    ) -> None:
        """And says so of each."""
        given = runs(7)
        found = give(make_sink(), given)
        assert sorted(map(self.name_of, found)) == sorted(taken()) == self.names(given)

    def test_nothing_is_given(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]]
    ) -> None:
        """Nor taken."""
        assert give(make_sink(), ()) == []
        assert list(taken()) == []

    def test_what_was_just_written_is_not_pruned(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]]
    ) -> None:
        """However long ago the runs ended; another one goes on with what is there."""
        long_ago_s = 20 * 365 * DAY
        given = [
            replace(run, started_at=START - long_ago_s, ended_at=run.ended_at - long_ago_s)
            for run in runs(3)
        ]
        sink = make_sink()
        give(sink, given)
        sink.prune(before=START - long_ago_s // 2)
        assert sorted(taken()) == self.names(given)
        assert len(give(make_sink(), given)) == 3
        assert sorted(taken()) == self.names(given)

    def test_what_it_took_before_is_taken_and_not_doubled(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]]
    ) -> None:
        """The manager died before it could mark them; others come with them, in any order."""
        given = runs(6)
        give(make_sink(), given[:3])
        again = make_sink()
        for _ in range(2):
            found = give(again, given[::-1])
            assert sorted(map(self.name_of, found)) == self.names(given)
        assert sorted(taken()) == self.names(given)

    def test_a_run_of_its_own_number_is_another(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]]
    ) -> None:
        """The machine was accounted, and came back."""
        given = (RUN, replace(RUN, interval=1, ended_at=RUN.ended_at + 9))
        assert len(give(make_sink(), given)) == len(taken()) == 2

    def test_nothing_is_doubled_by_several_at_once(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]]
    ) -> None:
        """One of them was given up for its time, and works on."""
        given, sink = runs(6), make_sink()
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _: give(sink, given), range(4)):
                assert sorted(map(self.name_of, found)) == self.names(given)
        assert sorted(taken()) == self.names(given)

    def test_it_says_that_it_cannot_and_can_later(
        self,
        make_sink: Callable[[], Sink],
        taken: Callable[[], Sequence[str]],
        outage: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Nothing counts as taken that is not there afterwards."""
        sink, given = make_sink(), runs(4)
        with outage(), pytest.raises(SinkError) as caught:
            give(sink, given)
        assert str(caught.value)
        assert len(give(sink, given)) == 4
        assert sorted(taken()) == self.names(given)

    @pytest.mark.parametrize("text", TEXTS)
    def test_strange_names_are_taken(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]], text: str
    ) -> None:
        """A record is never lost for them."""
        terms = replace(TERMS, site=text, fqan=text, submit_host=text, global_user=text)
        strange = replace(RUN, name=text, machinetype=text, terms=terms)
        sink = make_sink()
        assert give(sink, [strange]) == give(sink, [strange]) == [strange]
        assert list(taken()) == [self.name_of(strange)]

    @pytest.mark.parametrize("text", TEXTS[1:])
    def test_strange_ids_are_told_apart(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]], text: str
    ) -> None:
        """Of machines that were adopted under what their cloud calls them."""
        given = [replace(RUN, uuid=text), replace(RUN, uuid=f"{text}2")]
        assert len(give(make_sink(), given)) == len(give(make_sink(), given)) == 2
        assert sorted(taken()) == self.names(given)

    @pytest.mark.parametrize(
        "changes",
        [
            {"started_at": RUN.ended_at + 9},
            {"started_at": -(2**62), "ended_at": -(2**62)},
            {"ended_at": 2**62},
            {"processors": 0, "memory_mb": 0},
            {"processors": 2**40, "memory_mb": 2**62},
            {"terms": replace(TERMS, power_per_processor=None)},
            {"terms": replace(TERMS, power_per_processor=float("nan"))},
            {"terms": replace(TERMS, power_per_processor=float("inf"))},
            {"terms": replace(TERMS, power_per_processor=-1.0, power_unit="")},
        ],
    )
    def test_strange_numbers_are_taken(
        self,
        make_sink: Callable[[], Sink],
        taken: Callable[[], Sequence[str]],
        changes: dict[str, object],
    ) -> None:
        """Whatever a wrong clock or a wrong cloud said."""
        strange = replace(RUN, **changes)  # type: ignore[arg-type] # names are those of fields
        assert give(make_sink(), [strange]) == [strange]
        assert list(taken()) == [self.name_of(strange)]

    def test_a_run_that_is_not_final_is_refused(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]]
    ) -> None:
        """With all that came with it: its end may still change."""
        given = (*runs(2), replace(RUN, uuid="open", is_final=False))
        with pytest.raises(ValueError, match="open"):
            give(make_sink(), given)
        assert list(taken()) == []

    def test_a_full_batch_is_taken(
        self, make_sink: Callable[[], Sink], taken: Callable[[], Sequence[str]]
    ) -> None:
        """As many runs as it says it takes at once."""
        sink = make_sink()
        given = runs(sink.batch)
        assert len(give(sink, given)) == len(taken()) == sink.batch
