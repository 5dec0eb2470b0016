"""What the benches find out that no clock can change; the figures themselves are not tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
