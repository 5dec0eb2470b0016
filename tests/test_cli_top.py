"""`vcycle top`: the live view of an installation, on a real terminal and on none."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.builders import NOW
from tests.cli_kit import CONF, OTHER, SECOND_SPACE, SPACE, OnASite, Site, event, machine, report
from tests.terminal import ENTER_SCREEN, HIDE_CURSOR, HOME, LEAVE_SCREEN, SHOW_CURSOR, Terminal
from vcycled.cli.session import Session
from vcycled.cli.top import show_until_quit
from vcycled.clock import SystemClock
from vcycled.testing.clock import FakeClock

SPEED = 40
"""Pictures stay 50 ms."""


def top(
    site: Site, *words: str, size: tuple[int, int] = (80, 24), term: str = "xterm-256color"
) -> Terminal:
    """Start `vcycle top` on a terminal, on a fast clock."""
    fast = [
        "-m",
        "vcycled.testing.fast",
        "--origin",
        str(SystemClock().now() - 10),
        "--speed",
        str(SPEED),
    ]
    vcycle = ["vcycle", "--config", str(site.conf), "top", *words]
    return Terminal([sys.executable, *fast, *vcycle], size=size, term=term)


class TestOnATerminal(OnASite):
    """It goes on until it is told to end, and leaves nothing behind."""

    def test_it_shows_what_is_new_until_q(self, site: Site) -> None:
        """And then the terminal is as it was."""
        site.save(machine())
        with top(site) as terminal:
            first = terminal.read_until("1 machine, 1 processor")
            assert ENTER_SCREEN in first
            assert HIDE_CURSOR in first
            site.save(machine("vcycle-prod-2"))
            terminal.read_until("2 machines, 2 processors")
            terminal.press("q")
            assert terminal.end() == 0
            assert terminal.text.rstrip().endswith(LEAVE_SCREEN)
            assert terminal.text.rindex(SHOW_CURSOR) > terminal.text.rindex(HIDE_CURSOR)
            assert terminal.modes == terminal.modes_before
        assert "Traceback" not in terminal.text

    def test_keys_are_not_shown_and_others_do_nothing(self, site: Site) -> None:
        """Only q ends it."""
        site.report(report())
        with top(site) as terminal:
            terminal.read_until(SPACE)
            terminal.press("xyz")
            shown = terminal.read_until(SPACE) + terminal.read_until(SPACE)
            assert "xyz" not in shown
            terminal.press("Q")
            assert terminal.end() == 0

    @pytest.mark.parametrize("how", ["ctrl-c", "sigterm"])
    def test_ctrl_c_and_sigterm_end_it_as_well(self, site: Site, how: str) -> None:
        """As in order as q does."""
        site.report(report())
        with top(site) as terminal:
            terminal.read_until(SPACE)
            if how == "ctrl-c":
                terminal.press("\x03")
            else:
                os.kill(terminal.pid, signal.SIGTERM)
            assert terminal.end() == 0
            assert terminal.text.rstrip().endswith(LEAVE_SCREEN)
            assert terminal.modes == terminal.modes_before
        assert "Abort" not in terminal.text
        assert "Traceback" not in terminal.text

    @pytest.mark.parametrize("size", [(30, 8), (200, 50)])
    def test_it_fills_the_terminal_and_no_more(self, site: Site, size: tuple[int, int]) -> None:
        """Narrow or wide."""
        site.save(*(machine(f"vcycle-prod-{each}") for each in range(300)))
        site.report(report())
        with top(site, size=size) as terminal:
            terminal.read_until("cloud.example.com")
            terminal.read_until(HOME)
            terminal.press("q")
            assert terminal.end() == 0
            lines = terminal.picture()
        width, height = size
        assert len(lines) == height
        assert max(map(cell_len, lines)) <= width

    def test_a_database_that_fails_is_told_and_asked_again(self, site: Site) -> None:
        """The last picture stays."""
        site.save(machine())
        database = site.root / "vcycle.db"
        with top(site) as terminal:
            terminal.read_until("1 machine, 1 processor")
            database.rename(site.root / "away.db")
            terminal.read_until("out of date: there is no database yet")
            terminal.read_until("1 machine, 1 processor")
            (site.root / "away.db").rename(database)
            terminal.read_until("vcycled has not run on this host")
            terminal.press("q")
            assert terminal.end() == 0

    def test_once_is_one_picture_that_stays(self, site: Site) -> None:
        """No screen of its own, no keys."""
        site.save(machine())
        with top(site, "--once") as terminal:
            assert terminal.end() == 0
            assert ENTER_SCREEN not in terminal.text
            assert terminal.text.count("1 machine, 1 processor") == 1


class TestWithoutATerminal(OnASite):
    """In a pipe it prints all that it knows, once."""

    def test_one_picture_is_printed(self, site: Site) -> None:
        """With every machinetype, however many there are."""
        site.save(
            *(machine(f"vcycle-{each}-1", machinetype=f"kind{each:02}") for each in range(40)),
            events=(event("machine-started", "vcycle-prod-1"),) * 30,
        )
        site.report(report())
        lines = site.ok("top").splitlines()
        assert lines[0].startswith("Vcycle  08:00:00 UTC")
        assert lines[0].endswith("40 machines, 40 processors")
        assert sum(line.startswith("  kind") for line in lines) == 40
        assert lines[-1] == "08:00:00  prod-1  started"
        assert lines.count(lines[-1]) == 10

    def test_what_is_wrong_stands_first(self, site: Site) -> None:
        """The manager, and the configuration."""
        site.configure(CONF.replace("fizzle_seconds = 600", "fizzle_seconds = soon", 1))
        assert site.ok("top").splitlines()[1:4] == [
            "vcycled has not run on this host, as far as is known; no cycle yet",
            "1 error in the configuration: vcycle status",
            "",
        ]

    def test_a_space_that_is_held_says_so(self, site: Site) -> None:
        """Below its name."""
        site.configure(CONF.partition("[machinetype")[0])
        assert site.ok("top").splitlines()[5].startswith("  held: there is no machinetype in th")

    def test_one_space_alone(self, site: Site) -> None:
        """With its own machines and events only; a space without a cycle is there too."""
        site.configure(CONF + SECOND_SPACE)
        site.save(machine(), events=(event("machine-started", "vcycle-a"),))
        there = event("machine-started", "vcycle-b", space=OTHER, at=NOW - 1)
        site.save(machine("vcycle-x", space=OTHER), space=OTHER, events=(there,))
        both, one = site.ok("top"), site.ok("top", "--space", OTHER)
        assert SPACE in both
        assert "2 machines" in both
        assert SPACE not in one
        assert OTHER in one
        assert "1 machine," in one
        assert one.splitlines()[-1] == "07:59:59  b  started"
        assert "did you mean other.example.com?" in site.refused(
            "top", "--space", "othr.example.com"
        )

    def test_a_terminal_that_cannot_move_its_cursor_gets_one_picture(self, site: Site) -> None:
        """Nothing else would do there."""
        site.save(machine())
        with top(site, term="dumb") as terminal:
            assert terminal.end() == 0
            assert terminal.text.count("1 machine, 1 processor") == 1
            assert "\x1b" not in terminal.text


class _DyingLoudly:
    """An object that a signal hits while Python finalizes it: what the handler raises is lost."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


class _Clock(FakeClock):
    """Waits never, but each wait is when the signal comes."""

    waits = 0

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Drop an object that is hit by a signal."""
        self.waits += 1
        assert self.waits < 10, "it goes on after the signal"
        _DyingLoudly()
        return False


class TestSignals(OnASite):
    """Come at any instant."""

    def test_one_that_comes_while_an_object_is_finalized_ends_it_too(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Though Python drops what its handler raises."""
        dropped = list[object]()
        monkeypatch.setattr(sys, "unraisablehook", lambda lost: dropped.append(lost.exc_type))
        site.report(report())
        clock = _Clock(NOW)
        console = Console(file=io.StringIO(), force_terminal=True)
        show_until_quit(Session(clock, (site.conf,)), "", console, every=2)
        assert dropped == [KeyboardInterrupt]
        assert clock.waits == 1
