"""What systemd is told of our processes, received on a real socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd_kit import Systemd
from vcycled.systemd import Notifier, notifier
from vcycled.testing.clock import FakeClock


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    """Return one with either kind of socket."""
    names = {"path": str(tmp_path / "notify"), "abstract": f"@vcycle-test-{os.getpid()}"}
    made = Systemd(names[request.param])
    yield made
    made.socket.close()


def test_what_is_said_is_what_sd_notify_has(systemd: Systemd) -> None:
    """Each a datagram of its own; a status is one line, and told when it changes."""
    clock = FakeClock()
    clock.advance(12.5)
    told = Notifier(systemd.address, clock=clock)
    told.status("One\nREADY=1")
    told.status("One\nREADY=1")
    told.ready()
    told.ready()
    told.reloading()
    told.ready()
    told.status("Two")
    told.stopping()
    assert systemd.heard() == [
        "STATUS=One READY=1",
        "READY=1",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "READY=1",
        "STATUS=Two",
        "STOPPING=1",
    ]


@pytest.mark.parametrize(("after_s", "number"), [(0, 1), (9.9, 1), (10, 2), (10.1, 2), (1000, 2)])
def test_signs_of_life_come_four_in_an_interval(
    after_s: float, number: int, tmp_path: Path
) -> None:
    """However often the loop goes round."""
    heard, clock = Systemd(str(tmp_path / "notify")), FakeClock()
    told = Notifier(heard.address, watchdog_s=40, clock=clock)
    told.alive()
    clock.advance(after_s)
    told.alive()
    told.alive()
    assert heard.heard() == ["WATCHDOG=1"] * number
    heard.socket.close()


@pytest.mark.parametrize(
    ("found", "is_alive"),
    [
        ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "1000000"}, True),
        ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({}, False),
    ],
)
def test_the_environment_says_whom_to_tell_and_keeps_nothing_of_it(
    found: dict[str, str], is_alive: bool, tmp_path: Path
) -> None:
    """Machines on this host are children of ours, and are not to speak for us."""
    heard = Systemd(str(tmp_path / "notify"))
    environ = {"NOTIFY_SOCKET": heard.address, "PATH": "/bin", **found}
    told = notifier(environ)
    assert environ == {"PATH": "/bin"}
    told.alive()
    assert heard.heard() == ["WATCHDOG=1"] * is_alive
    heard.socket.close()


def test_who_was_not_started_by_systemd_tells_nobody() -> None:
    """A terminal, a container."""
    told = notifier({})
    told.ready()
    told.alive()
    told.stopping()


def test_a_systemd_that_does_not_listen_hinders_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and again when it had listened in between."""
    told = Notifier(str(tmp_path / "notify"))
    told.stopping()
    told.stopping()
    heard = Systemd(str(tmp_path / "notify"))
    told.stopping()
    assert heard.heard() == ["STOPPING=1"]
    heard.socket.close()
    told.stopping()
    assert caplog.text.count("notify-failed") == 2
    assert str(tmp_path / "notify") in caplog.text
