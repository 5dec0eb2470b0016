"""What concerns whole files: secrets that others can read, and what [DEFAULT] says in vain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vcycled.config.check import check
from vcycled.config.deck import Deck
from vcycled.config.grammar import (
    MACHINETYPE,
    MANAGER,
    PIPE,
    Grammar,
    defaults_grammar,
    space_grammar,
)
from vcycled.config.reader import Section, Setting
from vcycled.config.registry import NotInstalled, Registry, find_space
from vcycled.errors import Problem

_OTHERS_READ = 0o004


def grammar_of(section: Section, registry: Registry) -> Grammar:
    """Return what a section of a deck may hold."""
    match section.words[0]:
        case "space":
            return space_grammar(_api_options(section, registry))
        case "machinetype":
            return MACHINETYPE
        case "vacuum_pipe":
            return PIPE
        case _:
            return MANAGER


def exposed(deck: Deck, registry: Registry) -> Iterator[Problem]:
    """Find files that every user of this host can read and that hold a secret."""
    secrets: dict[str, Setting] = {}
    for section in deck.sections:
        grammar = grammar_of(section, registry)
        for setting in section.settings:
            if grammar.is_secret(setting.option):
                secrets.setdefault(setting.file, setting)
    for file, setting in secrets.items():
        if is_open(file):
            yield _warning(
                setting,
                f"is a secret in a file that every user of this host can read; chmod o-r {file}",
            )


def unknown_defaults(deck: Deck, registry: Registry) -> Iterator[Problem]:
    """Find options in [DEFAULT] that no section takes."""
    tables = [_api_options(section, registry) for section in deck.spaces.values()]
    checked = check(deck.defaults, defaults_grammar(tables))
    unused = {setting.option for setting in checked.unused}
    yield from (problem for problem in checked.problems if problem.option in unused)


def is_open(file: str) -> bool:
    """Return True if every user of this host can read `file`, as far as its own mode says."""
    try:
        return bool(Path(file).stat().st_mode & _OTHERS_READ)
    except OSError:
        return False  # gone since it was read, or the last good of a file that is gone


def _warning(setting: Setting, message: str) -> Problem:
    return Problem(
        file=setting.file,
        line=setting.line,
        section=setting.section,
        option=setting.option,
        message=message,
        is_warning=True,
    )


def _api_options(section: Section, registry: Registry) -> type | None:
    """Return the options class of the API that a [space] section names, if it is installed."""
    apis = [setting.value for setting in section.settings if setting.option == "api"]
    try:
        return find_space(apis[0], registry).Options if apis else None
    except NotInstalled:
        return None
