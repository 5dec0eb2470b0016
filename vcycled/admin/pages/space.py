"""The page of a space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vcycled.admin.pages.cards import Card, card_of
from vcycled.admin.pages.links import events_path, machines_path
from vcycled.admin.pages.parts import OVERVIEW, Command, Fact, Page, link
from vcycled.admin.pages.visit import Visit
from vcycled.admin.pages.whole import (
    Recent,
    hold_commands,
    recent,
    space_of,
    typed,
    whys,
)
from vcycled.cli.printing import Line
from vcycled.cli.session import Session
from vcycled.cli.views import SpaceView
from vcycled.cli.words import Words, span


@dataclass(frozen=True, slots=True, kw_only=True)
class SpacePage:
    """What the page says."""

    card: Card
    whys: tuple[Line, ...]
    recent: Recent
    phases: tuple[Fact, ...]
    credentials: tuple[Fact, ...]
    links: tuple[Fact, ...]


def space(session: Session, visit: Visit) -> Page:
    """Return the page: `vcycle status SPACE`, `vcycle why SPACE`, and its last day."""
    with session.store() as store:
        view = session.view(store)
        found = space_of(view, visit.names["space"])
        lately = recent(session, store, found.name)
    return Page(
        template="space.html",
        title=found.name,
        crumbs=(OVERVIEW,),
        facts=SpacePage(
            card=card_of(found, view, session.words),
            whys=whys(view, session, found),
            recent=lately,
            phases=_phases(found),
            credentials=tuple(_credentials(found, session.words)),
            links=(
                link("Its machines", machines_path(space=found.name)),
                link("Its events", events_path(space=found.name)),
            ),
        ),
        commands=_commands(found.name),
    )


def _phases(found: SpaceView) -> tuple[Fact, ...]:
    """Return how long each phase of the last cycle took."""
    seconds = found.report.seconds if found.report else {}
    return tuple(Fact(name=name, text=f"{took:.2f} s") for name, took in seconds.items())


def _credentials(found: SpaceView, words: Words) -> Iterator[Fact]:
    for name, at in (found.report.credential_ends if found.report else {}).items():
        left = f"ends {words.until(at)}" if at > words.now else f"ended {span(words.now - at)} ago"
        yield Fact(name=name, text=left)


def _commands(name: str) -> tuple[Command, ...]:
    return (
        Command(does="What the next cycle would do", command=typed("plan", name)),
        Command(does="Make no more machines here", command=typed("drain", name)),
        Command(does="Make machines again", command=typed("undrain", name)),
        *hold_commands(name),
    )
