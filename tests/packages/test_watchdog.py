"""The units under a real systemd: a manager that hangs is ended and started anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.packages import MARKS, built
from tests.packages.guest import PACKAGES, Guest, booted

pytestmark = [*MARKS, pytest.mark.timeout(300)]

CONF = """\
[vcycle]

[space here.example.org]
api = local
processors_limit = 1
cycle_seconds = 2

[machinetype here.example.org worker]
target_share = 1
user_data = /etc/vcycle.d/worker.sh
backoff_seconds = 60
fizzle_seconds = 60
"""
WORKER = "#!/bin/sh\nexec sleep 3600\n"
QUICK = "[Service]\nWatchdogSec=8\nRestartSec=1\n"
"""So that the test need not wait for five minutes."""


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """Boot a copy of this host on which the manager runs, with a machine."""
    deb = built("*.deb")
    with TemporaryDirectory() as folder, booted(Path(folder), deb.parent) as guest:
        guest.do("dpkg", "--install", str(PACKAGES / deb.name))
        guest.write("/etc/vcycle.d/worker.sh", WORKER)
        guest.write("/etc/vcycle.conf", CONF)
        guest.do("install", "-d", "/etc/systemd/system/vcycled.service.d")
        guest.write("/etc/systemd/system/vcycled.service.d/quick.conf", QUICK)
        guest.do("systemctl", "daemon-reload")
        guest.do("systemctl", "start", "vcycled")
        yield guest


def shown(guest: Guest, name: str) -> str:
    """Return a property of the unit."""
    return guest.do("systemctl", "show", f"--property={name}", "--value", "vcycled").strip()


def await_words(guest: Guest, words: str) -> None:
    """Wait until the unit, or systemd of it, has said this: the journal may be behind a start."""
    journal = "journalctl --unit=vcycled --no-pager"
    guest.until("sh", "-c", f"{journal} | grep --quiet --fixed-strings '{words}'")


def test_the_start_is_over_when_the_manager_has_started(guest: Guest) -> None:
    """Not before; what it looks after is shown."""
    assert shown(guest, "ActiveState") == "active"
    assert shown(guest, "StatusText") == "Looks after 1 of 1 spaces."
    await_words(guest, " started ")


def test_a_manager_that_lives_is_left_alone(guest: Guest) -> None:
    """For longer than the watchdog waits; also while it is told to open its log anew."""
    pid = shown(guest, "MainPID")
    guest.do("systemctl", "reload", "vcycled")
    guest.do("sleep", "17")
    assert (shown(guest, "MainPID"), shown(guest, "NRestarts")) == (pid, "0")
    assert shown(guest, "ActiveState") == "active"


def test_a_manager_that_hangs_is_started_anew_and_its_machines_go_on(guest: Guest) -> None:
    """It leaves the places of its threads, and no copy of its memory."""
    guest.until("pgrep", "--full", "--exact", "sleep 3600")
    machine = guest.do("pgrep", "--full", "--exact", "sleep 3600")
    pid = shown(guest, "MainPID")
    assert "Max core file size        0 " in guest.do("cat", f"/proc/{pid}/limits")
    guest.do("kill", "-STOP", pid)
    again = "test $(systemctl show --property=NRestarts --value vcycled) = 1"
    guest.until("sh", "-c", f"{again} && systemctl is-active vcycled")
    assert shown(guest, "MainPID") != pid
    assert guest.do("pgrep", "--full", "--exact", "sleep 3600") == machine
    await_words(guest, "Watchdog timeout")
    await_words(guest, "supervisor.py")


def test_the_admin_site_is_up_when_its_start_is_over(guest: Guest) -> None:
    """Whoever starts it can ask at once."""
    guest.do("systemctl", "start", "vcycle-admin")
    assert "\nvcycle_managed 1.0\n" in guest.do("curl", "-sS", "http://127.0.0.1:8444/metrics")
    guest.do("systemctl", "stop", "vcycle-admin")


def test_the_end_is_no_hang(guest: Guest) -> None:
    """A manager that is told to end does, with success, and is not started again."""
    before = shown(guest, "NRestarts")
    guest.do("systemctl", "stop", "vcycled")
    assert shown(guest, "Result") == "success"
    assert (shown(guest, "ActiveState"), shown(guest, "NRestarts")) == ("inactive", before)
