"""What a cycle costs on OpenStack in which nothing happens, and what its listing costs alone.

    python -m bench.openstack_steady [--check] [--in FOLDER] [MACHINES]

Unless told otherwise there are 5,000 machines of ours, which the manager made and which run. The
cloud is the simulator in a process of its own. One process lets the manager make the machines;
another, as after a restart, looks after them and is measured; CPU time is that of all its threads,
TLS is not in it. Two more processes only list: one as the manager does, from plain JSON, one as
the SDK does, with an object for each server.

--check exits with 1 if a cycle misses a figure that was promised.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.installation import in_new_process
from bench.openstack_site import Site, Where, simulated, simulator
from bench.steady import rss_mb
from bench.table import Table

CYCLES = 11
MOST_CPU_S = 0.45
MOST_RSS_MB = 150
TABLE = Table(
    *("what", "servers", "first CPU s", "CPU s", "least", "most", "wall s", "RSS MB"), "API calls"
)


def main() -> int:
    """Print a row for each kind of work; return 1 if a figure that is checked was missed."""
    parser = ArgumentParser(prog="python -m bench.openstack_steady")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--in", dest="folder", type=Path)
    parser.add_argument("machines", nargs="?", type=int, default=5000)
    options = parser.parse_args()
    machines = options.machines
    with (
        TemporaryDirectory(prefix="vcycle-bench-", dir=options.folder) as folder,
        simulator() as cloud,
    ):
        where, root = simulated(cloud.url), Path(folder)
        in_new_process(fill, root, where, machines)
        TABLE.head()
        cycle = in_new_process(steady, root, where, machines)
        cycle.show("cycle", machines)
        in_new_process(plain, root, where, machines).show("plain listing", machines)
        in_new_process(objects, where, machines).show("SDK's listing", machines)
    return int(options.check and (median(cycle.cpu) > MOST_CPU_S or cycle.rss > MOST_RSS_MB))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What doing the same many times took."""

    first: float
    """CPU seconds of the first time; those below are of the later ones."""
    cpu: Sequence[float]
    wall: Sequence[float]
    rss: float
    """Peak of the process, in MB of 10⁶ bytes."""
    calls: int
    """Of the cloud at the last time; 0 if they were not counted."""

    def show(self, what: str, servers: int) -> None:
        """Print it."""
        cpu = (self.first, median(self.cpu), min(self.cpu), max(self.cpu))
        TABLE.row([what, servers, *cpu, median(self.wall), self.rss, self.calls])


def fill(root: Path, where: Where, machines: int) -> None:
    """Let a manager make the machines and see them run."""
    site = Site(root, where, machines=machines)
    site.write()
    manager = site.manager()
    for _ in range(2):
        manager.run(site.config)
    site.store.close()


def steady(root: Path, where: Where, machines: int) -> Cost:
    """Return what the cycles of a manager cost that was just started."""
    site = Site(root, where, machines=machines)
    manager = site.manager()

    def cycle() -> int:
        outcome = manager.run(site.config)
        assert outcome.plan is not None
        assert not outcome.plan.creates
        assert not outcome.plan.deletes
        assert outcome.report.processors == machines
        return outcome.report.api_calls

    found = _measured(cycle)
    site.store.close()
    return found


def plain(root: Path, where: Where, machines: int) -> Cost:
    """Return what the listing of the manager costs alone."""
    from vcycled.spaces.openstack import OpenStackSpace  # noqa: PLC0415 - for its own process

    site = Site(root, where, machines=machines)
    space = OpenStackSpace("bench", site.options, clock=site.clock)
    site.store.close()

    def listing() -> int:
        before = space.calls.total()
        space.connect()
        assert len(space.machines()) == machines
        return space.calls.total() - before

    found = _measured(listing)
    space.close()
    return found


def objects(where: Where, machines: int) -> Cost:
    """Return what the same listing costs as objects of the SDK."""
    connection = where.connected()

    def listing() -> int:
        assert len(list(connection.compute.servers(limit=1000))) == machines
        return 0

    found = _measured(listing, times=3)  # they take long
    connection.close()
    return found


def _measured(do: Callable[[], int], *, times: int = CYCLES) -> Cost:
    """Do it many times; `do` returns how many calls it made, if it counts them."""
    cpu, wall = [], []
    calls = 0
    for _ in range(times + 1):
        cpu_before, wall_before = time.process_time(), time.perf_counter()
        calls = do()
        cpu.append(time.process_time() - cpu_before)
        wall.append(time.perf_counter() - wall_before)
    return Cost(first=cpu[0], cpu=cpu[1:], wall=wall[1:], rss=rss_mb("VmHWM"), calls=calls)


if __name__ == "__main__":
    sys.exit(main())
