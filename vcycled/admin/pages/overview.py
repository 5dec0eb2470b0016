"""The first page: what is wrong, then space by space."""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.admin.pages.cards import Card, card_of
from vcycled.admin.pages.parts import Command, Page
from vcycled.admin.pages.visit import Visit
from vcycled.cli.printing import Line, Tone
from vcycled.cli.probe import Finding, Level, Part, Thresholds, judge
from vcycled.cli.probe_command import probe_facts, room
from vcycled.cli.session import Session

_TONES = {
    Level.OK: Tone.GOOD,
    Level.WARNING: Tone.WARN,
    Level.CRITICAL: Tone.BAD,
    Level.UNKNOWN: Tone.WARN,
}
_COMMANDS = (
    Command(does="Judge all of it, as a plugin of Nagios", command="vcycle check"),
    Command(does="See the same in a terminal", command="vcycle status"),
    Command(does="Watch it there", command="vcycle top"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How all of it is."""

    level: str
    tone: Tone
    wrong: tuple[Line, ...]
    """The worst first."""
    well: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the page says."""

    verdict: Verdict
    cards: tuple[Card, ...]


def overview(session: Session, _visit: Visit) -> Page:
    """Return the page: what `vcycle check` finds, and what `vcycle status` tells."""
    found = probe_facts(session)
    parts = judge(found, Thresholds(disk=room(session.config)))
    view, words = found.view, session.words
    return Page(
        template="overview.html",
        title="Overview",
        facts=Overview(
            verdict=verdict_of(parts),
            cards=tuple(card_of(space, view, words) for space in view.spaces),
        ),
        commands=_COMMANDS,
    )


def verdict_of(parts: tuple[Part, ...]) -> Verdict:
    """Return what was found, the worst first."""
    findings = [each for each in parts if isinstance(each, Finding)]
    gravity = (Level.CRITICAL, Level.UNKNOWN, Level.WARNING, Level.OK)
    findings.sort(key=lambda each: gravity.index(each.level))
    worst = findings[0].level
    lines = [(each.level, Line(each.text, _TONES[each.level])) for each in findings]
    return Verdict(
        level=worst.name,
        tone=_TONES[worst],
        wrong=tuple(line for level, line in lines if level),
        well=tuple(line for level, line in lines if not level),
    )
