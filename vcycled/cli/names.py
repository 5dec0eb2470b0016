"""Names that people type: found among the known ones, or refused with the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from vcycled.errors import Unknown

_FEW = 8


def demand(what: str, name: str, known: Iterable[str]) -> str:
    """Return `name` if it is one of the `known`.

    Args:
        what: what it names, for the message: `space`, `machine`, …
        name: as it was typed.
        known: all that there are.

    Raises:
        Unknown: it is not; the text tells the nearest name, or all if they are few.
    """
    names = sorted(set(known))
    if name in names:
        return name
    raise Unknown(f"there is no {what} {name!r}{hint(name, names)}")


def hint(name: str, known: Iterable[str]) -> str:
    """Return what to add to a message about an unknown name: the nearest, or what there is."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    if not names:
        return "; there is none at all"
    return f"; there are: {', '.join(names)}" if len(names) <= _FEW else ""
