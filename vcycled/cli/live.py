"""The live view of a terminal: what the spaces hold, what holds them, what just happened.

    with Live(screen=True, auto_refresh=False) as live:
        live.update(frame(snapshot(store), clock.now()), refresh=True)

`snapshot` only reads the store and `frame` only draws: the same snapshot and instant give the same
picture. It fits terminals from 80 x 24 on, says everything without colours too, and needs no more
than ASCII where the terminal has no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from vcycled.cli.live_parts import (
    ASCII,
    BLOCKS,
    Brush,
    SpaceShot,
    event_lines,
    full_kind,
    is_news,
    legend,
    longest,
    short_kind,
    space_line,
    spread,
    trouble_lines,
)
from vcycled.cli.printing import Line, clean
from vcycled.cli.words import Words, several
from vcycled.cycle.report import report_from
from vcycled.model import Event, Machine
from vcycled.store import Store

_READ = 200
_FEWEST_EVENTS = 4
"""Lines of events that machinetypes do not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the view shows."""

    spaces: tuple[SpaceShot, ...]
    events: tuple[Event, ...]
    """The last ones, oldest first."""
    records: int | None = None
    """Accounting records written so far; None if they were not counted."""
    warnings: tuple[Line, ...] = ()
    """What is wrong beside the spaces."""


def snapshot(store: Store) -> Snapshot:
    """Return what the store says now.

    Raises:
        StoreError: it does not answer.
    """
    reports = {name: report_from(each.report) for name, each in store.reports().items()}
    machines: dict[str, list[Machine]] = {name: [] for name in sorted(reports)}
    for machine in store.machines():
        machines.setdefault(machine.space, []).append(machine)
    return Snapshot(
        spaces=tuple(
            SpaceShot(name=name, report=reports.get(name), machines=tuple(reversed(here)))
            for name, here in machines.items()
        ),
        events=latest(store),
        records=store.exported(),
    )


def latest(store: Store, space: str | None = None) -> tuple[Event, ...]:
    """Return the last events, of one space or of all, that are worth a line; oldest first.

    Raises:
        StoreError: the store does not answer.
    """
    told = [event for event in store.events(space=space, limit=_READ) if is_news(event)]
    return tuple(reversed(told))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The picture of one instant, drawn as large as the terminal is."""

    snapshot: Snapshot
    words: Words
    height: int | None = None
    """Lines to draw instead, for what is no terminal."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines of the picture; called by rich."""
        # A view that is not a screen of its own leaves one line for the cursor.
        height = self.height or options.height or options.max_height - 1
        glyphs = ASCII if options.ascii_only else BLOCKS
        brush = Brush(
            width=options.max_width,
            words=self.words,
            glyphs=glyphs,
            names=longest(name for space in self.snapshot.spaces for name in space.machinetypes),
        )
        yield from picture(self.snapshot, brush, height=height)


def frame(snapshot: Snapshot, now: int, zone: tzinfo | None = None) -> Frame:
    """Return the picture of `snapshot` at `now`, something that rich can print."""
    return Frame(snapshot=snapshot, words=Words(now=now, zone=zone))


def picture(snapshot: Snapshot, brush: Brush, *, height: int) -> list[Text]:
    """Return the lines of the picture, `height` of them if there is enough to tell."""
    room = height - 4 - _FEWEST_EVENTS  # title, blank, legend, rule
    warnings = [Text(clean(each.text), style=each.tone) for each in snapshot.warnings]
    room -= len(warnings)
    spaces = _spaces(snapshot.spaces, brush, room)
    top = [_title(snapshot, brush), *warnings, Text(""), *spaces]
    below = [legend(brush), Text(brush.glyphs.rule * brush.width, style="dim")]
    room = height - len(top) - len(below)
    latest = snapshot.events[-room:] if room > 0 else ()
    lines = [*top, *below, *event_lines(latest, brush)]
    return [_cut(line, brush) for line in lines[:height]]


def _title(snapshot: Snapshot, brush: Brush) -> Text:
    machines = [machine for space in snapshot.spaces for machine in space.machines]
    totals = [
        several(len(machines), "machine"),
        several(sum(machine.processors for machine in machines), "processor"),
    ]
    if snapshot.records is not None:
        totals.append(f"{several(snapshot.records, 'record')} written")
    now = brush.words.instant(brush.words.now)
    title = Text().append("Vcycle", style="bold").append(f"  {now}", style="dim")
    return spread(title, ", ".join(totals), brush)


def _spaces(spaces: Sequence[SpaceShot], brush: Brush, room: int) -> list[Text]:
    """Return the spaces with two lines for each machinetype or, if that is too long, with one."""
    if not spaces:
        return [Text("no cycle yet", style="dim")]
    full = [line for space in spaces for line in _space(space, brush, is_full=True)]
    if len(full) <= room:
        return full
    short = [line for space in spaces for line in _space(space, brush, is_full=False)]
    if len(short) <= room:
        return short
    left = len(short) - max(1, room - 1)
    return [*short[: max(1, room - 1)], Text(f"  and {several(left, 'line')} more", style="dim")]


def _space(space: SpaceShot, brush: Brush, *, is_full: bool) -> Iterator[Text]:
    yield space_line(space, brush)
    yield from trouble_lines(space, brush)
    for name in space.machinetypes:
        yield from full_kind(space, name, brush) if is_full else short_kind(space, name, brush)


def _cut(line: Text, brush: Brush) -> Text:
    line.no_wrap = True
    line.truncate(brush.width, overflow="crop" if brush.glyphs is ASCII else "ellipsis")
    return line
