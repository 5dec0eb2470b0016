"""What the pages of a space and of a machinetype share: finding it, why, the day, the news."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from vcycled.admin.pages.chart import Chart, chart_of
from vcycled.admin.pages.day import HOUR, HOURS, day_of
from vcycled.admin.pages.parts import Command, Grid
from vcycled.admin.pages.told import told_events
from vcycled.admin.pages.visit import NotHere
from vcycled.cli.names import hint
from vcycled.cli.printing import Line
from vcycled.cli.session import Session
from vcycled.cli.views import SpaceView, View
from vcycled.cli.why import answer, why_blocks
from vcycled.store import Store, WantedEvents

_NEWS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What happened lately."""

    chart: Chart
    news: Grid


def space_of(view: View, name: str) -> SpaceView:
    """Return the space of this name.

    Raises:
        NotHere: there is none.
    """
    names = {space.name: space for space in view.spaces}
    if name not in names:
        said = _unusable(view, f"space {name}")
        raise NotHere(said or f"there is no space {name!r}{hint(name, names)}")
    return names[name]


def machinetype_of(view: View, space: SpaceView, name: str) -> str:
    """Return the name of a machinetype of a space.

    Raises:
        NotHere: it has none of this name that could be used.
    """
    if name not in space.machinetypes:
        said = _unusable(view, f"machinetype {space.name} {name}")
        near = hint(name, space.machinetypes)
        raise NotHere(said or f"{space.name} has no machinetype {name!r}{near}")
    return name


def _unusable(view: View, title: str) -> str:
    """Return why a section that is there has no page; empty if there is no such section."""
    why = view.unusable.get(title)
    return f"[{title}] is wrong and never was right: {why}" if why else ""


def recent(session: Session, store: Store, space: str, machinetype: str = "") -> Recent:
    """Return the last day of a space, or of one of its machinetypes."""
    since = session.now - HOURS * HOUR
    lives = store.lives(space, machinetype, since=since)
    wanted = WantedEvents(space=space, machinetype=machinetype, since=since)
    news = store.find_events(wanted, limit=_NEWS)
    return Recent(
        chart=chart_of(day_of(lives, now=session.now), session.words),
        news=told_events(
            (each.event for each in news), session.words, caption="The last events of this day"
        ),
    )


def whys(
    view: View, session: Session, space: SpaceView, machinetype: str = ""
) -> tuple[Line, ...]:
    """Return why there are no more machines, as `vcycle why` tells it."""
    blocks = why_blocks(answer(view, space.name, machinetype, session.words), session.words)
    return tuple(each for each in blocks if isinstance(each, Line))


def hold_commands(*target: str) -> tuple[Command, ...]:
    """Return how a space or machinetype is held for a while, and how that ends early."""
    held = typed("hold", *target, "--until", "+2h")
    return (
        Command(does="Make none for a while; those there go on", command=held),
        Command(does="End that early", command=typed("release", *target)),
    )


def typed(*words: str) -> str:
    """Return a command as it is to be typed."""
    return shlex.join(("vcycle", *words))
