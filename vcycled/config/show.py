"""`vcycle config show`: what counts, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vcycled.config.check import check
from vcycled.config.deck import Deck, sort
from vcycled.config.exposure import grammar_of
from vcycled.config.grammar import Grammar
from vcycled.config.pipe import expanded
from vcycled.config.pipe_shelf import Shelf
from vcycled.config.places import root_of
from vcycled.config.reader import Raw, Section, Setting
from vcycled.config.registry import Registry

HIDDEN = "********"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One option as it is shown."""

    option: str
    value: str
    """As it is written; stars if it is secret."""
    file: str = ""
    """Empty for a default; the URL of a vacuum pipe."""
    line: int = 0
    """0 in a vacuum pipe."""
    is_used: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSection:
    """One section as it is shown."""

    title: str
    options: tuple[Shown, ...]


def show(
    raw: Raw, registry: Registry, *, space: str = "", machinetype: str = "", defaults: bool = False
) -> tuple[ShownSection, ...]:
    """Return the sections, or those of one space or machinetype, in the order of the files.

    Args:
        raw: what the files say.
        registry: kinds of spaces by API.
        space: name of a space; empty for every section.
        machinetype: name of one in the space; empty for all of it.
        defaults: show also the options that are not set.
    """
    deck = sort(raw.sections)
    whole = sort(expanded(deck, Shelf(root=root_of(deck.manager))))
    sections = _chosen(whole, space, machinetype)
    return tuple(
        _shown(section, grammar_of(section, registry), defaults=defaults) for section in sections
    )


def _chosen(deck: Deck, space: str, machinetype: str) -> Iterable[Section]:
    if not space:
        unstated = [] if deck.manager.file else [deck.manager]
        return (*unstated, *deck.sections)
    names = (space, machinetype) if machinetype else (space,)
    return [each for each in deck.sections if each.words[1 : len(names) + 1] == names]


def _shown(section: Section, grammar: Grammar, *, defaults: bool) -> ShownSection:
    return ShownSection(
        title=section.title, options=tuple(_options(section, grammar, defaults=defaults))
    )


def _options(section: Section, grammar: Grammar, *, defaults: bool) -> Iterator[Shown]:
    checked = check(section, grammar)
    for row in grammar.rows:
        if row.name in checked.given:
            yield _written(row.name, checked.given[row.name], grammar)
        elif defaults:
            yield Shown(option=row.name, value=row.default_text)
    for option, setting in checked.user_data.items():
        yield _written(option, setting, grammar)
    for setting in checked.unused:
        yield _written(setting.option, setting, grammar, is_used=False)


def _written(option: str, setting: Setting, grammar: Grammar, *, is_used: bool = True) -> Shown:
    return Shown(
        option=option,
        value=HIDDEN if grammar.is_secret(option) else setting.value,
        file=setting.file,
        line=setting.line,
        is_used=is_used,
    )
