"""One section against its grammar: values that have their types, and all that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from vcycled.config.grammar import FILE_PREFIX, Grammar, sounds_secret
from vcycled.config.reader import Section, Setting
from vcycled.errors import Problem
from vcycled.options import PATH, Row, rows

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A section, judged option by option."""

    section: Section
    given: Mapping[str, Setting]
    """The setting that counts for each row, by the name of the row."""
    values: Mapping[str, object]
    """What it means, for those that are right."""
    user_data: Mapping[str, Setting]
    """Substitutions of the user_data template, by the name of the option."""
    unused: tuple[Setting, ...]
    """Settings that do nothing."""
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems without the warnings."""
        return tuple(problem for problem in self.problems if not problem.is_warning)

    def fill(self, options: type[T]) -> T:
        """Return an object of this options class; rows that are not given have their defaults.

        Only for sections without errors: then every required row is there.
        """
        names = {row.name for row in rows(options)}
        make = cast(Callable[..., T], options)
        return make(**{name: value for name, value in self.values.items() if name in names})

    def problem(self, option: str, message: str, *, is_warning: bool = False) -> Problem:
        """Return a problem at the place of `option`, or of the section if it is not given."""
        setting = self.given.get(option) or self.user_data.get(option)
        if setting is None:
            return self.section.problem(message, option=option, is_warning=is_warning)
        return setting.problem(message, is_warning=is_warning)


def check(section: Section, grammar: Grammar) -> Checked:
    """Return what `section` means and all that is wrong with it."""
    work = _Work(section, grammar)
    work.join_blanks()
    given = {row.name: setting for row in grammar.rows if (setting := work.take(row))}
    values = work.values(given)
    user_data = work.take_user_data()
    work.judge_rest()
    return Checked(
        section=section,
        given=given,
        values=values,
        user_data=user_data,
        unused=tuple(work.unused),
        problems=tuple(work.problems),
    )


class _Work:
    """Takes settings off the pile, one after the other; what is left is judged last."""

    def __init__(self, section: Section, grammar: Grammar) -> None:
        self._section = section
        self._grammar = grammar
        self._left: dict[str, Setting] = {s.option: s for s in section.settings}
        self.unused: list[Setting] = []
        self.problems: list[Problem] = []

    def join_blanks(self) -> None:
        """Read names printed with blanks as if they had underscores."""
        for spelling in [name for name in self._left if re.search(r"\s", name)]:
            setting = self._left.pop(spelling)
            joined = "_".join(spelling.split())
            if joined in self._left:
                self._drop(setting, f"blanks in a name; {_counts(joined, self._left[joined])}")
            else:
                self._left[joined] = setting
                name = self._grammar.present_name(joined)
                self._warn(setting, f"blanks in the name are read as underscores; write {name}")

    def take(self, row: Row) -> Setting | None:
        """Return the setting that counts for `row`, taking all its spellings."""
        found = [
            (name, self._left.pop(name))
            for name in (row.name, *row.old_names)
            if name in self._left
        ]
        if not found:
            return None
        spelling, counting = found[0]
        if spelling != row.name and spelling == counting.option:
            self._warn(counting, f"old name; write {row.name}")
        for _, other in found[1:]:
            self._drop(other, f"old name of {row.name}; {_counts(spelling, counting)}")
        return counting

    def values(self, given: Mapping[str, Setting]) -> Mapping[str, object]:
        """Return the values that can be read; report the others, and required ones not given."""
        values: dict[str, object] = {}
        for row in self._grammar.rows:
            setting = given.get(row.name)
            if setting is None:
                if row.is_required:
                    message = f"is required: {row.kind.accepts}"
                    self.problems.append(self._section.problem(message, option=row.name))
                continue
            try:
                values[row.name] = row.kind.parse(setting.value)
            except ValueError as error:
                self._err(setting, str(error))
        return values

    def take_user_data(self) -> Mapping[str, Setting]:
        """Return the substitutions of the user_data template."""
        names = [name for name in self._left if self._grammar.is_user_data(name)]
        for name in names:
            if not re.fullmatch(r"user_data(_option|_file)?_[a-z0-9_]+", name):
                message = "the name of a substitution must be made of a-z 0-9 _"
                self._err(self._left[name], message)
            elif name.startswith(FILE_PREFIX):
                self._check_path(self._left[name])
        return {name: self._left.pop(name) for name in names}

    def _check_path(self, setting: Setting) -> None:
        try:
            PATH.parse(setting.value)
        except ValueError as error:
            self._err(setting, str(error))

    def judge_rest(self) -> None:
        """Say what is thought of the options that nothing has taken."""
        for name, setting in self._left.items():
            if setting.section != self._section.title:
                continue  # from [DEFAULT], which is judged by itself
            self._judge(name, setting)

    def _judge(self, name: str, setting: Setting) -> None:
        if why := self._grammar.why_ignored(name):
            self._drop(setting, f"does nothing any more; {why}")
        elif kind := self._grammar.where_else(name):
            self._drop(setting, f"does nothing in this section; it belongs in {kind}")
        elif near := self._grammar.nearest(name):
            self.unused.append(setting)
            self._err(setting, f"unknown option{_shown(near, setting)}; did you mean {near}?")
        elif self._grammar.is_complete:
            self._drop(setting, "unknown option; it does nothing")
        else:
            self.unused.append(setting)

    def _drop(self, setting: Setting, message: str) -> None:
        self.unused.append(setting)
        self._warn(setting, message)

    def _warn(self, setting: Setting, message: str) -> None:
        self.problems.append(setting.problem(message, is_warning=True))

    def _err(self, setting: Setting, message: str) -> None:
        self.problems.append(setting.problem(message))


def _counts(name: str, setting: Setting) -> str:
    return f"{name} is set too ({setting.place}) and counts; remove this"


def _shown(near: str, setting: Setting) -> str:
    is_secret = sounds_secret(near) or sounds_secret(setting.option)
    return "" if is_secret else f" (its value is {setting.value!r})"
