"""The last day as shapes of an SVG, which the stylesheet colours. Pure.

Shapes are drawn on a plane as wide as the day has steps and HEIGHT high, which is stretched to
whatever room there is; so text stands beside it, not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vcycled.admin.pages.day import HOUR, HOURS, STATES, STEP, STEPS, Day
from vcycled.admin.pages.parts import Cell, Grid
from vcycled.cli.words import Words

HEIGHT = 100
_PER_HOUR = HOUR // STEP
_TICKS = 4
_ROUND = (1, 2, 3, 4, 5, 6, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One state, on top of those below."""

    name: str
    now: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What happened hour by hour."""

    name: str
    noun: str
    """The same, as it stands behind the number."""
    total: int
    most: int
    """In one hour."""
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The last day."""

    width: int
    height: int
    scale: tuple[str, ...]
    """How many machines the height stands for, half of that if it is whole, and none."""
    areas: tuple[Area, ...]
    bars: tuple[Bars, ...]
    ticks: tuple[str, ...]
    """Times of day, evenly from the beginning to the end."""
    hours: Grid
    """The same as numbers."""
    summary: str


def chart_of(day: Day, words: Words) -> Chart:
    """Return the chart of a day."""
    top = _round_up(day.most)
    quarter = HOURS * HOUR // _TICKS
    return Chart(
        width=STEPS,
        height=HEIGHT,
        scale=(str(top), str(top // 2) if top % 2 == 0 else "", "0"),
        areas=_areas(day, top),
        bars=_bars(day),
        ticks=tuple(_clock(day.since + each * quarter, words) for each in range(_TICKS + 1)),
        hours=_table(day, words),
        summary=_summary(day),
    )


def _clock(at: int, words: Words) -> str:
    return words.time_of_day(at)[:5]


def _round_up(most: int) -> int:
    """Return a round number that is no less: of one digit and noughts."""
    size = 1
    while True:
        for step in _ROUND:
            if step * size >= most:
                return step * size
        size *= 10


def _areas(day: Day, top: int) -> tuple[Area, ...]:
    below = [0] * (STEPS + 1)
    areas = []
    for name, counts in zip(STATES, day.states, strict=True):
        above = [low + count for low, count in zip(below, counts, strict=True)]
        path = _band(below, above, top) if any(counts) else ""
        areas.append(Area(name=name, now=counts[-1], path=path))
        below = above
    return tuple(areas)


def _band(below: Sequence[int], above: Sequence[int], top: int) -> str:
    """Return the path around a band: along its upper edge, and back along its lower one."""
    there = [f"{x} {_y(count, top)}" for x, count in enumerate(above)]
    back = [f"{x} {_y(count, top)}" for x, count in enumerate(below)]
    return f"M{'L'.join((*there, *reversed(back)))}Z"


def _y(count: int, top: int) -> str:
    return f"{HEIGHT - HEIGHT * count / top:g}"


def _bars(day: Day) -> tuple[Bars, ...]:
    counted = {
        "starts": [hour.starts for hour in day.hours],
        "fizzles": [hour.fizzles for hour in day.hours],
        "aborts": [hour.aborts for hour in day.hours],
    }
    return tuple(_bar(name, counts) for name, counts in counted.items())


def _bar(name: str, counts: Sequence[int]) -> Bars:
    total = sum(counts)
    noun = name.removesuffix("s") if total == 1 else name
    return Bars(name=name, noun=noun, total=total, most=max(counts), path=_columns(counts))


def _columns(counts: Sequence[int]) -> str:
    most = max(*counts, 1)
    wide = _PER_HOUR - 1
    return "".join(
        f"M{hour * _PER_HOUR + 0.5:g} {HEIGHT}v-{HEIGHT * count / most:g}h{wide}V{HEIGHT}z"
        for hour, count in enumerate(counts)
        if count
    )


def _table(day: Day, words: Words) -> Grid:
    headings = ("From", *(name.capitalize() for name in STATES), "Starts", "Fizzles", "Aborts")
    rows = []
    for number, hour in enumerate(day.hours):
        counts = (*day.at_hour(number), hour.starts, hour.fizzles, hour.aborts)
        cells = (words.instant(hour.at), *map(str, counts))
        rows.append(tuple(Cell(text=text) for text in cells))
    caption = "Machines at the beginning of each hour, and what happened in it"
    return Grid(
        caption=caption,
        headings=headings,
        rows=tuple(reversed(rows)),
        numbers=frozenset(headings[1:]),
    )


def _summary(day: Day) -> str:
    now = ", ".join(
        f"{counts[-1]} {name}" for name, counts in zip(STATES, day.states, strict=True)
    )
    bars = ", ".join(f"{each.total} {each.noun}" for each in _bars(day))
    return f"Now {now}; at most {day.most} at once. In 24 hours: {bars}."
