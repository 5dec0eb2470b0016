"""What was asked for: the query of a request, read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_NUMBER = re.compile(r"[0-9]{1,18}")


class BadQuery(ValueError):
    """The query of a page cannot be understood; the text says why."""


class NotHere(LookupError):
    """There is nothing of this name; the text says what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request for a page."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Parts of the path: space, machinetype, uuid."""
    query: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return what was asked for under a name; empty if nothing was."""
        return self.query.get(name, "").strip()

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return which of the choices was made; the first is taken where none was.

        Raises:
            BadQuery: it is none of them.
        """
        value = self.text(name) or choices[0]
        if value not in choices:
            known = ", ".join(each for each in choices if each)
            raise BadQuery(f"{name} is one of {known}, not {value!r}")
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number from 0 on; None if there is none.

        Raises:
            BadQuery: it is something else.
        """
        value = self.text(name)
        if value and not _NUMBER.fullmatch(value):
            raise BadQuery(f"{name} is a number, not {value!r}")
        return int(value) if value else None

    def month(self, name: str) -> tuple[int, int] | None:
        """Return a year and month; None if there is none.

        Raises:
            BadQuery: it is something else.
        """
        value = self.text(name)
        found = _MONTH.fullmatch(value)
        if value and (found is None or not 1970 <= int(found[1]) <= 9998):
            raise BadQuery(f"{name} is a year and a month such as 2027-01, not {value!r}")
        return (int(found[1]), int(found[2])) if found else None


def choosable(known: Iterable[str], chosen: str) -> tuple[str, ...]:
    """Return what can be chosen: what is known, and what was chosen if that is gone."""
    return tuple(dict.fromkeys((*known, *([chosen] if chosen else []))))
