"""The one place that puts things on the terminal: lines and tables for people, JSON for programs.

On a terminal, text is wrapped to its width and coloured (not with NO_COLOR). Anywhere else each
line and each row of a table is one line of plain text, so that grep and cut are enough to read it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"

_INDENT = 2
_NARROWEST = 20
"""Columns that the last one of a table gets, however narrow the terminal is."""


class Tone(StrEnum):
    """What a text is to the reader, as a style of rich."""

    PLAIN = ""
    HEAD = "bold"
    GOOD = "green"
    WARN = "yellow"
    BAD = "red"
    FAINT = "dim"


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, indented by so many steps of two blanks."""

    text: str
    tone: Tone = Tone.PLAIN
    indent: int = 0


BLANK = Line("")

Cell: TypeAlias = str | Line
"""A text, or one with a tone (the indent does not matter)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings; the last column is the one that is wrapped where space is short."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[str] = frozenset()
    """Headings of columns that hold numbers, so that they stand right."""
    indent: int = 0


Block: TypeAlias = Line | Table
"""What a command says, part by part."""


def facts(pairs: Iterable[tuple[str, str]], *, indent: int = 0) -> Table:
    """Return a table of names and values, without headings and without empty values."""
    rows = tuple((Line(name, Tone.FAINT), value) for name, value in pairs if value)
    return Table(headings=("", ""), rows=rows, indent=indent)


def clean(text: str) -> str:
    """Return `text` without characters that could move the cursor or recolour the terminal.

    Names and messages come from machines and clouds, who are strangers.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if unicodedata.category(each) in _UNSAFE else each for each in text)


_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Printer:
    """Prints blocks or JSON on standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, markup=False, emoji=False)

    def show(self, blocks: Iterable[Block]) -> None:
        """Print blocks for people."""
        for block in blocks:
            for parts in self._lines(block):
                if self._console.is_terminal:
                    styled = ((part.text, part.tone) for part in parts)
                    self._console.print(Text.assemble(*styled), soft_wrap=True)
                else:
                    click.echo("".join(part.text for part in parts).rstrip())

    def json(self, value: Json) -> None:
        """Print one JSON document."""
        click.echo(json.dumps(value, indent=2))

    def _lines(self, block: Block) -> Iterator[list[Line]]:
        """Return the lines of a block, each in parts of one tone."""
        margin = " " * (_INDENT * block.indent)
        if isinstance(block, Table):
            yield from self._table(block, margin)
            return
        for text in self._wrapped(self._shown(block), len(margin)):
            yield [Line(margin), Line(text, block.tone)]

    def _table(self, table: Table, margin: str) -> Iterator[list[Line]]:
        # Not rich's own tables: those take 1.7 ms for a row, and there are thousands of machines.
        rows = [self._row(row) for row in table.rows]
        if any(table.headings):
            rows.insert(0, [Line(heading, Tone.FAINT) for heading in table.headings])
        if not rows:
            return
        columns = zip(*rows, strict=True)
        *widths, _ = (max(cell_len(line.text) for line in column) for column in columns)
        left = len(margin) + sum(widths) + _INDENT * len(widths)
        for *cells, last in rows:
            start = [Line(margin)]
            for cell, cells_wide, heading in zip(cells, widths, table.headings, strict=False):
                start.append(_padded(cell, cells_wide, is_number=heading in table.numbers))
            for text in self._wrapped(last.text, left):
                yield [*start, Line(text, last.tone)]
                start = [Line(" " * left)]

    def _row(self, row: Sequence[Cell]) -> list[Line]:
        lines = (Line(cell) if isinstance(cell, str) else cell for cell in row)
        return [Line(self._shown(line), line.tone) for line in lines]

    def _wrapped(self, text: str, left: int) -> Sequence[str]:
        """Return `text` in lines that fit beside `left` columns; whole if this is no terminal."""
        room = max(_NARROWEST, self._console.width - left)
        if not self._console.is_terminal or cell_len(text) <= room:
            return (text,)
        return [line.plain for line in Text(text).wrap(self._console, room)]

    def _shown(self, line: Line) -> str:
        """Return the text of `line` in characters that the output takes."""
        encoding = self._console.encoding
        return clean(line.text).encode(encoding, "replace").decode(encoding)


def _padded(cell: Line, width: int, *, is_number: bool) -> Line:
    gap = " " * (width - cell_len(cell.text))
    end = " " * _INDENT
    return Line(f"{gap}{cell.text}{end}" if is_number else f"{cell.text}{gap}{end}", cell.tone)
