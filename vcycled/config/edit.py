"""`vcycle config set`: one value changed in the file that holds it, if nothing breaks by it."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vcycled import files
from vcycled.config import reader
from vcycled.config.build import problems_of
from vcycled.config.check import check
from vcycled.config.exposure import grammar_of
from vcycled.config.grammar import Grammar
from vcycled.config.ini import Entry, scan
from vcycled.config.reader import Raw, Setting, title_of
from vcycled.config.registry import Registry
from vcycled.config.rewrite import put
from vcycled.errors import ConfigError, OperatorError, Problem

_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change that may be written."""

    file: Path
    content: str = field(repr=False)
    """The whole new text of the file."""
    now: Setting
    before: Setting | None
    """What counted until now; None if nothing did."""
    is_secret: bool
    warnings: tuple[Problem, ...]
    """That were not there before."""

    def write(self) -> None:
        """Put the new text in place of the old; mode and owner of the file stay.

        Raises:
            OSError: nothing was changed.
        """
        target = self.file.resolve()
        was = target.stat()
        files.write(
            target,
            self.content,
            mode=stat.S_IMODE(was.st_mode),
            owner=(was.st_uid, was.st_gid),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The option that is to be set."""

    title: str
    option: str
    """By its present name."""
    grammar: Grammar

    def setting(self, raw: Raw) -> Setting | None:
        """Return what the section itself says of the option, if that counts."""
        section = raw.section(self.title)
        checked = check(section, self.grammar)
        unused = {"_".join(setting.option.split()): setting for setting in checked.unused}
        found = {**unused, **checked.user_data, **checked.given}.get(self.option)
        return found if found and found.section == self.title else None

    def is_here(self, entry: Entry) -> bool:
        """Return True if `entry` states the option, in whatever spelling."""
        is_section = title_of(entry.section) == self.title
        return is_section and self.grammar.present_name(entry.option) == self.option


def edit(
    section: str,
    option: str,
    value: str,
    *,
    paths: Sequence[Path] | None,
    file: Path | None,
    registry: Registry,
) -> Edit:
    """Return the change that sets an option.

    Args:
        section: words of its header, with or without brackets; it is added if it is new.
        option: any spelling that is read.
        value: in one line.
        paths: the configuration, as for `load`.
        file: one of its files; None is the one that holds the value now, or the section, or
            else the last one.
        registry: kinds of spaces by API.

    Raises:
        OperatorError: this cannot be written so that it counts.
        ConfigError: the files cannot be read, or would have errors that they do not have now.
    """
    raw = reader.read(paths)
    if raw.problems:
        raise ConfigError(raw.problems)
    place = _place(section, option, raw, registry)
    before = place.setting(raw)
    target = _target(raw, place, before) if file is None else _one_of(raw, file)
    content = _content(target, place, before, value.strip())
    after = reader.read(paths, instead={target: content.encode()})
    now = _counting(after, place, value.strip(), target)
    warnings = _new_problems(raw, after, registry)
    if errors := tuple(problem for problem in warnings if not problem.is_warning):
        raise ConfigError(errors)
    is_secret = place.grammar.is_secret(place.option)
    return Edit(
        file=target,
        content=content,
        now=now,
        before=before,
        is_secret=is_secret,
        warnings=warnings,
    )


def _place(section: str, option: str, raw: Raw, registry: Registry) -> _Place:
    title = title_of(section.strip(" []"))
    if not title:
        raise OperatorError("name a section, such as 'space cloud.example.com'")
    grammar = grammar_of(raw.section(title), registry)
    return _Place(title=title, option=grammar.present_name(option), grammar=grammar)


def _target(raw: Raw, place: _Place, before: Setting | None) -> Path:
    """Return the file that holds the value or, without one, the section; else the last one."""
    if before:
        return Path(before.file)
    having = [file for file in raw.files if _has_section(Path(file), place.title)]
    return Path((having or raw.files)[-1])


def _has_section(file: Path, title: str) -> bool:
    return any(title_of(header.name) == title for header in scan(_text(file)).headers)


def _text(file: Path) -> str:
    """Return the text of a file with its line ends as they are."""
    return file.read_bytes().decode().removeprefix(_MARK)


def _one_of(raw: Raw, file: Path) -> Path:
    for name in raw.files:
        if Path(name).resolve() == file.resolve():
            return Path(name)
    raise OperatorError(f"{file} is not among the files that are read: {', '.join(raw.files)}")


def _content(target: Path, place: _Place, before: Setting | None, value: str) -> str:
    text = _text(target)
    here = [entry for entry in scan(text).entries if place.is_here(entry)]
    counting = [entry for entry in here if before and entry.line == before.line]
    entry = [None, *here, *counting][-1]
    mark = _MARK if target.read_bytes().startswith(_MARK.encode()) else ""
    return mark + put(text, title=place.title, option=place.option, value=value, entry=entry)


def _counting(after: Raw, place: _Place, value: str, target: Path) -> Setting:
    """Return the setting as it would be read; refuse if that is not what was meant."""
    now = place.setting(after)
    if now and now.value == value:
        return now
    if now and Path(now.file) != target:
        raise OperatorError(f"{now.place} sets {place.option} too, and that would count")
    raise OperatorError(
        f"[{place.title}] {place.option} = {value} would not be read as it stands;"
        " a value is one line, and ; after a blank begins a comment"
    )


def _new_problems(before: Raw, after: Raw, registry: Registry) -> tuple[Problem, ...]:
    """Return what would be wrong that is not wrong now, wherever its line has moved to."""
    old = {_identity(problem) for problem in problems_of(before, registry=registry)}
    found = problems_of(after, registry=registry)
    return tuple(problem for problem in found if _identity(problem) not in old)


def _identity(problem: Problem) -> tuple[str, str, str]:
    return problem.section, problem.option, re.sub(r":\d+\)", ":)", problem.message)
