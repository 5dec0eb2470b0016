"""`vcycle images`: what is uploaded from here, how far it is, what awaits removal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from vcycled.cli.printing import Block, Cell, Json, Line, Table, Tone
from vcycled.cli.views import SpaceView
from vcycled.cli.words import Words
from vcycled.images.status import ImageState, ImageStatus, sentence, size_text

_TONES = {
    ImageState.READY: Tone.GOOD,
    ImageState.FAILED: Tone.BAD,
    ImageState.OLD: Tone.FAINT,
    ImageState.UNFINISHED: Tone.FAINT,
    ImageState.UNNAMED: Tone.FAINT,
}
_GOING = {ImageState.OLD, ImageState.UNFINISHED, ImageState.UNNAMED}
_HEADINGS = ("SPACE", "SOURCE", "STATE", "SIZE", "FORMAT", "SINCE", "FOR", "REMARKS")


def image_blocks(
    spaces: Sequence[SpaceView], copies: Iterable[ImageStatus], words: Words
) -> tuple[Block, ...]:
    """Return the table, and a line for each space that was not looked at lately.

    `copies` are on this host, named by no machinetype of any space.
    """
    found = [(space.name, each) for space in spaces for each in _images(space)]
    found += [("", each) for each in copies]
    if not found:
        return (Line("no image is uploaded from here"),)
    late = [space for space in spaces if space.is_late(now=words.now)]
    warnings = (Line(f"{space.name}: this may be out of date", Tone.BAD) for space in late)
    rows = tuple(_row(name, each, words) for name, each in found)
    return (*warnings, Table(headings=_HEADINGS, rows=rows, numbers=frozenset({"SIZE"})))


def images_json(spaces: Iterable[SpaceView], copies: Iterable[ImageStatus]) -> Json:
    """Return every field of each image, and its space; that of a copy on this host is empty."""
    found = [{"space": space.name, **asdict(each)} for space in spaces for each in _images(space)]
    return found + [{"space": "", **asdict(each)} for each in copies]


def _images(space: SpaceView) -> tuple[ImageStatus, ...]:
    return space.report.images if space.report else ()


def _row(space: str, image: ImageStatus, words: Words) -> tuple[Cell, ...]:
    return (
        space,
        image.source,
        Line(image.state, _TONES.get(image.state, Tone.WARN)),
        "" if image.size_bytes is None else size_text(image.size_bytes),
        image.format,
        words.instant(image.since),
        " ".join(image.machinetypes),
        _remarks(image, words),
    )


def _remarks(image: ImageStatus, words: Words) -> str:
    """Return what is being done or went wrong, and which image machines get meanwhile."""
    if image.state in _GOING:
        removed = "" if image.until is None else f"; removed {words.until(image.until)}"
        which = f"image {image.image_id}: " if image.image_id else ""
        return f"{which}{image.detail}{removed}"
    doing = "" if image.state is ImageState.READY else words.retold(sentence(image))
    current = f"machines are made of image {image.image_id}" if image.image_id else ""
    return "; ".join(filter(None, (doing, current)))
