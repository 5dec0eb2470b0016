"""The whole product: real processes, real TLS, machines that put their outputs, real signals."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.auditor import Ran, Window, audit
from tests.installation import Installation
from tests.ssmsend import consume
from vcycled.demo.scene import SPACE
from vcycled.machinedir import Layout

FIZZLE = 3
LIMIT = 5

# Real processes, which are not measured: see tests/conftest.py.
pytestmark = [pytest.mark.timeout(600), pytest.mark.no_cover]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    """Return an installation whose processes and machines end with the test."""
    made = Installation(tmp_path / "site")
    yield made
    made.close()


def ran(site: Installation) -> list[Ran]:
    """Return what the machines that finished their work said of their own run."""
    layout = Layout(site.scene.root)
    found = []
    for folder in layout.deleted(SPACE).iterdir():
        words = folder / "joboutputs" / "ran"
        if words.exists():
            began, ended = (site.clock.of_stamp(float(each)) for each in words.read_text().split())
            asked, gone = (int((folder / each).read_text()) for each in ("created", "retired"))
            brief = 5 * site.speed
            found.append(
                Ran(
                    uuid=(folder / "jobfeatures" / "job_id").read_text(),
                    processors=1,
                    # The boot before the first line and the end after the last are ours to see.
                    started=Window(earliest=asked, latest=began + brief),
                    ended=Window(earliest=ended - brief, latest=gone),
                    fizzle_seconds=FIZZLE * site.speed,
                )
            )
    return found


def check(site: Installation, *, at_least: int) -> None:
    """Everything that ran is accounted once with its times; nothing is left anywhere."""
    truth = ran(site)
    assert len(truth) >= at_least
    with site.store() as store:
        intervals = [each.interval for each in store.intervals()]
    known = {each.uuid for each in truth}
    others = [each for each in intervals if each.uuid not in known]
    assert all(each.machinetype == "idle" or each.ended_at for each in others)
    problems = audit(
        truth, [each for each in intervals if each.uuid in known], site.queue, now=site.clock.now()
    )
    # A file that a killed manager had begun stays hidden from ssmsend, which removes it in time.
    problems = tuple(each for each in problems if ".tmp:" not in each)
    assert [each for each in problems if not any(o.uuid in each for o in others)] == []
    assert site.here() == ()
    assert not any(Layout(site.scene.root).current(SPACE).iterdir())


def test_machines_live_work_and_are_accounted(site: Installation) -> None:
    """Created, contextualized, heard, recorded; the idle ones backed off; ended in order."""
    site.start("vcycle-web")
    manager = site.start("vcycled")
    site.wait("six records", lambda: site.records() >= 6)
    assert "machinetype=idle" in site.log
    assert "cause=backoff" in site.log
    lists = Layout(site.scene.root).heartbeat_list(SPACE, "work")
    assert lists.exists()
    site.drain()
    site.wait("records of all", lambda: "cause=drain" in site.log)
    assert site.end(manager) == 0
    assert " ended" in site.log
    assert not (site.scene.root / "vcycled.pid").exists()
    check(site, at_least=5)
    assert len(consume(site.queue.outgoing)) >= 6
    assert list(site.queue.outgoing.glob("*/*")) == []


def test_a_manager_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL in mid-cycle, a new manager, and so on: none lost or doubled, one record each.

    On a clock that goes faster, so that creations whose answer nobody heard are given up.
    """
    site = Installation(tmp_path / "site", speed=60)
    try:
        _kill_again_and_again(site)
    finally:
        site.close()


def _kill_again_and_again(site: Installation) -> None:
    chance = random.Random(1)
    peak = 0
    site.start("vcycle-web")
    for _ in range(3):
        manager = site.start("vcycled")
        for _ in range(int(chance.uniform(10, 40))):
            threading.Event().wait(0.1)
            peak = max(peak, len(site.here()))
        assert manager.poll() is None, site.log
        assert site.end(manager, signal.SIGKILL) == -signal.SIGKILL
    manager = site.start("vcycled")
    site.wait("five records", lambda: site.records() >= 5)
    site.drain()
    assert site.end(manager) == 0
    assert peak <= LIMIT
    check(site, at_least=5)


def test_a_broken_edit_changes_nothing_and_is_said(site: Installation) -> None:
    """The last good configuration goes on; mending the file is noticed too."""
    manager = site.start("vcycled")
    site.wait("machines", lambda: "machine-started" in site.log)
    good = site.scene.conf.read_text()
    site.rewrite(good.replace("cycle_seconds = 1", "cycle_seconds = soon"))
    site.wait("the error", lambda: "config-error" in site.log)
    assert f"{site.scene.conf}:" in site.log
    assert "cycle_seconds: must be a whole number" in site.log
    created = site.log.count("machine-created")
    assert site.machines() != ()
    site.rewrite(good)
    site.wait("the mended file", lambda: site.log.count("config-read") >= 3)
    site.wait("creation again", lambda: site.log.count("machine-created") > created)
    assert site.end(manager) == 0


def test_only_one_manager_runs_and_signals_are_heeded(site: Installation) -> None:
    """Detached, with a pid file; a second copy is refused; SIGHUP reopens the log."""
    conf = site.scene.conf
    log = site.scene.folder / "detached.log"
    conf.write_text(conf.read_text().replace("[vcycle]\n", f"[vcycle]\nlog_file = {log}\n"))
    started = site.start("vcycled", "--detach")
    assert started.wait(120) == 0
    pid_file = site.scene.root / "vcycled.pid"
    site.wait("the pid file", pid_file.exists)
    pid = int(pid_file.read_text())
    try:
        site.wait("work", lambda: log.exists() and "machine-created" in log.read_text())
        second = site.start("vcycled")
        assert second.wait(120) == 1
        assert "another vcycled runs on" in site.log
        log.rename(log.with_suffix(".old"))
        os.kill(pid, signal.SIGHUP)
        site.wait("a new log", log.exists)
    finally:
        os.kill(pid, signal.SIGTERM)
        site.wait("the end", lambda: not Path(f"/proc/{pid}").exists())
    assert not pid_file.exists()


def test_rules_of_an_hour_hold_on_a_faster_clock(tmp_path: Path) -> None:
    """Machines that never start are given up after the usual hour, which no test shortens."""
    site = Installation(tmp_path / "site", speed=240)
    try:
        _wait_for_an_hour(site)
    finally:
        site.close()


def _wait_for_an_hour(site: Installation) -> None:
    conf = site.scene.conf
    text = conf.read_text().replace("cycle_seconds = 600", "cycle_seconds = 60")
    text = text.replace("api = local\n", "api = local\nstart_delay_seconds = 1000000\n")
    conf.write_text(text)
    manager = site.start("vcycled")
    site.wait("giving up", lambda: "700 Failed to start" in site.log)
    with site.store() as store:
        ages = [
            event.at - next(m.created_at for m in store.machine(event.machine))
            for event in store.events(space=SPACE)
            if event.detail == "700 Failed to start"
        ]
    assert ages
    # How long after the hour it looked is the host's doing: 15 real seconds are another hour.
    assert all(3600 < age < 2 * 3600 for age in ages)
    assert site.end(manager) == 0


def test_a_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    """Exit status 2, and every problem by file and line."""
    conf = tmp_path / "vcycle.conf"
    text = (
        f"[vcycle]\nroot = {tmp_path}\n[space a.example.org]\napi = local\nprocessor_limit = 3\n"
    )
    conf.write_text(text)
    ran_ = subprocess.run(
        [sys.executable, "-c", "import vcycled.daemon as m; m.main()", "--config", str(conf)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran_.returncode == 2
    assert f"{conf}:5: [space a.example.org] processor_limit:" in ran_.stderr
    assert "nothing started" in ran_.stderr
