"""The list of events: filtered, and part by part."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from vcycled.admin.pages.links import events_path
from vcycled.admin.pages.parts import Command, Grid, Page
from vcycled.admin.pages.told import Columns, told_events
from vcycled.admin.pages.visit import Visit, choosable
from vcycled.admin.pages.whole import typed
from vcycled.cli.sentences import LOUD
from vcycled.cli.session import Session
from vcycled.store import WantedEvents

PART = 100
"""Events on one page."""
DAY = 86_400
SINCE = MappingProxyType(
    {
        "day": ("the last day", DAY),
        "hour": ("the last hour", 3600),
        "week": ("the last week", 7 * DAY),
        "month": ("the last 30 days", 30 * DAY),
    }
)
"""What can be chosen, what that is called, and how many seconds it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """What the page says."""

    wanted: WantedEvents
    since: str
    sinces: tuple[tuple[str, str], ...]
    is_trouble_only: bool
    spaces: tuple[str, ...]
    events: Grid
    first: str
    following: str


def events(session: Session, visit: Visit) -> Page:
    """Return a part of the list.

    Raises:
        BadQuery: what is wanted cannot be understood.
    """
    since = visit.choice("since", tuple(SINCE))
    is_trouble_only = visit.choice("only", ("", "trouble")) == "trouble"
    wanted = WantedEvents(
        space=visit.text("space"),
        machinetype=visit.text("machinetype"),
        machine=visit.text("machine"),
        kinds=LOUD if is_trouble_only else frozenset(),
        since=session.now - SINCE[since][1],
    )
    before = visit.number("before")
    with session.store() as store:
        names = [space.name for space in session.view(store).spaces]
        found = store.find_events(wanted, before=before, limit=PART + 1)
    shown = found[:PART]
    path = _Path(wanted, since, is_trouble_only)
    return Page(
        template="events.html",
        title="Events",
        facts=EventsPage(
            wanted=wanted,
            since=since,
            sinces=tuple((key, text) for key, (text, _) in SINCE.items()),
            is_trouble_only=is_trouble_only,
            spaces=choosable(names, wanted.space),
            events=told_events(
                (each.event for each in shown),
                session.words,
                caption="Events, the newest first",
                columns=Columns(space=len(names) > 1),
            ),
            first=path.to() if before is not None else "",
            following=path.to(str(shown[-1].number)) if len(found) > PART else "",
        ),
        commands=(
            Command(does="See the same in a terminal", command=typed("events", "--since", "-1d")),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Path:
    """Where parts of the list stand."""

    wanted: WantedEvents
    since: str
    is_trouble_only: bool

    def to(self, before: str = "") -> str:
        """Return where those before a number stand; without one, the first."""
        return events_path(
            space=self.wanted.space,
            machinetype=self.wanted.machinetype,
            machine=self.wanted.machine,
            since=self.since,
            only="trouble" if self.is_trouble_only else "",
            before=before,
        )
