"""What pages are made of, ready for the templates. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vcycled.cli.printing import Cell as TextCell
from vcycled.cli.printing import Line, Table, Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A part of a whole as a small bar; the number itself stands beside it."""

    part: float
    """From 0 to 1."""
    goal: float
    """Where it should end, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of a table."""

    text: str
    tone: Tone = Tone.PLAIN
    href: str = ""
    bar: Bar | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table; the first cell of a row is its heading."""

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[str] = frozenset()
    """Headings of columns of numbers."""
    total: tuple[Cell, ...] = ()
    """The last row, if it sums the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and what stands there."""

    name: str
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something that can be done, and the command that does it."""

    does: str
    command: str


def facts_of(pairs: Iterable[tuple[str, str]]) -> tuple[Fact, ...]:
    """Return those that have a value."""
    return tuple(Fact(name=name, text=text) for name, text in pairs if text)


def link(text: str, href: str) -> Fact:
    """Return a fact that is told by nothing but its link."""
    return Fact(name="", text=text, href=href)


OVERVIEW = link("Overview", "/")
"""The page above all others."""


def cell_of(cell: TextCell, *, href: str = "") -> Cell:
    """Return a cell of the command line as one of a page."""
    if isinstance(cell, Line):
        return Cell(text=cell.text, tone=cell.tone, href=href)
    return Cell(text=cell, href=href)


def grid_of(table: Table, caption: str) -> Grid:
    """Return a table of the command line as one of a page."""
    return Grid(
        caption=caption,
        headings=tuple(heading.capitalize() for heading in table.headings),
        rows=tuple(tuple(map(cell_of, row)) for row in table.rows),
        numbers=frozenset(heading.capitalize() for heading in table.numbers),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page says, for its template."""

    template: str
    title: str
    facts: object
    """What the template knows by this name."""
    crumbs: tuple[Fact, ...] = ()
    """The pages above it."""
    commands: tuple[Command, ...] = ()
