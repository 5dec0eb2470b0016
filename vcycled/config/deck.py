"""Sections sorted by what they are about, and those that are about nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vcycled.config.reader import DEFAULTS, Section
from vcycled.errors import Problem

MANAGER = "vcycle"

_FORMS = {
    MANAGER: "[vcycle]",
    "space": "[space SPACE]",
    "machinetype": "[machinetype SPACE NAME]",
    "vacuum_pipe": "[vacuum_pipe SPACE PREFIX]",
    "accounting": "[accounting NAME]",
}
_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_SPACE_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_MACHINETYPE_NAME = re.compile(_LABEL)
_WRONG_SINK = "the name of a sink must be made of a-z 0-9 _ and -, not {!r}"
_SINK_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deck:
    """The sections of a configuration by kind; each space's own by their last word."""

    sections: tuple[Section, ...]
    """All of them but [DEFAULT], in the order of the files."""
    manager: Section
    defaults: Section
    spaces: Mapping[str, Section]
    machinetypes: Mapping[str, Mapping[str, Section]]
    """By space, then by name."""
    pipes: Mapping[str, Mapping[str, Section]]
    """By space, then by prefix."""
    sinks: Mapping[str, Section]
    problems: tuple[Problem, ...]

    def of_space(self, name: str) -> tuple[Section, ...]:
        """Return the sections of a space, its machinetypes and pipes, as far as there are any."""
        own = [self.spaces[name]] if name in self.spaces else []
        kinds, pipes = self.machinetypes.get(name, {}), self.pipes.get(name, {})
        return (*own, *kinds.values(), *pipes.values())


def sort(sections: Iterable[Section]) -> Deck:
    """Return `sections` by kind; those with a wrong header are only problems."""
    good, problems = [], []
    for section in sections:
        if message := _wrong_header(section):
            problems.append(section.problem(message))
        else:
            good.append(section)
    titles = {section.title: section for section in good}
    spaces = {section.words[1]: section for section in good if section.words[0] == "space"}
    lost = [
        section for section in good if len(section.words) == 3 and section.words[1] not in spaces
    ]
    problems += [section.problem(_no_space(section.words[1], spaces)) for section in lost]
    return Deck(
        sections=tuple(section for section in good if section.title != DEFAULTS),
        manager=titles.get(MANAGER, Section(title=MANAGER)),
        defaults=titles.get(DEFAULTS, Section(title=DEFAULTS)),
        spaces=spaces,
        machinetypes=_by_space(good, "machinetype"),
        pipes=_by_space(good, "vacuum_pipe"),
        sinks={section.words[1]: section for section in good if section.words[0] == "accounting"},
        problems=tuple(problems),
    )


def _by_space(sections: Iterable[Section], kind: str) -> Mapping[str, Mapping[str, Section]]:
    found: dict[str, dict[str, Section]] = {}
    for section in sections:
        if section.words[0] == kind:
            found.setdefault(section.words[1], {})[section.words[2]] = section
    return found


def _wrong_header(section: Section) -> str:
    """Return what is wrong with the header of `section`; nothing if it is right."""
    kind, *names = section.words or ("",)
    if section.title == DEFAULTS:
        return ""
    if kind not in _FORMS:
        near = difflib.get_close_matches(kind, _FORMS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"unknown kind of section; there are {', '.join(_FORMS.values())}{hint}"
    if len(names) != len(_FORMS[kind].split()) - 1:
        return f"must be written {_FORMS[kind]}"
    if kind == "accounting":
        return "" if _SINK_NAME.fullmatch(names[0]) else _WRONG_SINK.format(names[0])
    return _wrong_name(names)


def _wrong_name(names: list[str]) -> str:
    if names and not _SPACE_NAME.fullmatch(names[0]):
        return (
            "the name of a space must be made of a-z 0-9 - and dots, like the name of a host,"
            f" not {names[0]!r}"
        )
    if len(names) > 1 and not _MACHINETYPE_NAME.fullmatch(names[1]):
        return f"the name of a machinetype must be made of a-z 0-9 and -, not {names[1]!r}"
    return ""


def _no_space(name: str, spaces: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(spaces), n=1)
    hint = f"; did you mean [space {near[0]}]?" if near else ""
    return f"there is no [space {name}]{hint}"
