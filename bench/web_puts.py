"""Heartbeats per second that vcycle-web takes, and Apache with a CGI script that checks the same.

    python -m bench.web_puts [--check] [--in FOLDER] [--seconds S] [--rounds N] [--clients N]

Both servers run at the same time and are loaded in turns, each on the same one processor, by
clients on the others. Keys are RSA of 2048 bits, as grids have them; each new connection is a full
handshake of TLS 1.3. A rate is the median of the rounds. CPU is the server's own with all that it
starts, for one PUT: unlike a rate, other work of the host hardly changes it.

`clients` is how much of their processors the clients took, the higher of the two servers; at 100 %
the rate is theirs and no longer the server's. Without Debian's apache2-bin only vcycle-web is
measured. As root, Apache runs as nobody, who must be able to enter FOLDER.

--check exits with 1 if a PUT costs Apache less than 20 times as much CPU in a way in which no
handshake is part of it, or if there is no Apache.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import web_clients
from bench.table import Table
from bench.web_clients import Load, Way
from bench.web_servers import Server, apache, has_apache, machine, token, vcycle_web

LEAST_RATIO = 20
WAYS = (
    Way("handshake alone, certificate", has_certificate=True, asks=False),
    Way("new connection, certificate", has_certificate=True),
    Way("kept alive, certificate", has_certificate=True, is_kept=True),
    Way("handshake alone", has_certificate=False, asks=False),
    Way("new connection, token", has_certificate=False),
    Way("kept alive, token", has_certificate=False, is_kept=True),
)
TABLE = Table(
    *("way                         ", "web /s", "CPU ms", "Apache /s", "CPU ms"),
    *("ratio /s", "ratio CPU", "clients %"),
)
_LEAD_S = 0.125
"""For each client to make its first request before the time is taken."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server did in one way."""

    rate: float
    """A second."""
    cpu_ms: float
    """Of the server, for each."""
    clients: float
    """Of all processors that the clients may use, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How each way is measured."""

    seconds: float
    rounds: int
    clients: int


def main() -> int:
    """Measure all ways and print a table; return 1 if a ratio that is checked was missed."""
    parser = ArgumentParser(prog="python -m bench.web_puts")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--in", dest="folder", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    pace = Pace(seconds=options.seconds, rounds=options.rounds, clients=options.clients)
    is_missed = False
    TABLE.head()
    with running(options.folder, pace.clients) as (servers, clients):
        for way in WAYS:
            figures = measure(way, servers, clients, pace)
            TABLE.row([way.name, *_cells(figures)])
            is_missed |= way.is_kept and figures[-1].cpu_ms < LEAST_RATIO * figures[0].cpu_ms
    return int(options.check and is_missed)


@contextmanager
def running(
    where: Path | None, number: int
) -> Iterator[tuple[Sequence[Server], ProcessPoolExecutor]]:
    """Run the servers, vcycle-web first, and as many clients; each has a machine of its own."""
    first, *rest = sorted(os.sched_getaffinity(0))
    kinds = [vcycle_web, apache] if has_apache() else [vcycle_web]
    with ExitStack() as stack:
        servers = []
        for kind in kinds:
            folder = stack.enter_context(TemporaryDirectory(prefix="vcycle-bench-", dir=where))
            servers.append(stack.enter_context(kind(Path(folder), number, first)))
        context = get_context("spawn")
        clients = ProcessPoolExecutor(
            number,
            mp_context=context,
            initializer=web_clients.begin,
            initargs=(context.Barrier(number), rest or [first]),
        )
        stack.enter_context(clients)
        list(clients.map(len, [""] * number))  # which ends when all have begun
        yield servers, clients


def measure(
    way: Way, servers: Sequence[Server], clients: ProcessPoolExecutor, pace: Pace
) -> list[Figures]:
    """Load the servers in turns; return the figures of each."""
    rounds = [
        [_round(way, server, clients, pace) for server in servers] for _ in range(pace.rounds)
    ]
    return [
        Figures(
            rate=median(each.rate for each in own),
            cpu_ms=median(each.cpu_ms for each in own),
            clients=median(each.clients for each in own),
        )
        for own in zip(*rounds, strict=True)
    ]


def _round(way: Way, server: Server, clients: ProcessPoolExecutor, pace: Pace) -> Figures:
    begins_at = time.monotonic() + _LEAD_S * pace.clients
    ends_at = begins_at + pace.seconds
    loads = [
        Load(
            way=way,
            port=server.port,
            authority=server.authority,
            papers=server.papers,
            token=token(number),
            path=server.path(machine(number)),
            begins_at=begins_at,
            ends_at=ends_at,
        )
        for number in range(pace.clients)
    ]
    running = [clients.submit(web_clients.run, load) for load in loads]
    threading.Event().wait(begins_at - time.monotonic())
    cpu = server.cpu()
    done = [each.result() for each in running]
    cpu, count = server.cpu() - cpu, sum(each.count for each in done)
    seconds = time.monotonic() - begins_at
    spent = sum(each.cpu for each in done)
    return Figures(count / seconds, 1000 * cpu / count, spent / seconds / _processors())


def _processors() -> int:
    """Return how many the clients have."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def _cells(figures: Sequence[Figures]) -> list[object]:
    web, other = figures[0], figures[-1]
    busy = round(100 * max(each.clients for each in figures))
    if len(figures) == 1:
        return [web.rate, web.cpu_ms, "-", "-", "-", "-", busy]
    faster = web.rate / other.rate
    cheaper = other.cpu_ms / web.cpu_ms if web.cpu_ms else "-"  # too short for the kernel's clock
    return [web.rate, web.cpu_ms, other.rate, other.cpu_ms, faster, cheaper, busy]


if __name__ == "__main__":
    sys.exit(main())
