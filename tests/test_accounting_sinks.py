"""The sinks that are ours keep the contract, each registered one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests import accounting_kit
from tests.accounting_kit import ids_in, json_lines, sink_of
from tests.fakes.auditor import Auditor
from vcycled.accounting.apel import ApelSink
from vcycled.accounting.auditor import AuditorSink
from vcycled.accounting.base import NoOptions, Sink
from vcycled.accounting.jsonl import JsonLinesSink
from vcycled.apel.queue import Queue, elements_of
from vcycled.model import RunInterval
from vcycled.testing.sinks import SinkContract

lines = accounting_kit.lines
server = accounting_kit.server

Outage = Callable[[], AbstractContextManager[None]]


class Blocked:
    """Makes a folder impossible to write to, also for root: a file stands in its place."""

    def __init__(self, folder: Path) -> None:
        """Take note of the folder."""
        self._folder = folder

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Block it for a while."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder.write_text("in the way")
        try:
            yield
        finally:
            self._folder.unlink()


class TestApelSink(SinkContract):
    """APEL's queue keeps the contract."""

    @pytest.fixture
    def make_sink(self, tmp_path: Path) -> Callable[[], Sink]:
        """Return a function that gives a sink on one folder."""
        return lambda: ApelSink("apel", NoOptions(), root=tmp_path)

    @pytest.fixture
    def taken(self, tmp_path: Path) -> Callable[[], Sequence[str]]:
        """Return a function that lists the archive."""
        return lambda: list(Queue(tmp_path).archived())

    @pytest.fixture
    def outage(self, tmp_path: Path) -> Outage:
        """Return a context in which there can be no archive."""
        return Blocked(tmp_path / "apel-archive")

    def name_of(self, run: RunInterval) -> str:
        """Return the file of its record."""
        return next(elements_of(run))


class TestJsonLinesSink(SinkContract):
    """JSON lines keep the contract."""

    @pytest.fixture
    def make_sink(self, tmp_path: Path) -> Callable[[], Sink]:
        """Return a function that gives a sink on one folder."""
        return lambda: json_lines(tmp_path)

    @pytest.fixture
    def taken(self, lines: Path) -> Callable[[], Sequence[str]]:
        """Return a function that reads all lines."""
        return lambda: ids_in(lines)

    @pytest.fixture
    def outage(self, lines: Path) -> Outage:
        """Return a context in which there can be no folder."""
        return Blocked(lines)


class TestAuditorSink(SinkContract):
    """AUDITOR keeps the contract, as far as the stand-in is like it."""

    @pytest.fixture
    def make_sink(self, server: Auditor) -> Callable[[], Sink]:
        """Return a function that gives a sink of one server."""
        return lambda: sink_of(server)

    @pytest.fixture
    def taken(self, server: Auditor) -> Callable[[], Sequence[str]]:
        """Return a function that lists the server's records."""
        return lambda: list(server.records)

    @pytest.fixture
    def outage(self, server: Auditor) -> Outage:
        """Return a context in which the server takes nothing."""
        return server.outage


def test_every_registered_sink_has_its_contract_class() -> None:
    """The entry point's class is tested above."""
    registered = {each.name: each.load() for each in entry_points(group="vcycle.accounting")}
    assert registered == {"apel": ApelSink, "auditor": AuditorSink, "jsonl": JsonLinesSink}
    for each in registered.values():
        assert issubclass(globals()[f"Test{each.__name__}"], SinkContract)
