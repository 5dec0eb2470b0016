"""The rule for every section: if it is wrong, it is held and goes on as it last was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from vcycled.config.check import Checked
from vcycled.config.reader import Section
from vcycled.errors import Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[T]):
    """What one section came to."""

    checked: Checked
    value: T | None
    """None if it means nothing; there may be errors with a value, but not the other way round."""
    problems: tuple[Problem, ...]
    """All that is wrong with it, by itself and with what is around it."""

    @property
    def is_right(self) -> bool:
        """True if there is no error."""
        return all(problem.is_warning for problem in self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Generic[T]):
    """A section as it is used."""

    checked: Checked
    """What it says today or, if that is wrong and it was right before, what it said then."""
    value: T | None
    """None if it is wrong and never was right."""
    good: Section | None
    """What it said when it was last right."""
    held: str
    """Why it is not used as it is today; empty if it is."""
    problems: tuple[Problem, ...]
    """Of today's section."""


def settle(
    section: Section, before: Section | None, attempt: Callable[[Section], Attempt[T]]
) -> Settled[T]:
    """Return `section` as it is used; `before` is what it said when it was last right."""
    today = attempt(section)
    if today.is_right:
        return _settled(today, good=section, held="", problems=today.problems)
    then = attempt(before) if before else None
    used = then if then and then.value is not None else replace(today, value=None)
    return _settled(used, good=before, held=why(today.problems), problems=today.problems)


def _settled(
    used: Attempt[T], *, good: Section | None, held: str, problems: tuple[Problem, ...]
) -> Settled[T]:
    return Settled(checked=used.checked, value=used.value, good=good, held=held, problems=problems)


def why(problems: Iterable[Problem]) -> str:
    """Return the first of the errors, and how many more there are."""
    errors = [problem for problem in problems if not problem.is_warning]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0]}{more}"
