"""How long a whole daemon takes for one cycle of each of its spaces, on clouds that are slow.

    python -m bench.many_spaces [--check] [--in FOLDER] [--latency SECONDS] [SPACES MACHINES]

Unless told otherwise there are 100 spaces of 100 running machines each, with nothing to be done,
and every call of a cloud takes 200 ms. All spaces begin at once; a round lasts until the last has
ended. In the first one after a start, the folder of every machine is looked through.

--check exits with 1 if a round takes more than 3 s: the median of all but the first.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.installation import Installation, build
from bench.rounds import Round, Rounds
from bench.table import Table

ROUNDS = 9
MOST_S = 3.0
TABLE = Table(
    *("round", "seconds", "median cycle s", "longest cycle s", "CPU s", "API calls a space")
)


def main() -> int:
    """Print a row for each round; return 1 if they are checked and too slow."""
    parser = ArgumentParser(prog="python -m bench.many_spaces")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--in", dest="folder", type=Path)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("spaces", nargs="?", type=int, default=100)
    parser.add_argument("machines", nargs="?", type=int, default=100)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="vcycle-bench-", dir=options.folder) as folder:
        build(Path(folder), spaces=options.spaces, machines=options.machines)
        installation = Installation(Path(folder), spaces=options.spaces, machines=options.machines)
        seconds = measure(installation, options.latency)
    print(f"a round takes {median(seconds):.2f} s, at most {max(seconds):.2f} s")
    return int(options.check and median(seconds) > MOST_S)


def measure(installation: Installation, latency_s: float) -> list[float]:
    """Return how long each round took but the first."""
    installation.refill()
    rounds, seconds = Rounds(installation, latency_s), []
    TABLE.head()
    with rounds.run() as first:
        _show("first", first)
        for number in range(1, ROUNDS + 1):
            found = rounds.next(installation.clouds)
            _show(str(number), found)
            seconds.append(found.seconds)
    installation.store.close()
    return seconds


def _show(name: str, found: Round) -> None:
    cycles = found.cycles
    calls = found.calls / len(cycles)
    TABLE.row([name, found.seconds, median(cycles), max(cycles), found.cpu, f"{calls:g}"])


if __name__ == "__main__":
    sys.exit(main())
