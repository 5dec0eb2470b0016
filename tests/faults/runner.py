"""Plays histories side by side, each in a folder of its own."""

from __future__ import annotations

import faulthandler
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

from tests.faults import history, kinds, live
from tests.faults.ending import ENDER
from tests.faults.verdict import IN_PROCESS, LIVE, Verdict
from vcycled.clock import SystemClock

PATIENCE_S = 700.0
"""A history that takes longer hangs: then the suite ends, and shows where."""

Player = Callable[[Path, int, Callable[[str], None]], Verdict]


def _simulated(folder: Path, seed: int, tell: Callable[[str], None]) -> Verdict:
    return history.play(folder, seed, kinds.FAULTS, tell=tell)


def _live(folder: Path, seed: int, tell: Callable[[str], None]) -> Verdict:
    return live.play(folder, seed, tell=tell)


PLAYERS: dict[str, Player] = {IN_PROCESS: _simulated, LIVE: _live}
"""Who plays the histories of each layer."""


def one(layer: str, seed: int, *, ground: Path, tell: Callable[[str], None]) -> Verdict:
    """Play the history of a seed; leave nothing behind on the ground."""
    clock = SystemClock()
    began = clock.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{seed}-", dir=ground) as folder:
        verdict = PLAYERS[layer](Path(folder) / "root", seed, tell)
    return replace(verdict, seconds=clock.monotonic() - began)


def many(todo: Iterable[tuple[str, int]], *, ground: Path, jobs: int) -> Iterator[Verdict]:
    """Play these histories (layer and seed), `jobs` at once; yield verdicts in their order."""
    forks = get_context("forkserver")
    with ExitStack() as stack:
        pool = ProcessPoolExecutor(jobs, mp_context=forks, initializer=_prepare)
        stack.enter_context(pool)
        stack.push(_cut_short)
        yield from pool.map(partial(_silently, ground), todo)


def _cut_short(why: type[BaseException] | None, *_more: object) -> None:
    """Tell the players to end if we end before they do."""
    if why is not None:
        for player in active_children():
            player.terminate()


def _prepare() -> None:
    logging.disable(logging.CRITICAL)
    ENDER.listen()


def _silently(ground: Path, what: tuple[str, int]) -> Verdict:
    faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
    told: list[str] = []
    try:
        with ENDER.heeding():
            verdict = one(*what, ground=ground, tell=told.append)
            is_rare = verdict.problems and verdict.layer == LIVE
            return replace(verdict, told=tuple(told)) if is_rare else verdict
    finally:
        faulthandler.cancel_dump_traceback_later()
