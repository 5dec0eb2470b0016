"""The list of machines: filtered, and part by part."""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.admin.pages.links import machines_path
from vcycled.admin.pages.listed import listed_machines
from vcycled.admin.pages.parts import Command, Grid, Page
from vcycled.admin.pages.visit import Visit, choosable
from vcycled.admin.pages.whole import typed
from vcycled.cli.as_json import CONDITIONS
from vcycled.cli.session import Session
from vcycled.cli.views import View
from vcycled.model import Machine, MachineState
from vcycled.store import Place, WantedMachines

PART = 100
"""Machines on one page."""
STATES = (*map(str, MachineState), *CONDITIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinesPage:
    """What the page says."""

    wanted: WantedMachines
    spaces: tuple[str, ...]
    """That can be chosen."""
    machinetypes: tuple[str, ...]
    states: tuple[str, ...]
    machines: Grid
    first: str
    """Where the first part stands; empty if this is it."""
    following: str
    """Where the next part stands; empty if this is the last."""


def machines(session: Session, visit: Visit) -> Page:
    """Return a part of the list.

    Raises:
        BadQuery: what is wanted cannot be understood.
    """
    wanted = WantedMachines(
        space=visit.text("space"),
        machinetype=visit.text("machinetype"),
        condition=visit.choice("state", ("", *STATES)),
        text=visit.text("text"),
        has_gone=visit.choice("gone", ("", "yes")) == "yes",
    )
    created_at = visit.number("before")
    after = None if created_at is None else Place(created_at, visit.text("uuid"))
    with session.store() as store:
        view = session.view(store)
        found = store.find_machines(wanted, after=after, limit=PART + 1)
    shown = found[:PART]
    return Page(
        template="machines.html",
        title="Machines",
        facts=MachinesPage(
            wanted=wanted,
            spaces=choosable([space.name for space in view.spaces], wanted.space),
            machinetypes=choosable(_kinds(view), wanted.machinetype),
            states=STATES,
            machines=listed_machines(
                shown, session.words, caption="Machines, the youngest first", has_places=True
            ),
            first=_path(wanted) if after else "",
            following=_path(wanted, shown[-1]) if len(found) > PART else "",
        ),
        commands=(
            Command(
                does="See the same in a terminal",
                command=typed("machines", wanted.space) if wanted.space else typed("machines"),
            ),
        ),
    )


def _kinds(view: View) -> list[str]:
    return [kind for space in view.spaces for kind in space.machinetypes]


def _path(wanted: WantedMachines, last: Machine | None = None) -> str:
    place = {} if last is None else {"before": str(last.created_at), "uuid": last.uuid}
    return machines_path(
        space=wanted.space,
        machinetype=wanted.machinetype,
        state=wanted.condition,
        text=wanted.text,
        gone="yes" if wanted.has_gone else "",
        **place,
    )
