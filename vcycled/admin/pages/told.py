"""Events as pages tell them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vcycled.admin.pages.links import machine_path
from vcycled.admin.pages.parts import Cell, Grid
from vcycled.cli.printing import Tone
from vcycled.cli.sentences import event_sentence, is_loud, subject
from vcycled.cli.words import Words
from vcycled.model import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns the table has besides time and sentence."""

    space: bool = False
    subject: bool = True


def told_events(
    events: Iterable[Event], words: Words, *, caption: str, columns: Columns = Columns()
) -> Grid:
    """Return a row for each event."""
    told = tuple(
        tuple(cell for cell in _row(event, words, columns) if cell is not None) for event in events
    )
    middle = (*(("Space",) if columns.space else ()), *(("Of",) if columns.subject else ()))
    return Grid(caption=caption, headings=("Time", *middle, "What"), rows=told)


def _row(event: Event, words: Words, columns: Columns) -> Iterable[Cell | None]:
    about = machine_path(event.machine) if event.machine else ""
    yield Cell(text=words.stamp(event.at), tone=Tone.FAINT)
    yield Cell(text=event.space) if columns.space else None
    yield Cell(text=subject(event) or "-", href=about) if columns.subject else None
    yield Cell(text=event_sentence(event, words), tone=Tone.WARN if is_loud(event) else Tone.PLAIN)
