"""What a command asks, and what it is told: here, or by the admin site of another host.

A question is asked of a `Session`, which reads the database, or of a `Remote`, which asks
vcycle-admin; that reads the database with the same questions. What is told is a document, for
--json and for programs, and blocks, for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vcycled.cli.printing import Block, Cell, Json, Line, Table, Tone
from vcycled.cli.session import Session
from vcycled.model import Order

PREFIX = "/api/v1"
BLOCKS = "application/vnd.vcycle.blocks+json"
"""What `vcycle --url` asks for: the same in sentences and tables."""
MOST = 1000
"""Machines or events in one answer of the API."""
_INDENT_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer; each of its two forms is made when it is wanted."""

    document: Callable[[], Json]
    blocks: Callable[[], Iterable[Block]]


class Question(Protocol):
    """Something to be told; its fields are what it depends on."""

    __slots__ = ()

    def answer(self, session: Session) -> Told:
        """Return what this installation says.

        Raises:
            VcycleError: it cannot be told.
        """
        ...

    @property
    def path(self) -> str:
        """Where vcycle-admin answers it, below /api/v1."""
        ...

    def query(self) -> Mapping[str, str]:
        """Return the parameters of its URL: none, if all of it stands in the path."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What will come of orders, or would."""

    orders: tuple[Order, ...]
    promise: tuple[str, ...]
    """Sentences."""
    stakes: tuple[str, ...] = ()
    """What is lost; a line for each machine."""
    waits: tuple[str, ...] = ()
    """Why nothing happens soon."""


def parameters(**given: str | int | bool | None) -> dict[str, str]:
    """Return the parameters that are given, as they stand in a URL."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in given.items()
        if value not in {None, "", False}
    }


def blocks_json(blocks: Iterable[Block]) -> list[Json]:
    """Return blocks as a document that `blocks_from` reads."""
    return [_block_json(each) for each in blocks]


def blocks_from(document: Json) -> tuple[Block, ...]:
    """Return the blocks of such a document.

    Raises:
        ValueError: it is none.
    """
    try:
        return tuple(_block_from(_mapping(each)) for each in _sequence(document))
    except KeyError as error:
        raise ValueError(f"{error} is missing") from error


def _block_json(block: Block) -> Json:
    if isinstance(block, Line):
        return {"line": _line_json(block)}
    return {
        "table": {
            "headings": list(block.headings),
            "rows": [[_cell_json(cell) for cell in row] for row in block.rows],
            "numbers": sorted(block.numbers),
            "indent": block.indent,
        }
    }


def _cell_json(cell: str | Line) -> Json:
    return cell if isinstance(cell, str) else _line_json(cell)


def _line_json(line: Line) -> dict[str, Json]:
    return {"text": line.text, "tone": line.tone.name.lower(), "indent": line.indent}


def _block_from(block: Mapping[str, Json]) -> Block:
    if "line" in block:
        return _line(block["line"])
    table = _mapping(block["table"])
    headings = tuple(map(str, _sequence(table["headings"])))
    rows = tuple(tuple(map(_cell, _sequence(row))) for row in _sequence(table["rows"]))
    if any(len(row) != len(headings) for row in rows):
        raise ValueError("a row has more or fewer cells than there are headings")
    return Table(
        headings=headings,
        rows=rows,
        numbers=frozenset(map(str, _sequence(table["numbers"]))),
        indent=_indent(table["indent"]),
    )


def _cell(document: Json) -> Cell:
    return document if isinstance(document, str) else _line(document)


def _line(document: Json) -> Line:
    line = _mapping(document)
    tone = Tone.__members__.get(str(line["tone"]).upper(), Tone.PLAIN)
    return Line(str(line["text"]), tone, _indent(line["indent"]))


def _mapping(document: Json) -> Mapping[str, Json]:
    if not isinstance(document, Mapping):
        raise ValueError(f"an object was expected, not {type(document).__name__}")  # noqa: TRY004
    return document


def _sequence(document: Json) -> Sequence[Json]:
    if not isinstance(document, list | tuple):
        raise ValueError(f"a list was expected, not {type(document).__name__}")  # noqa: TRY004
    return document


def _indent(document: Json) -> int:
    if not isinstance(document, int) or not 0 <= document <= _INDENT_MOST:
        raise ValueError(f"an indent of 0 to {_INDENT_MOST} was expected")
    return document
