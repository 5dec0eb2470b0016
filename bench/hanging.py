"""Whether a cloud that never answers costs the other spaces of the same daemon anything.

    python -m bench.hanging [--check] [--in FOLDER] [SPACES MACHINES]

As bench.many_spaces, but in every second round the listing of one space does not return. What is
compared, in turns and in one run, is how long the cycles of all the others take.

--check exits with 1 if they take longer by more than a tenth: the median of all cycles.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.installation import Installation, build
from bench.rounds import Round, Rounds
from bench.table import Table

PAIRS = 7
LATENCY_S = 0.2
MOST_RATIO = 1.1
TABLE = Table("one space", "round s", "median cycle s", "longest cycle s")


def main() -> int:
    """Print both kinds of rounds and their ratio; return 1 if it is checked and too high."""
    parser = ArgumentParser(prog="python -m bench.hanging")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--in", dest="folder", type=Path)
    parser.add_argument("spaces", nargs="?", type=int, default=100)
    parser.add_argument("machines", nargs="?", type=int, default=100)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="vcycle-bench-", dir=options.folder) as folder:
        build(Path(folder), spaces=options.spaces, machines=options.machines)
        installation = Installation(Path(folder), spaces=options.spaces, machines=options.machines)
        with_all, without_one = measure(installation)
    TABLE.head()
    TABLE.row(["answers", *with_all])
    TABLE.row(["hangs", *without_one])
    ratios = [hung / usual for hung, usual in zip(without_one, with_all, strict=True)]
    TABLE.row(["ratio", *ratios])
    return int(options.check and ratios[1] > MOST_RATIO)


def measure(installation: Installation) -> tuple[list[float], list[float]]:
    """Return the figures of the other spaces while one answers, and while it hangs."""
    installation.refill()
    rounds = Rounds(installation, LATENCY_S)
    bad, *others = installation.clouds
    usual, hung = [], []
    with rounds.run():
        for _ in range(PAIRS):
            usual.append(rounds.next(others))
            rounds.rest(bad)
            gate = installation.clouds[bad].hold("machines")
            hung.append(rounds.next(others))
            assert rounds.is_under_way(bad)
            gate.set()
            rounds.rest(bad)
    installation.store.close()
    return _figures(usual), _figures(hung)


def _figures(rounds: Sequence[Round]) -> list[float]:
    cycles = [cycle for each in rounds for cycle in each.cycles]
    return [median(each.seconds for each in rounds), median(cycles), max(cycles)]


if __name__ == "__main__":
    sys.exit(main())
