"""What the tests of sinks share: one that a test scripts, a store, what joins both, and our own.

A module takes the fixtures it wants by their names: `store = accounting_kit.store`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.auditor import Auditor, auditor
from tests.prepared import put_database
from tests.store_kit import SPACE, run
from vcycled import kvlog
from vcycled.accounting.auditor import AuditorOptions, AuditorSink
from vcycled.accounting.base import RunInterval, Sink, SinkError, Verdict
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink
from vcycled.clock import Clock
from vcycled.cycle.outlet import Outlet
from vcycled.model import Changes
from vcycled.store import Store
from vcycled.testing.clock import FakeClock

ME = "m1.example.org"


@dataclass
class Faked(Sink):
    """A sink that a test scripts."""

    error: SinkError | None = None
    after: int = 0
    """How many of a batch it takes before the error."""
    refused: str = ""
    """The uuid that it does not take."""
    hang: threading.Event | None = None
    """Awaited before the first verdict."""
    batches: list[int] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    is_closed: bool = False

    def __init__(
        self, name: str = "faked", options: object = None, *, root: Path = Path()
    ) -> None:
        """Be well."""
        self.batches, self.taken = [], []

    def put(self, runs: Sequence[RunInterval]) -> Iterable[Verdict]:
        """Do what the test says."""
        self.batches.append(len(runs))
        if self.hang is not None:
            self.hang.wait(60)
        for number, each in enumerate(runs):
            if self.error is not None and number >= self.after:
                raise self.error
            refusal = "no" if each.uuid == self.refused else ""
            if not refusal:
                self.taken.append(each.uuid)
            yield Verdict(run=each, refusal=refusal)

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock set by hand."""
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    """Give an empty store."""
    put_database(tmp_path / "vcycle.db")
    with Store.open(f"sqlite:///{tmp_path}/vcycle.db", clock=clock) as opened:
        yield opened


def outlet_of(sink: Sink, store: Store, clock: Clock) -> Outlet:
    """Return what gives runs to `sink`."""
    return Outlet("faked", sink, store=store, manager=ME, clock=clock, log=kvlog.get("outlet"))


def due(store: Store, number: int, *, first: int = 1) -> tuple[RunInterval, ...]:
    """Save so many runs as due, and return them."""
    store.begin(["faked"])
    given = tuple(run(first + each) for each in range(number))
    store.save(Changes(space=SPACE, intervals=given))
    return given


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Return the folder of the JSON lines."""
    return tmp_path / "accounting" / "jsonl"


def ids_in(folder: Path) -> list[str]:
    """Return the record_id of every line."""
    return [
        str(json.loads(line)["record_id"])
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="ascii").splitlines()
    ]


def json_lines(root: Path) -> JsonLinesSink:
    """Return a sink of JSON lines."""
    return JsonLinesSink("jsonl", JsonLinesOptions(), root=root)


@pytest.fixture
def server() -> Iterator[Auditor]:
    """Give a stand-in for AUDITOR."""
    with auditor() as running:
        yield running


def sink_of(server: Auditor, **options: object) -> AuditorSink:
    """Return a sink that sends to `server`."""
    given = {"url": f"http://127.0.0.1:{server.port}", "timeout_seconds": 10, **options}
    return AuditorSink("auditor", AuditorOptions(**given), root=Path("/none"))  # type: ignore[arg-type] # names are those of options
