"""Spaces that have machines and no section, nor a last good one: what is said of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vcycled.cli.views import SpaceView
from vcycled.cli.words import several

_REMEDY = "put its section back"
_WHY = "no section that can be used has this space"


def unattended_sentence(space: SpaceView) -> str:
    """Return that nobody looks after a space, why, and what to do; empty if somebody does."""
    if not space.is_unattended:
        return ""
    machines = several(len(space.records.machines), "machine")
    return f"nobody looks after its {machines}, as {_WHY}: {_REMEDY}"


def order_waits(names: Iterable[str]) -> Iterator[str]:
    """Yield what orders for such spaces wait for, in sentences."""
    for name in sorted(names):
        yield f"Nobody looks after {name}, as {_WHY}: the order waits until you {_REMEDY}."


def refusal(name: str, spaces: Iterable[SpaceView]) -> str:
    """Return why nothing can be done in a space of this name; empty if it is not one of those."""
    space = next((each for each in spaces if each.name == name), None)
    sentence = unattended_sentence(space) if space else ""
    return f"{name}: {sentence}" if sentence else ""
