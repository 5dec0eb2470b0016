"""The last day of machines: how many were in which state, and what happened in each hour. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from vcycled.store import Life

HOUR = 3600
HOURS = 24
STEP = 600
"""Seconds between two points of the curves."""
STEPS = HOURS * HOUR // STEP
STATES = ("running", "starting", "ended")
"""From the ground up. `ended` has not gone yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What happened in one hour."""

    at: int
    """Its beginning."""
    starts: int
    fizzles: int
    aborts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The last 24 hours."""

    until: int
    states: tuple[tuple[int, ...], ...]
    """For each of STATES: how many machines, at each of STEPS + 1 points."""
    hours: tuple[Hour, ...]

    @property
    def since(self) -> int:
        """When it began."""
        return self.until - HOURS * HOUR

    @property
    def most(self) -> int:
        """How many machines there were at most, in all states together."""
        return max(map(sum, zip(*self.states, strict=True)))

    def at_hour(self, hour: int) -> tuple[int, ...]:
        """Return how many machines were in each of STATES at the beginning of an hour."""
        return tuple(counts[hour * HOUR // STEP] for counts in self.states)


def day_of(lives: Iterable[Life], *, now: int) -> Day:
    """Return the 24 hours before `now`."""
    known = tuple(lives)
    since = now - HOURS * HOUR
    spans: dict[str, list[tuple[int, int]]] = {state: [] for state in STATES}
    for life in known:
        for state, begin, end in _spans(life, now=now):
            spans[state].append((begin, end))
    return Day(
        until=now,
        states=tuple(_curve(spans[state], since=since) for state in STATES),
        hours=_hours(known, since=since),
    )


def _spans(life: Life, *, now: int) -> list[tuple[str, int, int]]:
    """Return in which states it was, from when until (but not at) when."""
    after = now + 1
    gone = after if life.gone_at is None else life.gone_at
    stopped = gone if life.stopped_at is None else life.stopped_at
    started = stopped if life.started_at is None else life.started_at
    return [
        ("starting", life.created_at, started),
        ("running", started, stopped),
        ("ended", stopped, gone),
    ]


def _curve(spans: Sequence[tuple[int, int]], *, since: int) -> tuple[int, ...]:
    """Return how many spans hold each point: one enters at the first that it holds."""
    changes = [0] * (STEPS + 2)
    for begin, end in spans:
        first, last = (_point(each, since=since) for each in (begin, end))
        if first < last:
            changes[first] += 1
            changes[last] -= 1
    return tuple(accumulate(changes[: STEPS + 1]))


def _point(at: int, *, since: int) -> int:
    """Return the number of the first point at `at` or later, of those that there are."""
    return min(max(0, -((since - at) // STEP)), STEPS + 1)


def _hours(lives: Iterable[Life], *, since: int) -> tuple[Hour, ...]:
    starts, fizzles, aborts = ([0] * HOURS for _ in range(3))
    for life in lives:
        _count(starts, life.started_at, since=since)
        if life.started_at is not None and life.stopped_at is not None:
            is_fizzle = life.stopped_at - life.started_at < life.fizzle_seconds
            _count(fizzles, life.stopped_at if is_fizzle else None, since=since)
        _count(aborts, life.stopped_at if life.is_aborted else None, since=since)
    counts = zip(starts, fizzles, aborts, strict=True)
    return tuple(
        Hour(at=since + number * HOUR, starts=each[0], fizzles=each[1], aborts=each[2])
        for number, each in enumerate(counts)
    )


def _count(counts: list[int], at: int | None, *, since: int) -> None:
    """Count what happened at `at` in its hour; the end of the last hour still belongs to it."""
    if at is not None and since <= at <= since + HOURS * HOUR:
        counts[min((at - since) // HOUR, HOURS - 1)] += 1
