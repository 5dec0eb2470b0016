"""One space as pages show it: facts, shares, what is held. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vcycled.admin.pages.links import kind_path, machines_path, space_path
from vcycled.admin.pages.parts import Bar, Cell, Fact, Grid, facts_of
from vcycled.cli.managers import Staff
from vcycled.cli.printing import Line, Tone
from vcycled.cli.sentences import hold_tone
from vcycled.cli.status import (
    had_text,
    hold_line,
    space_facts,
    space_notes,
    space_warnings,
    untold_holds,
    wanted_text,
)
from vcycled.cli.views import SpaceView, View
from vcycled.cli.words import Words, several
from vcycled.model import Hold, Limits, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How full a space is, as parts of its limit."""

    ours: float
    foreign: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One space."""

    name: str
    href: str
    notes: str
    facts: tuple[Fact, ...]
    room: Room | None
    """None if there is no limit."""
    warnings: tuple[Line, ...]
    kinds: Grid
    holds: tuple[Line, ...]


def card_of(space: SpaceView, view: View, words: Words) -> Card:
    """Return a space as it is shown."""
    return Card(
        name=space.name,
        href=space_path(space.name),
        notes=space_notes(space),
        facts=_facts(space, view.staff, words),
        room=_room(space),
        warnings=tuple(space_warnings(space, view.staff, words)),
        kinds=_kinds(space, words),
        holds=tuple(hold_line(hold, words) for hold in untold_holds(space)),
    )


def _facts(space: SpaceView, staff: Staff | None, words: Words) -> tuple[Fact, ...]:
    hrefs = {"machines": machines_path(space=space.name), "manager": "/managers"}
    told = (*space_facts(space, staff, words), ("other limits", _other_limits(space.limits)))
    return tuple(
        Fact(name=fact.name, text=fact.text, href=hrefs.get(fact.name, ""))
        for fact in facts_of(told)
    )


def _other_limits(limits: Limits) -> str:
    """Return what the cloud allows besides processors; empty if it does not say."""
    machines = None if limits.machines is None else several(limits.machines, "machine")
    memory = None if limits.memory_mb is None else f"{limits.memory_mb} MiB"
    return ", ".join(filter(None, (machines, memory)))


def _room(space: SpaceView) -> Room | None:
    limit = space.limits.processors
    if not limit:
        return None
    ours = sum(machine.processors for machine in space.records.machines) / limit
    foreign = space.records.memory.foreign_processors / limit
    return Room(ours=min(1.0, ours), foreign=min(max(0.0, 1.0 - ours), foreign))


def _kinds(space: SpaceView, words: Words) -> Grid:
    headings = ("Machinetype", "Wanted", "Has", "Processors", "Machines", "No more because")
    return Grid(
        caption=f"Machinetypes of {space.name}",
        headings=headings,
        rows=tuple(tuple(_kind(space, name, words)) for name in space.machinetypes),
        numbers=frozenset(headings[1:5]),
    )


def _kind(space: SpaceView, name: str, words: Words) -> Iterator[Cell]:
    share = share_of(space, name)
    mine = [each for each in space.records.machines if each.machinetype == name]
    yield Cell(text=name, href=kind_path(space.name, name))
    yield Cell(text=wanted_text(share))
    yield _had(share)
    yield Cell(text=str(sum(each.processors for each in mine)))
    yield Cell(text=str(len(mine)))
    held = [hold for hold in holds_of(space) if hold.machinetype in {"", name}]
    own = [hold for hold in held if hold.machinetype]
    yield _because((own or held)[0], words) if held else Cell(text="-", tone=Tone.FAINT)


def _had(share: Share | None) -> Cell:
    if share is None or share.is_preemptible:
        return Cell(text=had_text(share), tone=Tone.FAINT)
    return Cell(text=had_text(share), bar=Bar(part=min(1.0, share.had), goal=share.wanted))


def _because(hold: Hold, words: Words) -> Cell:
    over = "" if hold.until is None else f", over {words.until(hold.until)}"
    return Cell(text=f"{hold.cause}{over}", tone=hold_tone(hold))


def share_of(space: SpaceView, machinetype: str) -> Share | None:
    """Return what a machinetype wanted and had at the last cycle."""
    shares = space.report.shares if space.report else ()
    return next((share for share in shares if share.machinetype == machinetype), None)


def holds_of(space: SpaceView) -> tuple[Hold, ...]:
    """Return what is held in a space."""
    return space.report.holds if space.report else ()
