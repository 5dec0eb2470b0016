"""What the demo leaves to look at."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vcycled.apel import validate
from vcycled.apel.queue import Queue
from vcycled.apel.record import JobRecord, records_in
from vcycled.demo.scene import Scene


def summary(scene: Scene, *, now: int) -> RenderableType:
    """Return the records written, and where everything is."""
    queue = Queue(scene.root)
    records: list[JobRecord] = []
    problems: list[str] = []
    for element in queue.archived():
        message = (queue.archive / element).read_bytes()
        problems += validate.problems(message, now=now)
        records += records_in(message.decode("ascii"))
    return Group(
        Text(f"\n{len(records)} accounting records written, {len(problems)} of them not valid\n"),
        _by_machinetype(records),
        Text("\nLook further:"),
        _places(scene),
    )


def _by_machinetype(records: list[JobRecord]) -> Table:
    table = Table("machinetype", "records", "wall seconds", box=None, pad_edge=False)
    counts = Counter(record.queue for record in records)
    for name, count in sorted(counts.items()):
        wall = sum(record.wall_seconds for record in records if record.queue == name)
        table.add_row(name, str(count), str(wall))
    return table


def _places(scene: Scene) -> Table:
    table = Table.grid(padding=(0, 2))
    places = {
        "configuration": scene.conf,
        "records, kept": scene.root / "apel-archive",
        "records, to be sent": scene.root / "apel-outgoing",
        "outputs of machines": scene.root / "shared" / "spaces",
        "log of the manager": scene.log,
        "log of the web site": scene.web_log,
    }
    for what, path in places.items():
        table.add_row(f"  {what}", str(path))
    call = f"{_vcycle()} --config {os.path.relpath(scene.conf)}"
    for command in ("machines --all", "events", "apel list"):
        table.add_row("  command", f"{call} {command}")
    return table


def _vcycle() -> str:
    """Return how `vcycle` is called from here: `make demo` leaves it where no shell looks."""
    beside = Path(sys.executable).with_name("vcycle")
    return "vcycle" if shutil.which("vcycle") else os.path.relpath(beside)
