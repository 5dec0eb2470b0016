"""What the benches find out that no clock can change; the figures themselves are not tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

TOP = Path(__file__).parent.parent


def run(bench: str, *arguments: str) -> list[dict[str, str]]:
    """Return the rows of the table that a bench prints, by column."""
    command = [sys.executable, "-m", f"bench.{bench}", *arguments]
    done = subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_a_steady_cycle_touches_no_machine_and_asks_the_cloud_three_times(tmp_path: Path) -> None:
    """Log in, limits, one listing; no file of a machine is opened, made, changed or removed."""
    (row,) = run("steady", "--in", str(tmp_path), "20")
    assert (row["machines"], row["files touched"], row["API calls"]) == ("20", "0", "3")


def test_a_steady_cycle_on_openstack_asks_twice_and_no_more(tmp_path: Path) -> None:
    """Limits and one page; nothing for the token, versions, flavors and images that are known."""
    cycle, plain, objects = run("openstack_steady", "--in", str(tmp_path), "12")
    assert (cycle["servers"], cycle["API calls"], plain["API calls"]) == ("12", "2", "1")
    assert objects["what"] == "SDK's listing"


def test_a_ramp_on_openstack_costs_a_call_for_each_machine(tmp_path: Path) -> None:
    """And few to log in, look around and sweep, and see them run; never more than ten at once."""
    (row,) = run("openstack_ramp", "--in", str(tmp_path), "--latency", "0.02", "30")
    assert (row["machines"], row["cycles"]) == ("30", "2")
    assert 30 < int(row["API calls"]) <= 45
    assert int(row["at once"]) <= 10


def test_the_manager_is_compared_with_a_loop_that_makes_the_same_calls(tmp_path: Path) -> None:
    """For a ramp and for steady cycles."""
    rows = run("openstack_overhead", "--in", str(tmp_path), "--ramps", "1", "--latency", "0", "5")
    assert [row["what"] for row in rows] == ["ramp", "steady cycle"]


def test_every_way_to_put_a_heartbeat_is_measured() -> None:
    """With a certificate and by token, anew and kept alive; a PUT that fails would end it."""
    brief = ("--seconds", "0.1", "--rounds", "1", "--clients", "2")
    rows = run("web_puts", *brief)
    assert [row["way"].partition(",")[0] for row in rows] == [
        *(("handshake alone", "new connection", "kept alive") * 2)
    ]
    assert all(float(row["web /s"].replace(",", "")) > 0 for row in rows)
