"""`python -m tests.faults`: play histories and print what came of them."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path

from tests.faults import ground, runner
from tests.faults.ending import ENDER
from tests.faults.verdict import IN_PROCESS, Verdict, table
from vcycled.clock import SystemClock

PORTION = 20
"""After so many histories the time is looked at."""


def main() -> int:
    """Play many histories, or one again; return 1 if anything was found."""
    options = _options()
    if not ground.is_prepared() and ground.is_possible():
        return ground.run_again("tests.faults", sys.argv[1:])
    ENDER.listen()
    clock = SystemClock()
    began = clock.monotonic()
    with ground.prepared() as folder, ENDER.heeding():
        verdicts = list(_played(options, folder))
    seconds = clock.monotonic() - began
    sys.stdout.write(f"{table(verdicts, seconds=seconds)}\n")
    return int(any(each.problems for each in verdicts))


def _options() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("seed", type=int, nargs="?", help="play this one and tell its steps")
    parser.add_argument("--layer", choices=sorted(runner.PLAYERS), default=IN_PROCESS)
    for layer in runner.PLAYERS:
        parser.add_argument(f"--{layer}", type=int, default=0, help="how many of these")
    parser.add_argument("--first", type=int, default=1, help="seed of the first of each")
    parser.add_argument("--minutes", type=float, help="begin anew with other seeds for so long")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    return parser.parse_args()


def _played(options: Namespace, folder: Path) -> Iterator[Verdict]:
    if options.seed is not None:
        logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="    %(message)s")
        yield runner.one(options.layer, options.seed, ground=folder, tell=_tell)
        return
    numbers = {layer: getattr(options, layer) for layer in runner.PLAYERS}
    if options.minutes is None:
        todo = _todo(numbers, options.first)
        yield from runner.many(todo, ground=folder, jobs=options.jobs)
        return
    clock = SystemClock()
    until = clock.monotonic() + 60 * options.minutes
    rounds = chain.from_iterable(
        _todo(numbers, first) for first in count(options.first, max(1, *numbers.values()))
    )
    while clock.monotonic() < until:
        yield from runner.many(islice(rounds, PORTION), ground=folder, jobs=options.jobs)


def _todo(numbers: dict[str, int], first: int) -> list[tuple[str, int]]:
    """Return what to play, the layers with fewest histories, which take longest, first."""
    layers = sorted(numbers, key=lambda layer: numbers[layer])
    return [(layer, seed) for layer in layers for seed in range(first, first + numbers[layer])]


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
