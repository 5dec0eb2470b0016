"""How long it takes to fill an empty OpenStack space, on a cloud that is slow.

    python -m bench.openstack_ramp [--check] [--in FOLDER] [--latency SECONDS] [MACHINES]

Unless told otherwise 1,000 machines are asked for, and every call takes a second; no more than ten
calls are made at once (parallel_calls), and max_creations_per_cycle is lifted. The cloud is the
simulator in a process of its own. It ends when the manager knows that all machines run.

--check exits with 1 if that takes three minutes or more.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.openstack_site import SPACE, Site, simulated, simulator
from bench.table import Table
from tests.fakes.openstack.control import RemoteCloud
from vcycled.model import MachineState

MOST_S = 180.0
MOST_CYCLES = 10
TABLE = Table(
    *("machines", "all asked for s", "all run s", "cycles", "API calls", "at once", "CPU s")
)


def main() -> int:
    """Print one row; return 1 if it is checked and took too long."""
    parser = ArgumentParser(prog="python -m bench.openstack_ramp")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--in", dest="folder", type=Path)
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("machines", nargs="?", type=int, default=1000)
    options = parser.parse_args()
    with (
        TemporaryDirectory(prefix="vcycle-bench-", dir=options.folder) as folder,
        simulator("--latency", str(options.latency)) as cloud,
    ):
        TABLE.head()
        seconds = measure(Path(folder), cloud, options.machines)
    return int(options.check and seconds >= MOST_S)


def measure(root: Path, cloud: RemoteCloud, machines: int) -> float:
    """Fill the space and return how long that took, in seconds."""
    site = Site(root, simulated(cloud.url), machines=machines)
    site.write()
    manager, config = site.manager(), site.config
    began, cpu = time.perf_counter(), time.process_time()
    asked, cycles = 0.0, 0
    while _running(site) < machines and cycles < MOST_CYCLES:
        manager.run(config)
        cycles += 1
        if not asked and len(cloud.truth) >= machines:
            asked = time.perf_counter() - began
    seconds = time.perf_counter() - began
    cpu = time.process_time() - cpu
    figures = cloud.do("figures")
    assert isinstance(figures, dict)
    assert figures["peak_processors"]["*"] == machines
    calls = sum(figures["calls"].values())
    TABLE.row([machines, asked, seconds, cycles, calls, figures["peak_calls"], cpu])
    site.store.close()
    return seconds


def _running(site: Site) -> int:
    known = site.store.machines(space=SPACE)
    return sum(each.state is MachineState.RUNNING for each in known)


if __name__ == "__main__":
    sys.exit(main())
