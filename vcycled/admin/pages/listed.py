"""Machines as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from vcycled.admin.pages.links import kind_path, machine_path, space_path
from vcycled.admin.pages.parts import Cell, Grid, cell_of
from vcycled.cli.machines import ran, remarks, state_line
from vcycled.cli.words import Words, span
from vcycled.model import Machine


def listed_machines(
    machines: Sequence[Machine], words: Words, *, caption: str, has_places: bool = False
) -> Grid:
    """Return a row for each machine.

    Args:
        machines: as they are to stand.
        words: how times are told.
        caption: of the table.
        has_places: also tell space and machinetype.
    """
    places = ("Space", "Machinetype") if has_places else ()
    return Grid(
        caption=caption,
        headings=("Name", *places, "State", "Processors", "Age", "Ran", "Remarks"),
        rows=tuple(_row(each, words, has_places=has_places) for each in machines),
        numbers=frozenset({"Processors"}),
    )


def _row(machine: Machine, words: Words, *, has_places: bool) -> tuple[Cell, ...]:
    places = (
        Cell(text=machine.space, href=space_path(machine.space)),
        Cell(text=machine.machinetype, href=kind_path(machine.space, machine.machinetype)),
    )
    return (
        Cell(text=machine.name, href=machine_path(machine.uuid)),
        *(places if has_places else ()),
        cell_of(state_line(machine)),
        Cell(text=str(machine.processors)),
        Cell(text=span(words.now - machine.created_at)),
        Cell(text=ran(machine, now=words.now)),
        Cell(text=remarks(machine, words)),
    )
