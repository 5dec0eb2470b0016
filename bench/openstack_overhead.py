"""How much longer the manager takes than a bare loop of the SDK that makes the same calls.

    python -m bench.openstack_overhead [--check] [--in FOLDER] [--ramps 3] [--latency SECONDS]
                                       [--cloud NAME --flavor F --image I] [MACHINES]

Unless told otherwise on the simulator, where every call takes 0.3 s; --cloud names one of a
clouds.yaml instead, in whose project nothing else may run. A ramp asks for the limits, the
flavors, the image and the listing, and then for 200 machines, ten at a time. The manager also
writes their folders, user_data and records. A steady cycle asks for the limits and the listing.
Both are done by the manager and by the loop in turns; what is compared is each pair.

--check exits with 1 if the manager takes longer by more than 15 %: the median of the pairs.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from openstack.connection import Connection

import vcycled.spaces.openstack.login  # noqa: F401 - so that no ramp pays for importing it
from bench.openstack_site import SPACE, Site, Where, simulated, simulator
from bench.table import Table
from vcycled.model import MachineState

STEADY = 7
THREADS = 10
MOST_RATIO = 1.15
PATIENCE_S = 900.0
TABLE = Table("what", "machines", "manager s", "loop s", "ratio", "manager CPU s", "loop CPU s")
USER_DATA = "IyEvYmluL3NoCg=="
METADATA = {f"vcycle_bench_{number}": "x" * 60 for number in range(8)}
"""As many as the manager gives, and about as long."""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one piece of work."""

    wall: float
    cpu: float


def main() -> int:
    """Print a row for ramps and one for steady cycles; return 1 if a ratio is too high."""
    parser = ArgumentParser(prog="python -m bench.openstack_overhead")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--in", dest="folder", type=Path)
    parser.add_argument("--ramps", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--cloud")
    parser.add_argument("--flavor", default="small")
    parser.add_argument("--image", default="worker")
    parser.add_argument("machines", nargs="?", type=int, default=200)
    options = parser.parse_args()
    logging.getLogger().addHandler(logging.NullHandler())
    with TemporaryDirectory(prefix="vcycle-bench-", dir=options.folder) as folder:
        if options.cloud:
            login = {"cloud": options.cloud}
            where = Where(options=login, login=login, flavor=options.flavor, image=options.image)
            ratios = measure(Path(folder), where, options.machines, options.ramps)
        else:
            with simulator("--latency", str(options.latency)) as cloud:
                ratios = measure(
                    Path(folder), simulated(cloud.url), options.machines, options.ramps
                )
    return int(options.check and max(ratios) > MOST_RATIO)


def measure(root: Path, where: Where, machines: int, ramps: int) -> list[float]:
    """Return by how much longer the manager took: for ramps, and for steady cycles."""
    connection = where.connected()
    TABLE.head()
    pairs: list[tuple[Took, Took]] = []
    steady: list[tuple[Took, Took]] = []
    for number in range(ramps):
        folder = root / str(number)
        folder.mkdir()
        with managed(folder, where, machines) as manage:
            ours = took(manage)
            if number == ramps - 1:
                until(lambda: all_run(connection))
                manage()
                steady = [(took(manage), took(lambda: look(connection))) for _ in range(STEADY)]
        empty(connection)
        pairs.append((ours, took(lambda: ramp(where, machines))))
        empty(connection)
    connection.close()
    return [show("ramp", machines, pairs), show("steady cycle", machines, steady)]


def show(what: str, machines: int, pairs: Sequence[tuple[Took, Took]]) -> float:
    """Print the medians and return the ratio."""
    ratio = median(ours.wall / bare.wall for ours, bare in pairs)
    ours_s, bare_s = (median(each.wall for each in side) for side in zip(*pairs, strict=True))
    ours_cpu, bare_cpu = (median(each.cpu for each in side) for side in zip(*pairs, strict=True))
    TABLE.row([what, machines, ours_s, bare_s, ratio, ours_cpu, bare_cpu])
    return ratio


def took(do: Callable[[], object]) -> Took:
    """Do it and return how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    do()
    return Took(time.perf_counter() - wall, time.process_time() - cpu)


@contextmanager
def managed(root: Path, where: Where, machines: int) -> Iterator[Callable[[], object]]:
    """Give one cycle of a manager that knows nothing yet."""
    site = Site(root, where, machines=machines)
    site.write()
    manager, config = site.manager(), site.config

    def cycle() -> None:
        manager.run(config)
        asked = site.store.machines(space=SPACE)
        assert len(asked) == machines
        assert all(each.cloud_id and each.state is not MachineState.FAILED for each in asked)

    yield cycle
    site.store.close()


def ramp(where: Where, machines: int) -> None:
    """Make the same calls as a manager that has just been started, and nothing else."""
    connection = where.connected()
    look(connection)
    flavors = {each.name: each.id for each in connection.compute.flavors()}
    (image,) = [each.id for each in connection.image.images(name=where.image)]

    def create(number: int) -> None:
        connection.compute.create_server(
            name=f"vcycle-bench-{number:05}",
            flavor_id=flavors[where.flavor],
            image_id=image,
            networks="auto",
            metadata=METADATA,
            user_data=USER_DATA,
        )

    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        list(pool.map(create, range(machines)))
    connection.close()


def look(connection: Connection) -> None:
    """Ask for the limits and all servers."""
    connection.compute.get_limits()
    list(connection.compute.servers())


def empty(connection: Connection) -> None:
    """Delete every server and wait until none is listed."""
    servers = [str(each.id) for each in connection.compute.servers()]
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        list(pool.map(connection.compute.delete_server, servers))
    until(lambda: not list(connection.compute.servers()))


def all_run(connection: Connection) -> bool:
    """Return whether no server is being built any more."""
    return all(each.status != "BUILD" for each in connection.compute.servers())


def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: it took longer than PATIENCE_S.
    """
    deadline, pause = time.perf_counter() + PATIENCE_S, threading.Event()
    while not is_so():
        if time.perf_counter() > deadline:
            raise TimeoutError
        pause.wait(0.5)


if __name__ == "__main__":
    sys.exit(main())
