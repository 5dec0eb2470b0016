"""`vcycle check`: what a monitoring system must wake somebody for. Pure.

Each part of `judge` yields findings, which are sentences with a level, and figures with the bounds
they were judged by. https://www.monitoring-plugins.org/doc/guidelines.html says how they are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

from vcycled.cli.managers import staff_line
from vcycled.cli.printing import clean
from vcycled.cli.sentences import hold_sentence
from vcycled.cli.served import CERTIFICATE, Served
from vcycled.cli.sinks import left_sentence
from vcycled.cli.status import manager_line
from vcycled.cli.stuck import stuck
from vcycled.cli.unattended import unattended_sentence
from vcycled.cli.views import SinkView, SpaceView, View
from vcycled.cli.words import Words, several, span
from vcycled.house.disks import MB, Disk, shortage

DAY = 86_400


class Level(IntEnum):
    """How bad it is; the exit status of the command."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_GRAVITY = (Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL)
"""From good to bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Beyond which a figure is a warning, and beyond which it is critical."""

    warning: int
    critical: int
    is_least: bool = False
    """The figure must be no less; else no more."""

    def level(self, value: float) -> Level:
        """Return how bad `value` is; the bounds themselves are fine."""
        for bound, level in ((self.critical, Level.CRITICAL), (self.warning, Level.WARNING)):
            if value < bound if self.is_least else value > bound:
                return level
        return Level.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What is judged by numbers."""

    late: Bounds = Bounds(warning=300, critical=1800)
    """Seconds that a cycle has been due."""
    blind: Bounds = Bounds(warning=900, critical=3600)
    """Seconds since the last complete listing of a space whose cloud does not answer."""
    records: Bounds = Bounds(warning=DAY, critical=3 * DAY)
    """Seconds that the oldest record has waited."""
    credentials: Bounds = Bounds(warning=14 * DAY, critical=3 * DAY, is_least=True)
    """Seconds until a credential ends."""
    disk: Bounds = Bounds(warning=1024, critical=512, is_least=True)
    """MiB that are free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Records on their way."""

    what: str
    """`for SINK`, or `for ssmsend`."""
    number: int
    oldest_at: int | None
    why: str = ""
    """Why the sink does not take them; empty if it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is judged."""

    view: View
    waiting: tuple[Waiting, ...]
    is_receiver_wanted: bool
    """Machines are deleted for silence, which needs a vcycle-web that is up."""
    receiver_up_since: int | None
    certificates: tuple[Served, ...] = ()
    """Of our own web sites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number for the graphs of the monitoring system."""

    label: str
    value: int
    unit: str = ""
    bounds: Bounds | None = None
    most: int | None = None

    def __str__(self) -> str:
        """Return `'label'=value[unit];[warning];[critical];min[;max]`."""
        end = ":" if self.bounds and self.bounds.is_least else ""
        warning = f"{self.bounds.warning}{end}" if self.bounds else ""
        critical = f"{self.bounds.critical}{end}" if self.bounds else ""
        most = "" if self.most is None else f";{self.most}"
        label = _plain(self.label).replace("'", "").replace("=", "")
        return f"'{label}'={self.value}{self.unit};{warning};{critical};0{most}"


Part: TypeAlias = Finding | Figure


def judge(facts: Facts, thresholds: Thresholds) -> tuple[Part, ...]:
    """Return everything that was found, good and bad."""
    words = Words(now=facts.view.now)
    return (
        *_manager(facts.view, words),
        *_configuration(facts.view),
        *(part for each in facts.view.spaces for part in _space(each, facts.view, thresholds)),
        *(part for each in facts.view.sinks for part in _sink(each, facts.view, thresholds)),
        *_records(facts.waiting, thresholds.records, now=facts.view.now),
        *_disks(facts.view.disks, thresholds.disk),
        *_receiver(facts),
        *_certificates(facts, thresholds.credentials),
    )


def answer(parts: Sequence[Part]) -> tuple[Level, str]:
    """Return how bad it is, and the text: a line with all figures, then a line for each finding.

    The worst stands first.
    """
    findings = [each for each in parts if isinstance(each, Finding)]
    findings.sort(key=lambda each: -_GRAVITY.index(each.level))
    figures = " ".join(str(each) for each in parts if isinstance(each, Figure))
    worst = findings[0].level
    told = [each for each in findings if each.level is worst]
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    summary = f"{told[0].text}{more}" if worst else f"{len(findings)} things are well"
    lines = [f"{each.level.name}: {_plain(each.text)}" for each in findings]
    return worst, "\n".join([f"VCYCLE {worst.name} - {_plain(summary)} | {figures}", *lines])


def failed(level: Level, why: str) -> tuple[Level, str]:
    """Return the answer where nothing could be judged."""
    return level, f"VCYCLE {level.name} - {_plain(why)}"


def _plain(text: str) -> str:
    """Return `text` as one line without the character that figures begin with."""
    return " ".join(clean(text).replace("|", "/").split())


def _manager(view: View, words: Words) -> Iterator[Part]:
    if view.staff is not None:
        yield Finding(level=_staff_level(view), text=staff_line(view.staff).text)
        return
    level = Level.OK if view.is_managed else Level.CRITICAL
    yield Finding(level=level, text=manager_line(view, words).text)


def _staff_level(view: View) -> Level:
    managers = view.staff.managers if view.staff else ()
    if not view.is_managed:
        return Level.CRITICAL
    is_off = any(each.is_clock_off for each in managers)
    is_lost = any(not each.is_live and each.ended_at is None for each in managers)
    return Level.WARNING if is_off or is_lost else Level.OK


def _configuration(view: View) -> Iterator[Part]:
    errors = [each for each in view.problems if not each.is_warning]
    for title, why in sorted(view.unusable.items()):
        yield Finding(level=Level.WARNING, text=f"[{title}] is not used: {why}")
    for error in errors:
        yield Finding(level=Level.WARNING, text=str(error))
    if not errors and not view.unusable:
        yield Finding(level=Level.OK, text="the configuration has no error")


def _space(space: SpaceView, view: View, thresholds: Thresholds) -> Iterator[Part]:
    ours = space.records.machines
    yield Figure(label=f"{space.name} machines", value=len(ours))
    processors = sum(machine.processors for machine in ours)
    limit = space.limits.processors
    yield Figure(label=f"{space.name} processors", value=processors, most=limit)
    if space.is_emptied:
        text = f"{space.name}: its section was removed and no machine of ours is left"
        yield Finding(level=Level.OK, text=text)
        return
    if view.staff and (unheld := view.staff.why_unheld(space.name)):
        text = f"{space.name}: no manager holds it: {unheld}"
        yield Finding(level=Level.CRITICAL, text=text)
    if space.config is not None and space.config.held:
        text = f"{space.name}: held: {space.config.held}"
        yield Finding(level=Level.WARNING, text=text)
    for hold in stuck(space, now=view.now):
        why = hold_sentence(hold, Words(now=view.now))
        text = f"{space.name}: {hold.machinetype} gets no machines: {why}"
        yield Finding(level=Level.WARNING, text=text)
    yield from _unattended(space)
    yield from _cycle(space, thresholds, now=view.now)
    ends = space.report.credential_ends if space.report else {}
    yield from _credentials(space.name, ends, thresholds.credentials, now=view.now)


def _unattended(space: SpaceView) -> Iterator[Part]:
    """Yield that its machines are neither deleted nor accounted, if nobody could do that."""
    if alone := unattended_sentence(space):
        yield Finding(level=Level.CRITICAL, text=f"{space.name}: {alone}")


def _cycle(space: SpaceView, thresholds: Thresholds, *, now: int) -> Iterator[Part]:
    report = space.report
    if report is None:
        yield Finding(level=Level.WARNING, text=f"{space.name}: no cycle yet")
        return
    late = max(0, now - report.wake_at)
    level = thresholds.late.level(late)
    told = (
        f"its next cycle is {span(late)} late" if level else f"cycle {span(now - report.at)} ago"
    )
    yield Finding(level=level, text=f"{space.name}: {told}")
    label = f"{space.name} late"
    yield Figure(label=label, value=late, unit="s", bounds=thresholds.late)
    if report.error:
        yield from _blind(space, report.error, thresholds.blind, now=now)


def _blind(space: SpaceView, error: str, bounds: Bounds, *, now: int) -> Iterator[Part]:
    listed_at = space.records.memory.listed_at
    if listed_at is None:
        text = f"{space.name}: the cloud was never seen whole: {error}"
        yield Finding(level=Level.CRITICAL, text=text)
        return
    for_s = now - listed_at
    text = f"{space.name}: the cloud has not been seen for {span(for_s)}: {error}"
    yield Finding(level=bounds.level(for_s), text=text)
    yield Figure(label=f"{space.name} blind", value=for_s, unit="s", bounds=bounds)


def _credentials(
    owner: str, ends: Mapping[str, int], bounds: Bounds, *, now: int
) -> Iterator[Part]:
    for name, at in ends.items():
        left = at - now
        when = f"ends in {span(left)}" if left > 0 else f"ended {span(left)} ago"
        yield Finding(level=bounds.level(left), text=f"{owner}: {name} {when}")
        label = f"{owner} {name}"
        yield Figure(label=label, value=max(0, left), unit="s", bounds=bounds)


def _sink(sink: SinkView, view: View, thresholds: Thresholds) -> Iterator[Part]:
    if sink.left_at is not None:
        text = left_sentence(sink, Words(now=view.now))
        yield Finding(level=Level.WARNING, text=text)
    if sink.bug:
        yield Finding(level=Level.WARNING, text=f"{sink.name}: {sink.bug}")
    yield from _credentials(sink.name, sink.credential_ends, thresholds.credentials, now=view.now)


def _records(waiting: Iterable[Waiting], bounds: Bounds, *, now: int) -> Iterator[Part]:
    for each in waiting:
        yield Figure(label=f"records {each.what}", value=each.number)
        age = 0 if each.oldest_at is None else max(0, now - each.oldest_at)
        since = f", the oldest for {span(age)}" if each.number else ""
        why = f": {each.why}" if each.why else ""
        text = f"{several(each.number, 'record')} {each.what}{since}{why}"
        yield Finding(level=bounds.level(age), text=text)
        yield Figure(label=f"records {each.what} age", value=age, unit="s", bounds=bounds)


def _disks(disks: Sequence[Disk], bounds: Bounds) -> Iterator[Part]:
    if not disks:
        yield Finding(
            level=Level.UNKNOWN, text="a disk that the manager writes to does not answer"
        )
    for disk in disks:
        yield Figure(
            label=f"free {disk.folder}",
            value=disk.free_bytes,
            unit="B",
            bounds=replace(bounds, warning=bounds.warning * MB, critical=bounds.critical * MB),
            most=disk.total_bytes,
        )
        free = f"{disk.free_bytes // MB} MiB are free on the disk of {disk.folder}"
        level, why = Level.OK, free
        for bound, bad in ((bounds.warning, Level.WARNING), (bounds.critical, Level.CRITICAL)):
            if short := shortage(disk, min_free_mb=bound):
                level, why = bad, short.partition(", and")[0]
        yield Finding(level=level, text=why)


def _receiver(facts: Facts) -> Iterator[Part]:
    if not facts.is_receiver_wanted:
        return
    if facts.receiver_up_since is None:
        text = "no vcycle-web gives a sign of life: no machine is deleted for its silence"
        yield Finding(level=Level.WARNING, text=text)
    else:
        up = span(facts.view.now - facts.receiver_up_since)
        yield Finding(level=Level.OK, text=f"vcycle-web has been up for {up}")


def _certificates(facts: Facts, bounds: Bounds) -> Iterator[Part]:
    for each in facts.certificates:
        if each.ends_at is None:
            text = f"{each.owner}: when its certificate ends cannot be read"
            yield Finding(level=Level.WARNING, text=text)
        else:
            ends = {CERTIFICATE: each.ends_at}
            yield from _credentials(each.owner, ends, bounds, now=facts.view.now)
