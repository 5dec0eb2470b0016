"""The page of the managers."""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.admin.pages.parts import Command, Grid, Page, grid_of
from vcycled.admin.pages.visit import Visit
from vcycled.cli.managers import managers_blocks, staff_line
from vcycled.cli.printing import BLANK, Line, Table
from vcycled.cli.session import Session
from vcycled.cli.status import manager_line
from vcycled.cli.views import View
from vcycled.cli.words import Words

_CAPTIONS = ("Managers", "Spaces and who looks after them")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagersPage:
    """What the page says."""

    is_shared: bool
    """Whether there can be several."""
    summary: Line
    grids: tuple[Grid, ...]
    advice: tuple[Line, ...]


def managers(session: Session, _visit: Visit) -> Page:
    """Return the page: `vcycle managers`, or of the one manager whether it is alive."""
    with session.store() as store:
        view = session.view(store)
    return Page(
        template="managers.html",
        title="Managers",
        facts=told(view, session.words),
        commands=(Command(does="See the same in a terminal", command="vcycle managers"),),
    )


def told(view: View, words: Words) -> ManagersPage:
    """Return what is said of the managers."""
    if view.staff is None:
        return ManagersPage(
            is_shared=False, summary=manager_line(view, words), grids=(), advice=()
        )
    blocks = [each for each in managers_blocks(view.staff, words) if each != BLANK]
    tables = [each for each in blocks if isinstance(each, Table)]
    return ManagersPage(
        is_shared=True,
        summary=staff_line(view.staff),
        grids=tuple(map(grid_of, tables, _CAPTIONS)),
        advice=tuple(each for each in blocks if isinstance(each, Line)),
    )
