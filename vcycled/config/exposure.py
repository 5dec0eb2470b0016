"""What concerns whole files: secrets that others can read, and what [DEFAULT] says in vain."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterator
from contextlib import suppress
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
from vcycled.config.sinks import grammar_of_sink, sink_options
from vcycled.errors import Problem
from vcycled.machinedir.layout import Layout

_OTHERS_READ = 0o004
_GROUP_READS = 0o040


def grammar_of(section: Section, registry: Registry) -> Grammar:
    """Return what a section of a deck may hold."""
    match section.words[0]:
        case "space":
            return space_grammar(_api_options(section, registry))
        case "machinetype":
            return MACHINETYPE
        case "vacuum_pipe":
            return PIPE
        case "accounting":
            return grammar_of_sink(section)
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
            yield setting.problem(
                f"is a secret in a file that every user of this host can read; chmod o-r {file}",
                is_warning=True,
            )


def unknown_defaults(deck: Deck, registry: Registry) -> Iterator[Problem]:
    """Find options in [DEFAULT] that no section takes."""
    tables = [_api_options(section, registry) for section in deck.spaces.values()]
    tables += [sink_options(section) for section in deck.sinks.values()]
    checked = check(deck.defaults, defaults_grammar(tables))
    unused = {setting.option for setting in checked.unused}
    yield from (problem for problem in checked.problems if problem.option in unused)


def is_open(file: str) -> bool:
    """Return True if every user of this host can read `file`, as far as its own mode says."""
    try:
        return bool(Path(file).stat().st_mode & _OTHERS_READ)
    except OSError:
        return False  # gone since it was read, or the last good of a file that is gone


def strangers(key: Path, root: Path) -> str:
    """Return who can read `key` beside the manager and vcycle-web, in words; empty if nobody.

    Their groups are that of this process, of `root` and of the tree that both share, and root's.

    Args:
        key: a file with a secret.
        root: of the manager.
    """
    try:
        found = key.stat()
    except OSError:
        return ""
    if found.st_mode & _OTHERS_READ:
        return f"every user of this host can read {key}; chmod o-r it"
    if not found.st_mode & _GROUP_READS or found.st_gid in own_groups(root):
        return ""
    group = group_name(found.st_gid)
    return f"the group {group}, not that of the manager, can read {key}; chmod g-r it"


def own_groups(root: Path) -> set[int]:
    """Return the groups of this process, of `root` and of the tree in it, and root's."""
    groups = {0, os.getegid()}
    for folder in (root, Layout(root).spaces):
        with suppress(OSError):
            groups.add(folder.stat().st_gid)
    return groups


def group_name(group: int) -> str:
    """Return the name of a group or, if it has none, its number."""
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)


def _api_options(section: Section, registry: Registry) -> type | None:
    """Return the options class of the API that a [space] section names, if it is installed."""
    apis = [setting.value for setting in section.settings if setting.option == "api"]
    try:
        return find_space(apis[0], registry).Options if apis else None
    except NotInstalled:
        return None
