"""The page of a machinetype."""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.admin.pages.cards import share_of
from vcycled.admin.pages.links import events_path, machines_path, space_path
from vcycled.admin.pages.listed import listed_machines
from vcycled.admin.pages.parts import OVERVIEW, Command, Fact, Grid, Page, facts_of, link
from vcycled.admin.pages.visit import Visit
from vcycled.admin.pages.whole import (
    Recent,
    hold_commands,
    machinetype_of,
    recent,
    space_of,
    typed,
    whys,
)
from vcycled.cli.printing import Line
from vcycled.cli.session import Session
from vcycled.cli.status import had_text, wanted_text
from vcycled.cli.views import SpaceView

_MACHINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KindPage:
    """What the page says."""

    facts: tuple[Fact, ...]
    whys: tuple[Line, ...]
    recent: Recent
    machines: Grid
    left_out: int
    """Machines that the table has no room for."""
    links: tuple[Fact, ...]


def machinetype(session: Session, visit: Visit) -> Page:
    """Return the page: its share, why it gets no more, its last day and its machines."""
    with session.store() as store:
        view = session.view(store)
        found = space_of(view, visit.names["space"])
        name = machinetype_of(view, found, visit.names["machinetype"])
        lately = recent(session, store, found.name, name)
    mine = [each for each in found.records.machines if each.machinetype == name]
    mine.sort(key=lambda each: (-each.created_at, each.uuid))
    return Page(
        template="machinetype.html",
        title=name,
        crumbs=(OVERVIEW, link(found.name, space_path(found.name))),
        facts=KindPage(
            facts=_facts(found, name),
            whys=whys(view, session, found, name),
            recent=lately,
            machines=listed_machines(
                mine[:_MACHINES], session.words, caption=f"Youngest machines of {name}"
            ),
            left_out=max(0, len(mine) - _MACHINES),
            links=(
                link("Its machines", machines_path(space=found.name, machinetype=name)),
                link("Its events", events_path(space=found.name, machinetype=name)),
            ),
        ),
        commands=_commands(found.name, name),
    )


def _facts(found: SpaceView, name: str) -> tuple[Fact, ...]:
    share = share_of(found, name)
    mine = [each for each in found.records.machines if each.machinetype == name]
    configured = found.config.machinetypes if found.config else ()
    option = next((each.options for each in configured if each.name == name), None)
    limit = None if option is None else option.processors_limit
    most = "" if limit is None else f" of {limit}"
    return facts_of(
        (
            ("share wanted", wanted_text(share)),
            ("share had", had_text(share)),
            ("processors", f"{sum(each.processors for each in mine)}{most}"),
            ("machines", str(len(mine))),
            ("accounting_fqan", (option.accounting_fqan or "") if option else ""),
        )
    )


def _commands(space: str, name: str) -> tuple[Command, ...]:
    return (
        Command(does="What a machine of it is given", command=typed("user-data", space, name)),
        Command(does="Make no more of them", command=typed("drain", space, name)),
        Command(does="Make them again", command=typed("undrain", space, name)),
        *hold_commands(space, name),
    )
