"""The lines that the live view is made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from vcycled.cli.deletions import leaves_by
from vcycled.cli.printing import clean
from vcycled.cli.sentences import event_sentence, hold_tone, is_loud, subject
from vcycled.cli.views import LATE_SECONDS
from vcycled.cli.words import Words, several, span
from vcycled.cycle.report import SpaceReport
from vcycled.model import MESSAGES, Event, Hold, Machine, MachineState, Reason, Share

_NAME = 18
"""Most cells of the name of a machinetype."""
_SUBJECT = 30
_PREFIX = "vcycle-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """What things look like."""

    states: Mapping[MachineState, str]
    filled: str
    empty: str
    mark: str
    rule: str


BLOCKS = Glyphs(
    states={
        MachineState.RUNNING: "■",
        MachineState.STARTING: "□",
        MachineState.UNKNOWN: "?",
        MachineState.SHUTDOWN: "▫",
        MachineState.FAILED: "x",
        MachineState.DELETING: "·",
    },
    filled="█",
    empty="░",
    mark="┃",
    rule="─",
)
ASCII = Glyphs(
    states={
        MachineState.RUNNING: "#",
        MachineState.STARTING: "o",
        MachineState.UNKNOWN: "?",
        MachineState.SHUTDOWN: "-",
        MachineState.FAILED: "x",
        MachineState.DELETING: ".",
    },
    filled="=",
    empty=".",
    mark="|",
    rule="-",
)
_STYLES = {
    MachineState.RUNNING: "green",
    MachineState.STARTING: "yellow",
    MachineState.UNKNOWN: "magenta",
    MachineState.SHUTDOWN: "blue",
    MachineState.FAILED: "red",
    MachineState.DELETING: "dim",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brush:
    """How large, at what time and with which glyphs to draw."""

    width: int
    words: Words
    glyphs: Glyphs
    names: int
    """Cells for the name of a machinetype."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceShot:
    """One space at one instant."""

    name: str
    report: SpaceReport | None
    machines: tuple[Machine, ...]
    """Those that are not gone, oldest first."""
    held: str = ""
    """Why nobody may do anything in it, or nobody does; else empty."""

    @property
    def machinetypes(self) -> tuple[str, ...]:
        """The names of those with a share or with machines."""
        shares = sorted(share.machinetype for share in self.report.shares) if self.report else []
        here = sorted({machine.machinetype for machine in self.machines})
        return tuple(dict.fromkeys((*shares, *here)))

    def of(self, machinetype: str) -> tuple[Machine, ...]:
        """Return the machines of a machinetype, by state, the oldest first."""
        mine = [each for each in self.machines if each.machinetype == machinetype]
        return tuple(sorted(mine, key=lambda each: _RANK[each.state]))

    def share(self, machinetype: str) -> Share | None:
        """Return what a machinetype wants and has, as of the last cycle."""
        shares = self.report.shares if self.report else ()
        return next((each for each in shares if each.machinetype == machinetype), None)

    def hold(self, machinetype: str) -> Hold | None:
        """Return what holds a machinetype, or else the whole space."""
        holds = {each.machinetype: each for each in self.report.holds} if self.report else {}
        return holds.get(machinetype) or holds.get("")


_RANK = {state: number for number, state in enumerate(BLOCKS.states)}


def spread(left: Text, right: str, brush: Brush) -> Text:
    """Return a line with one text at each end."""
    gap = brush.width - left.cell_len - cell_len(right)
    return left.append(" " * max(2, gap)).append(right)


def space_line(space: SpaceShot, brush: Brush) -> Text:
    """Return the name of a space, how full it is, and when it is looked at next."""
    processors = sum(machine.processors for machine in space.machines)
    report = space.report
    foreign = report.foreign_processors if report else 0
    limit = report.limits.processors if report else None
    most = f" of {limit}" if limit is not None else ""
    others = f" + {foreign} foreign" if foreign else ""
    told = [f"{processors}{others}{most} processors"]
    if report is not None:
        left = report.wake_at - brush.words.now
        told.append(_next_look(left))
    name = Text().append(clean(space.name), style="bold")
    return spread(name, ", ".join(told), brush)


def _next_look(left: int) -> str:
    if left > 0:
        return f"next look in {span(left)}"
    return "looking" if left >= -LATE_SECONDS else f"next look {span(left)} late"


def trouble_lines(space: SpaceShot, brush: Brush) -> Iterator[Text]:
    """Return what is wrong with a space as a whole."""
    if space.held:
        yield Text(f"  {clean(space.held)}", style="red")
    if space.report is None:
        return
    if space.report.error:
        yield Text(f"  the cloud does not answer: {clean(space.report.error)}", style="red")
    if space.report.mode != "manage":
        yield Text(f"  mode {space.report.mode}: nothing is done", style="yellow")
    for sentence in space.report.deferred:
        yield Text(f"  not deleted yet: {brush.words.retold(sentence)}", style="yellow")


def full_kind(space: SpaceShot, name: str, brush: Brush) -> Iterator[Text]:
    """Return two lines: the share as a bar; the machines, and what holds it."""
    share = space.share(name)
    left = brush.names + 4
    figures = _figures(space, share)
    bar = _bar(share, brush.width - left - cell_len(figures), brush)
    yield _title(name, brush).append_text(bar).append(figures)
    machines, hold = space.of(name), space.hold(name)
    told = _leaving(machines)
    room = brush.width - left - len(told) if hold is None else brush.width // 3
    line = _title("", brush).append_text(_strip(machines, room, brush))
    line.append(told, style="yellow")
    if machines or hold:
        yield line.append_text(_hold(hold, brush, is_first=not machines))


def _figures(space: SpaceShot, share: Share | None) -> str:
    """Return what a machinetype has and wants; a preemptible one has no part in the shares."""
    if share is None:
        return ""
    if share.is_preemptible:
        processors = sum(each.processors for each in space.of(share.machinetype))
        return f"  {several(processors, 'processor')}, preemptible"
    return f"  has {share.had:4.0%}, wants {share.wanted:4.0%}"


def _leaving(machines: Sequence[Machine]) -> str:
    """Return how many were told to leave and have not ended."""
    count = sum(leaves_by(each) is not None for each in machines)
    return f"  {count} leaving" if count else ""


def short_kind(space: SpaceShot, name: str, brush: Brush) -> Iterator[Text]:
    """Return one line: the machines, the share in figures, and what holds it."""
    share = space.share(name)
    machines = space.of(name)
    line = _title(name, brush).append_text(_strip(machines, brush.width // 4, brush))
    line.append(_leaving(machines), style="yellow")
    if share and not share.is_preemptible:
        line.append(f"  {share.had:.0%} of {share.wanted:.0%}")
    yield line.append_text(_hold(space.hold(name), brush, is_first=False))


def longest(names: Iterable[str]) -> int:
    """Return how many cells names of machinetypes are given."""
    return min(_NAME, max(map(cell_len, names), default=0))


def _title(name: str, brush: Brush) -> Text:
    return Text("  ").append_text(_column(name, brush.names)).append("  ")


def _column(text: str, cells: int) -> Text:
    column = Text(clean(text))
    column.truncate(cells, pad=True)
    return column


def _bar(share: Share | None, cells: int, brush: Brush) -> Text:
    """Return what it has as a bar, with a mark at what it wants."""
    if share is None or share.is_preemptible or cells < 3:
        return Text(" " * max(0, cells))
    filled = round(min(1.0, max(0.0, share.had)) * cells)
    bar = Text(brush.glyphs.filled * filled, style="green")
    bar.append(brush.glyphs.empty * (cells - filled), style="dim")
    at = min(cells - 1, round(share.wanted * cells))
    mark = Text(brush.glyphs.mark, style="bold")
    return bar[:at].append_text(mark).append_text(bar[at + 1 :])


def _strip(machines: Sequence[Machine], cells: int, brush: Brush) -> Text:
    """Return one cell for each machine, and how many more there are.

    Where room is short running ones are left out first: the others are what one looks for.
    """
    shown = machines
    if len(machines) > cells:
        room = max(0, cells - len(" +99999"))
        running = sum(machine.state is MachineState.RUNNING for machine in machines)
        shown = machines[min(running, len(machines) - room) :][:room]
    strip = Text()
    for machine in shown:
        strip.append(brush.glyphs.states[machine.state], style=_STYLES[machine.state])
    if len(shown) < len(machines):
        strip.append(f" +{len(machines) - len(shown)}", style="dim")
    return strip


def _hold(hold: Hold | None, brush: Brush, *, is_first: bool) -> Text:
    """Return why it gets no more, with the time left counted down."""
    if hold is None:
        return Text()
    left = None if hold.until is None else hold.until - brush.words.now
    over = "" if left is None or left <= 0 else f", {span(left)} left"
    told = f"{hold.cause}{over}: {clean(brush.words.retold(hold.detail))}"
    gap = "" if is_first else "  "
    return Text(gap).append(told, style=hold_tone(hold))


def legend(brush: Brush) -> Text:
    """Return what the cells of machines mean."""
    line = Text("  ")
    for state, glyph in brush.glyphs.states.items():
        line.append(glyph, style=_STYLES[state]).append(f" {state}  ", style="dim")
    return line.append(brush.glyphs.mark, style="bold").append(" wanted", style="dim")


def is_news(event: Event) -> bool:
    """Return whether an event says something that those around it do not."""
    if event.event == "machine-delete":
        return event.detail not in _ENDED
    return event.event not in _QUIET


_ENDED = frozenset({str(Reason.FINISHED), str(Reason.DELETING), MESSAGES[Reason.ORDERED]})
"""Deletes of which their machines' ends or orders tell enough."""
_QUIET = frozenset({"machine-seen", "machine-state", "machine-gone"})
_ASIDE = re.compile(r", (id [^ ,]+|end as told by [a-z ]+)")


def event_lines(events: Sequence[Event], brush: Brush) -> Iterator[Text]:
    """Return when, about what, and what happened, without what only a log needs."""
    subjects = [(subject(each) or each.space).removeprefix(_PREFIX) for each in events]
    cells = min(_SUBJECT, max(map(cell_len, subjects), default=0))
    for event, about in zip(events, subjects, strict=True):
        sentence = clean(_ASIDE.sub("", event_sentence(event, brush.words)))
        line = Text().append(f"{brush.words.time_of_day(event.at)}  ", style="dim")
        line.append_text(_column(about, cells)).append("  ")
        yield line.append(sentence, style="yellow" if is_loud(event) else "")
