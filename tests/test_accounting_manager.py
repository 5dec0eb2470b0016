"""A whole manager and its sinks: down for long, killed at any step, added and taken out."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from tests import accounting_kit
from tests.accounting_kit import ids_in, json_lines
from tests.fakes.auditor import Auditor, auditor
from tests.mines import Fuse, Killed, Mined
from tests.store_kit import SPACE, run
from tests.test_supervisor import A, B, Site
from vcycled import kvlog
from vcycled.accounting.apel import ApelSink
from vcycled.accounting.auditor import AuditorOptions, AuditorSink
from vcycled.accounting.base import NoOptions, Sink, record_id
from vcycled.apel.queue import Queue
from vcycled.cycle import outlet as outlets
from vcycled.cycle.outlet import Outlet
from vcycled.daemon import outlets as crew
from vcycled.daemon import supervisor
from vcycled.daemon.outlets import Clerk
from vcycled.model import Changes, RunInterval
from vcycled.store import Store
from vcycled.store.dues import REFUSED_SECONDS
from vcycled.testing.clock import FakeClock

server = accounting_kit.server

SINKS = "accounting = apel auditor jsonl\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give a supervisor that is not started yet, and tries sinks again soon."""
    monkeypatch.setattr(outlets, "BACKOFF_SECONDS", 1)
    monkeypatch.setattr(outlets, "BACKOFF_MOST_SECONDS", 1)
    monkeypatch.setattr(crew, "TICK_S", 0.05)
    monkeypatch.setattr(supervisor, "TICK_S", 0.05)
    monkeypatch.setattr(supervisor, "LEFT_S", 0.1)
    made = Site(tmp_path)
    yield made
    made.stop()


def section(port: int) -> str:
    """Return the section of a server."""
    return f"[accounting auditor]\nurl = http://127.0.0.1:{port}\ntimeout_seconds = 60\n"


def lines(site: Site) -> list[str]:
    """Return the record_id of every JSON line."""
    return ids_in(site.folder / "root" / "accounting" / "jsonl")


def finish_all(site: Site, name: str) -> None:
    """Let the machines of a space end, which have run for long enough."""
    cloud = site.clouds[name]
    site.until(lambda: len(cloud.here) == 2)
    site.clock.wait(threading.Event(), 1.1)
    for truth in list(cloud.here):
        cloud.finish(truth.listed.name)


def test_a_sink_that_is_down_delays_no_other_and_loses_nothing(site: Site) -> None:
    """It gets all that it missed, each once, also what ended while the manager was away."""
    with auditor() as gone:
        port = gone.port
    site.write(site.space(A), head=SINKS, extra=section(port))
    site.start()
    store = site.store
    assert store is not None
    finish_all(site, A)
    archive = Queue(site.folder / "root")
    site.until(lambda: len(lines(site)) >= 2 and len(list(archive.archived())) >= 2)
    site.until(lambda: len(store.outages()) == 1)
    (outage,) = store.outages()
    assert (outage.sink, outage.manager) == ("auditor", "manager.example.org")
    assert outage.error == f"http://127.0.0.1:{port}: Connection refused"
    site.stop()
    with auditor(port=port) as back:
        site.start()
        opened = site.store
        assert opened is not None
        site.until(lambda: opened.unexported("auditor") == () and not opened.outages())
        assert len(back.records) >= 2
        assert set(back.records) <= {*lines(site)}
        site.stop()


def test_a_server_that_hangs_holds_up_no_cycle(site: Site) -> None:
    """Nor the end of the manager for longer than it waits for calls."""
    with auditor() as slow:
        slow.pause.clear()
        site.write(site.space(A), head=SINKS, extra=section(slow.port))
        site.start(exit_s=0.5)
        finish_all(site, A)
        site.until(lambda: len(slow.heard) >= 1)
        before = site.listings(A)
        site.until(lambda: site.listings(A) > before and len(lines(site)) >= 2)
        site.stop()


def test_records_of_a_space_that_nobody_has_any_more_are_written(site: Site) -> None:
    """It was removed, and its records are given anew."""
    site.write(site.space(B), head="accounting = apel jsonl\n")
    site.start()
    store = site.store
    assert store is not None
    store.begin(["jsonl"])
    store.save(Changes(space=SPACE, intervals=(run(1),)))
    site.until(lambda: store.unexported("jsonl") == ())
    assert lines(site) == [record_id(run(1))]


def clerk_of(server: Auditor, store: Store, fuse: Fuse | None = None) -> Clerk:
    """Return what gives AUDITOR its records; it dies when the fuse has burnt down."""
    options = AuditorOptions(url=f"http://127.0.0.1:{server.port}")
    sink: Sink = AuditorSink("auditor", options, root=Path("/none"))
    if fuse is not None:
        store = cast(Store, Mined(store, fuse))
        sink = cast(Sink, Mined(sink, fuse))
    outlet = Outlet(
        "auditor", sink, store=store, manager="m", clock=FakeClock(), log=kvlog.get("clerk")
    )
    return Clerk(outlet, spared=tuple, timeout_s=10)


@pytest.mark.parametrize("ignores", [False, True])
def test_a_manager_that_is_killed_at_any_step_doubles_no_record(
    server: Auditor, tmp_path: Path, ignores: bool
) -> None:
    """Between what AUDITOR took and the mark, before it, or after; nor is one lost."""
    server.ignores_known = ignores
    runs = iter(map(run, itertools.count()))
    expected = []
    with Store.open(f"sqlite:///{tmp_path}/vcycle.db", clock=FakeClock()) as store:
        store.begin(["auditor"])
        for length in itertools.count(1):
            given = tuple(itertools.islice(runs, 3))
            expected += list(map(record_id, given))
            store.save(Changes(space=SPACE, intervals=given))
            fuse = Fuse(length)
            try:
                clerk_of(server, store, fuse).turn()
            except Killed:
                clerk_of(server, store).turn()
            assert store.unexported("auditor") == ()
            assert sorted(server.records) == sorted(expected)
            if not fuse.where:
                break
        assert length > 6


def sink_of(kind: str, root: Path) -> Sink:
    """Return a sink of this host."""
    if kind == "apel":
        return ApelSink("apel", NoOptions(), root=root)
    return json_lines(root)


def names_in(kind: str, root: Path) -> list[str]:
    """Return what names each record that is there, as often as it is there."""
    if kind == "apel":
        return sorted(Queue(root).archived())
    return sorted(ids_in(root / "accounting" / "jsonl"))


@pytest.mark.parametrize("kind", ["apel", "jsonl"])
def test_a_sink_of_this_host_doubles_nothing_either(tmp_path: Path, kind: str) -> None:
    """Killed between what it wrote and the mark, before it, or after; nor is one lost."""
    runs = iter(map(run, itertools.count()))
    given: list[RunInterval] = []

    def write(store: Store, fuse: Fuse) -> None:
        outlet = Outlet(
            kind,
            cast(Sink, Mined(sink_of(kind, tmp_path), fuse)),
            store=cast(Store, Mined(store, fuse)),
            manager="m",
            clock=FakeClock(),
            log=kvlog.get("outlet"),
        )
        outlet.write(store.take(kind, space=SPACE))

    with Store.open(f"sqlite:///{tmp_path}/vcycle.db", clock=FakeClock()) as store:
        store.begin([kind])
        for length in itertools.count(1):
            some = tuple(itertools.islice(runs, 2))
            given += some
            store.save(Changes(space=SPACE, intervals=some))
            fuse = Fuse(length)
            with suppress(Killed):
                write(store, fuse)
            write(store, Fuse(1000))
            assert store.unexported(kind) == ()
            names = names_in(kind, tmp_path)
            assert len(names) == len(set(names)) == len(given)
            if not fuse.where:
                break
        assert length > 4


def test_records_that_a_server_cannot_take_hold_up_no_other(
    server: Auditor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many stand before them; people see which, and they are tried again."""
    monkeypatch.setattr(crew, "_AT_ONCE", 10)
    server.breaks_on = "-bad"
    bad = [run(number, uuid=f"bad{number}") for number in range(12)]
    good = [run(number) for number in range(20, 45)]
    clock = FakeClock()
    with Store.open(f"sqlite:///{tmp_path}/vcycle.db", clock=clock) as store:
        store.begin(["auditor"])
        store.save(Changes(space=SPACE, intervals=(*bad, *good)))
        clerk = clerk_of(server, store)
        clerk.turn()
        assert sorted(server.records) == sorted(map(record_id, good))
        assert store.outages() == ()
        assert [each.uuid for each in store.refused("auditor", limit=99)] == [
            each.uuid for each in bad
        ]
        heard = len(server.heard)
        clerk.turn()
        assert len(server.heard) == heard
        server.breaks_on = ""
        clock.advance(REFUSED_SECONDS)
        clerk.turn()
        assert len(server.records) == 37
        assert store.refused("auditor", limit=1) == ()
        assert store.backlogs() == ()
