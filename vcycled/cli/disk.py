"""`vcycle disk`: what takes up how much, for how long, and how much room is left. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from vcycled.cli.printing import BLANK, Block, Cell, Json, Line, Table, Tone
from vcycled.cli.words import Words, several, span
from vcycled.house.disks import Disk, shortage
from vcycled.house.ledger import Area
from vcycled.images.status import size_text

_HEADINGS = ("AREA", "SPACE", "SIZE", "FILES", "OLDEST", "KEPT")
_WAITS_LONG = 86_400
"""The usual way to run ssmsend is a few times a day at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """All that `vcycle disk` tells."""

    now: int
    min_free_mb: int
    disks: tuple[Disk, ...]
    areas: tuple[Area, ...]


def disk_blocks(usage: Usage, words: Words) -> Iterator[Block]:
    """Return the page: what is wrong first, then the disks, then the areas."""
    yield from (Line(doubt, Tone.BAD) for doubt in doubts(usage))
    yield from shortage_lines(usage.disks, min_free_mb=usage.min_free_mb)
    for disk in usage.disks:
        free, total = size_text(disk.free_bytes), size_text(disk.total_bytes)
        yield Line(f"{disk.folder}: {free} of {total} free")
    yield BLANK
    rows = tuple(_row(each, words) for each in usage.areas)
    yield Table(headings=_HEADINGS, rows=rows, numbers=frozenset({"SIZE", "FILES"}))
    yield Line(f"{size_text(sum(each.bytes for each in usage.areas))} in all")


def shortage_lines(disks: Sequence[Disk], *, min_free_mb: int) -> Iterator[Line]:
    """Return a line for each disk on which there is so little room that nothing is created."""
    for disk in disks:
        if why := shortage(disk, min_free_mb=min_free_mb):
            yield Line(f"nothing is created: {why}", Tone.BAD)


def disks_json(disks: Sequence[Disk], *, min_free_mb: int) -> list[Json]:
    """Return the disks, each with why it holds creation, or an empty text."""
    return [
        {
            **asdict(disk),
            "folder": str(disk.folder),
            "shortage": shortage(disk, min_free_mb=min_free_mb),
        }
        for disk in disks
    ]


def disk_json(usage: Usage) -> Json:
    """Return the same as a document."""
    return {
        "now": usage.now,
        "disks": disks_json(usage.disks, min_free_mb=usage.min_free_mb),
        "areas": [
            {
                **asdict(each),
                "path": None if each.path is None else str(each.path),
                "is_overdue": each.is_overdue(now=usage.now),
            }
            for each in usage.areas
        ],
        "doubts": list(doubts(usage)),
    }


def doubts(usage: Usage) -> Iterator[str]:
    """Return what a person should look at, a sentence each."""
    for each in usage.areas:
        name = f"{each.area} of {each.space}" if each.space else each.area
        if each.is_overdue(now=usage.now):
            yield (
                f"{name}: there is something older than what is kept; see whether vcycled runs,"
                " and house-failed in its log"
            )
        if each.area == "apel-outgoing" and _waits_long(each, now=usage.now):
            waited = span(usage.now - (each.oldest_at or usage.now))
            records = several(each.files, "message")
            yield f"{name}: {records}, the oldest for {waited}; see whether ssmsend runs"


def _waits_long(area: Area, *, now: int) -> bool:
    return area.oldest_at is not None and now - area.oldest_at > _WAITS_LONG


def _row(area: Area, words: Words) -> tuple[Cell, ...]:
    return (
        area.area,
        area.space,
        size_text(area.bytes),
        str(area.files),
        "" if area.oldest_at is None else words.instant(area.oldest_at),
        area.kept,
    )
