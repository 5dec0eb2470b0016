"""What a cycle costs in which nothing happens: one space full of running machines.

    python -m bench.steady [--check] [--in FOLDER] [MACHINES ...]

One process lets the manager make the machines; another, as after a restart, looks after them and
is measured. Half of the machines have a heartbeat_file, which every cycle looks at; a fifth of
these beat before each cycle. CPU time is that of all threads of the process, without what it takes
to build a listing: that is the work of a cloud's module, and is shown apart.

--check exits with 1 if the largest size misses a figure that was promised, or if the cost of a
machine grows with their number. --in says where to make the installation: 110 kB for a machine.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.installation import Installation, build, in_new_process
from bench.table import Table

SIZES = (100, 1_000, 10_000)
CYCLES = 11
MOST_CPU_S = 0.5
MOST_RSS_MB = 200
SLACK = 1.5
"""So many times more may a machine cost among ten times as many; the rest is noise."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one cycle took, in seconds."""

    cpu: float
    """Of the manager."""
    listing: float
    """CPU too, to build the listing."""
    wall: float


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured at one size."""

    machines: int
    first: float
    """CPU seconds of the first cycle after a start; those below are of the later ones."""
    cpu: float
    least: float
    most: float
    listing: float
    wall: float
    rss: float
    """Peak of the process, in MB of 10⁶ bytes."""
    cloud: float
    """Part of it that the cloud holds."""
    touched: int
    """Files of machines that a cycle opened, made, changed or removed."""
    calls: int
    """Of the cloud, in a cycle."""


TABLE = Table(
    *("machines", "first CPU s", "CPU s", "least", "most", "listing CPU s", "wall s"),
    *("RSS MB", "cloud MB", "files touched", "API calls"),
)


def main() -> int:
    """Measure each size and print a table; return 1 if a figure that is checked was missed."""
    parser = ArgumentParser(prog="python -m bench.steady")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--in", dest="folder", type=Path)
    parser.add_argument("machines", nargs="*", type=int, default=SIZES)
    options = parser.parse_args()
    rows: list[Row] = []
    TABLE.head()
    for machines in options.machines:
        with TemporaryDirectory(prefix="vcycle-bench-", dir=options.folder) as folder:
            build(Path(folder), spaces=1, machines=machines)
            rows.append(in_new_process(measure, Path(folder), machines))
        TABLE.row(astuple(rows[-1]))
    missed = list(misses(rows))
    for each in missed:
        print("missed:", each)
    return int(options.check and bool(missed))


def misses(rows: Sequence[Row]) -> Iterator[str]:
    """Say which of the promised figures these are not."""
    last = rows[-1]
    if last.cpu > MOST_CPU_S:
        yield f"a cycle took {last.cpu:.2f} s of CPU, not {MOST_CPU_S:g}"
    if last.rss - last.cloud > MOST_RSS_MB:
        yield f"the manager took {last.rss - last.cloud:.0f} MB, not {MOST_RSS_MB}"
    if last.touched:
        yield f"{last.touched} files of machines that did not change were touched"
    for few, many in pairwise(rows):
        growth = (many.cpu / many.machines) / (few.cpu / few.machines)
        if growth > SLACK:
            yield f"a machine among {many.machines} costs {growth:.1f} times as much"


def measure(root: Path, machines: int) -> Row:
    """Return what the cycles of a manager cost that was just started."""
    installation = Installation(root, spaces=1, machines=machines)
    empty = rss_mb("VmRSS")
    installation.refill()
    cloud = rss_mb("VmRSS") - empty
    cycle = _cycle(installation)
    first = cycle()
    costs = []
    for turn in range(CYCLES):
        installation.beat(turn)
        costs.append(cycle())
    rss = rss_mb("VmHWM")
    calls = _calls(installation)
    touched = _touched(installation.tree.layout.spaces, cycle)
    calls = _calls(installation) - calls
    installation.store.close()
    cpu = [cost.cpu for cost in costs]
    return Row(
        machines,
        first.cpu,
        median(cpu),
        min(cpu),
        max(cpu),
        median(cost.listing for cost in costs),
        median(cost.wall for cost in costs),
        rss,
        cloud,
        touched,
        calls,
    )


def _cycle(installation: Installation) -> Callable[[], Cost]:
    """Return what runs one cycle of a new manager, in which nothing is to do, and its cost."""
    ((space, cloud),) = installation.clouds.items()
    manager, config = installation.cycle(space), installation.config_of(space)

    def cycle() -> Cost:
        cpu, listing, wall = time.process_time(), cloud.listing_seconds, time.perf_counter()
        plan = manager.run(config).plan
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        listing = cloud.listing_seconds - listing
        assert plan is not None
        assert not plan.creates
        assert not plan.deletes
        return Cost(cpu - listing, listing, wall)

    return cycle


def _calls(installation: Installation) -> int:
    return sum(cloud.calls.total() for cloud in installation.clouds.values())


def _touched(folder: Path, do: Callable[[], object]) -> int:
    """Return how many files and folders below `folder` are opened or changed while it is done.

    For the rest of the process every opening is watched.
    """
    opened: set[str] = set()

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" or event.startswith("os."):
            opened.update(str(each) for each in arguments if str(each).startswith(f"{folder}/"))

    before = _stamps(folder)
    sys.addaudithook(watch)
    do()
    opened_then = opened.copy()
    after = _stamps(folder)
    return len(opened_then | {path for path, _ in before.items() ^ after.items()})


def _stamps(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return what shows whether each file and folder below `folder` was written."""
    found: dict[str, tuple[int, ...]] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            stat = os.lstat(f"{parent}/{name}")
            found[f"{parent}/{name}"] = stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
    return found


def rss_mb(field: str) -> float:
    """Return memory of this process as the kernel states it: VmRSS now, VmHWM at its peak."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / 1e6
    raise KeyError(field)


if __name__ == "__main__":
    sys.exit(main())
