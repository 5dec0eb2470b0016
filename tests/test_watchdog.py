"""What the manager tells systemd: that it lives, while that is worth something."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli_kit import CONF, OnASite
from tests.cli_kit import Site as CliSite
from tests.ports import free_port
from tests.systemd_kit import Systemd
from tests.test_supervisor import A, B, Site, broken
from vcycled import kvlog
from vcycled.config import SpaceConfig
from vcycled.cycle import SpaceCycle, run
from vcycled.daemon import supervisor, worker
from vcycled.daemon.worker import STUCK_S, SpaceWorker
from vcycled.systemd import Notifier
from vcycled.testing.clock import FakeClock

ALIVE = "WATCHDOG=1"
LOST = "STATUS=No cycle makes any progress."
PATIENCE_S = 60


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """Return what listens."""
    made = Systemd(str(tmp_path / "notify"))
    yield made
    made.socket.close()


@pytest.fixture
def site(tmp_path: Path, systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a site whose supervisor gives a sign of life in each of its quick turns."""
    monkeypatch.setattr(supervisor, "TICK_S", 0.02)
    made = Site(tmp_path)
    made.systemd = Notifier(systemd.address, watchdog_s=0.01)
    yield made
    made.stop()


def lives(systemd: Systemd) -> None:
    """Wait until the manager gives another sign of life."""
    systemd.heard()
    systemd.until(ALIVE)


def falls_silent(systemd: Systemd) -> None:
    """Wait until the manager gives no sign of life for as long as it usually gives ten."""
    for _ in range(PATIENCE_S):
        systemd.heard()
        threading.Event().wait(0.3)
        if ALIVE not in systemd.heard():
            return
    pytest.fail("it goes on to give signs of life")


def test_a_start_is_told_once_it_is_over_and_the_end_when_it_begins(
    site: Site, systemd: Systemd
) -> None:
    """With a line of what it looks after."""
    site.write(site.space(A), site.space(B, limit="many"))
    site.start()
    heard = systemd.until(ALIVE)
    assert heard[:2] == [
        "STATUS=Looks after 1 of 1 spaces. Errors in the configuration: 1.",
        "READY=1",
    ]
    site.stop()
    heard = systemd.heard()
    assert heard.count("STOPPING=1") == 1
    assert heard[-1] == "STOPPING=1"


def test_a_space_that_hangs_in_its_cloud_is_no_reason_to_end(
    site: Site, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it does."""
    monkeypatch.setattr(worker, "STUCK_S", 0.1)
    gate = site.clouds[A].hold("machines")
    site.write(site.space(A))
    site.start(exit_s=0.2)
    site.until(lambda: site.clouds[A].calls["connect"] > 0)
    lives(systemd)
    threading.Event().wait(3 * worker.STUCK_S)
    lives(systemd)
    gate.set()


def test_a_main_loop_that_hangs_gives_no_sign_of_life(site: Site, systemd: Systemd) -> None:
    """Whatever the workers do."""
    gate = threading.Event()
    site.write(site.space(A))
    site.start()
    systemd.until(ALIVE)
    assert site.supervisor is not None
    site.supervisor.reopen_logs(lambda: wait(gate))
    while not systemd.next().startswith("RELOADING=1\nMONOTONIC_USEC="):
        pass
    falls_silent(systemd)
    gate.set()
    assert systemd.until(ALIVE)[0] == "READY=1"


def wait(gate: threading.Event) -> None:
    """Hang."""
    gate.wait(PATIENCE_S)


def test_workers_that_die_are_no_sign_of_life(
    site: Site, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is replaced; only if none of all spaces stays alive, the manager is not."""
    site.write(site.space(A), site.space(B))
    site.start()
    systemd.until(ALIVE)
    supervised = site.supervisor
    assert supervised is not None
    wanted = supervised._wanted
    dead = {A}

    def dying(name: str) -> tuple[SpaceConfig, str] | None:
        if name in dead:
            return None  # its thread ends by that
        return wanted(name)

    monkeypatch.setattr(supervised, "_wanted", dying)
    kick(site)
    site.until(lambda: A in supervised._dead)
    lives(systemd)
    dead.add(B)
    kick(site)
    systemd.until(LOST)
    falls_silent(systemd)
    dead.clear()
    lives(systemd)


def kick(site: Site) -> None:
    """Let every worker begin anew."""
    assert site.supervisor is not None
    for team in site.supervisor._teams.values():
        team.worker.kick()


def test_a_database_that_is_away_is_told_and_no_reason_to_end(
    site: Site, systemd: Systemd
) -> None:
    """Another manager could not use it either."""
    site.write(site.space(A))
    site.start()
    systemd.until(ALIVE)
    assert site.store is not None
    database = site.store._database
    real, database.read = database.read, broken  # type: ignore[method-assign,assignment]
    systemd.until("STATUS=The database cannot be used; the log says why.")
    lives(systemd)
    database.read = real  # type: ignore[method-assign] # as it was
    systemd.until("STATUS=Looks after 1 of 1 spaces.")


def test_a_manager_without_spaces_lives_too(site: Site, systemd: Systemd) -> None:
    """As one that waits for another's end does."""
    site.write()
    site.start()
    assert "STATUS=Looks after 0 of 0 spaces." in systemd.until(ALIVE)


def test_a_cycle_that_gets_nowhere_is_no_sign_of_life(
    site: Site, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for no cloud, so nothing would ever end it."""
    monkeypatch.setattr(worker, "STUCK_S", 0.2)
    gate = threading.Event()
    monkeypatch.setattr(run, "plan_space", lambda *_, **__: wait(gate))
    site.write(site.space(A))
    site.start(exit_s=0.2)
    systemd.until(LOST)
    falls_silent(systemd)
    gate.set()
    systemd.until(ALIVE)


class _Cycle(SpaceCycle):
    """A cycle of which only one thing is asked."""

    def __init__(self, *, is_calling: bool) -> None:
        self.calls = is_calling

    @property
    def is_calling(self) -> bool:
        """As the test says."""
        return self.calls


@pytest.mark.parametrize(
    ("for_s", "is_calling", "is_stuck"),
    [
        (None, False, False),
        (STUCK_S - 1, False, False),
        (STUCK_S, False, False),
        (STUCK_S + 1, False, True),
        (STUCK_S + 1, True, False),
    ],
)
def test_a_cycle_has_a_quarter_of_an_hour_without_calls(
    for_s: float | None, is_calling: bool, is_stuck: bool
) -> None:
    """Between two cycles it has for ever."""
    clock = FakeClock()
    cycle = _Cycle(is_calling=is_calling)
    made = SpaceWorker(cycle, lambda: None, clock=clock, log=kvlog.get("test"))
    made._busy_since = None if for_s is None else clock.monotonic()
    clock.advance(for_s or 10 * STUCK_S)
    assert made.is_stuck is is_stuck


class TestProcesses(OnASite):
    """The commands themselves."""

    def test_vcycle_admin_tells_when_it_listens(self, site: CliSite, systemd: Systemd) -> None:
        """And when its end begins."""
        site.configure(CONF.replace("[vcycle]", f"[vcycle]\nadmin_port = {free_port()}"))
        command = [sys.executable, "-c", "from vcycled.admin import main; main()"]
        with started([*command, "--config", str(site.conf)], systemd) as process:
            assert systemd.next() == "READY=1"
            process.send_signal(signal.SIGTERM)
            assert systemd.next() == "STOPPING=1"
            assert process.wait(PATIENCE_S) == 0

    def test_vcycled_tells_of_its_start_and_of_a_reload(
        self, site: CliSite, systemd: Systemd
    ) -> None:
        """If the watchdog ends it, it says where each of its threads was."""
        with started(manager(site), systemd) as process:
            systemd.until("READY=1")
            process.send_signal(signal.SIGHUP)
            while not (heard := systemd.next()).startswith("RELOADING=1\n"):
                assert heard.startswith("STATUS=")
            assert systemd.next() == "READY=1"
            process.send_signal(signal.SIGABRT)
            _, said = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == -signal.SIGABRT
            assert "Fatal Python error: Aborted" in said
            assert "supervisor.py" in said


def manager(site: CliSite) -> list[str]:
    """Return the command of a manager without machines."""
    site.close()
    site.configure(CONF.replace("processors_limit = 8", "processors_limit = 0"))
    code = "from vcycled.daemon import main; main()"
    return [sys.executable, "-c", code, "--config", str(site.conf)]


@contextmanager
def started(command: list[str], systemd: Systemd) -> Iterator[subprocess.Popen[str]]:
    """Start a process as systemd does."""
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=systemd.environment
    ) as process:
        yield process
        process.kill()
