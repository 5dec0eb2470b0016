"""The text of one INI file, with the line of everything in it.

# Note [The grammar is RawConfigParser's]

Vcycle 3 read its files with Python 2's RawConfigParser; Python 3's reads them alike when made with
`strict=False, inline_comment_prefixes=(";",)`. It keeps no line numbers, so the text is gone
through here in the same steps and with its own two patterns; a property test holds the two equal.

- A line is a section header, an option, a continuation, empty, or a comment.
- A full line that begins with `#` or `;` is a comment, also in the middle of a value. In any other
  line a `;` at the beginning or after a blank starts one.
- A line that is indented deeper than the option it follows continues its value; an empty line
  belongs to the value, and those at its end are dropped.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from configparser import RawConfigParser
from dataclasses import dataclass, field

_INLINE_COMMENT = re.compile(r"(?:\A|(?<=\s));")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A `[section]` line."""

    name: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One option as a file states it."""

    section: str
    """Text between the brackets of the header above it."""
    option: str
    """In lower case."""
    value: str = field(repr=False)
    line: int
    lines: tuple[int, ...]
    """Every line that holds a part of it; the first is `line`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ini:
    """What one file says, in its order; options that are repeated are all here."""

    headers: tuple[Header, ...]
    entries: tuple[Entry, ...]
    errors: tuple[tuple[int, str], ...]
    """Line and what is wrong with it."""


def scan(text: str) -> Ini:
    """Return what `text` says; lines that cannot be read are in `errors`."""
    scanner = _Scanner()
    for number, line in enumerate(lines_of(text), start=1):
        scanner.take(number, line)
    return scanner.result()


def lines_of(text: str) -> Iterator[str]:
    """Return the lines of `text` with their ends as they are: LF, CR LF, or CR."""
    return iter(io.StringIO(text, newline=""))


def indent_of(line: str) -> str:
    """Return the blanks that `line` begins with."""
    return line[: len(line) - len(line.lstrip())]


def split_comment(line: str) -> tuple[str, str]:
    """Return `line` up to its inline comment, blanks before it included, and the comment."""
    found = _INLINE_COMMENT.search(line)
    at = found.start() if found else len(line)
    return line[:at], line[at:]


@dataclass(slots=True)
class _Open:
    """The option whose value may go on in the next line."""

    section: str
    option: str
    parts: list[str]
    lines: list[int]
    indent: int

    def entry(self) -> Entry:
        return Entry(
            section=self.section,
            option=self.option,
            value="\n".join(self.parts).rstrip(),
            line=self.lines[0],
            lines=tuple(self.lines),
        )


class _Scanner:
    """Takes line after line, as RawConfigParser does; see note above."""

    def __init__(self) -> None:
        self._section: str | None = None
        self._open: _Open | None = None
        self._headers: list[Header] = []
        self._entries: list[Entry] = []
        self._errors: list[tuple[int, str]] = []

    def result(self) -> Ini:
        self._close()
        return Ini(
            headers=tuple(self._headers),
            entries=tuple(self._entries),
            errors=tuple(self._errors),
        )

    def take(self, number: int, line: str) -> None:
        if line.lstrip().startswith(("#", ";")):
            return
        text = split_comment(line)[0].strip()
        if not text:
            if self._open:
                self._open.parts.append("")
        elif self._open and len(indent_of(line)) > self._open.indent:
            self._open.parts.append(text)
            self._open.lines.append(number)
        else:
            self._begin(number, text, len(indent_of(line)))

    def _begin(self, number: int, text: str, indent: int) -> None:
        if header := RawConfigParser.SECTCRE.match(text):
            self._close()
            self._section = header["header"]
            self._headers.append(Header(name=self._section, line=number))
        elif self._section is None:
            self._errors.append((number, "text before the first [section]"))
        elif option := RawConfigParser.OPTCRE.match(text):
            self._close()
            self._option(self._section, number, option, indent)
        else:
            self._bad(number)
            if self._open:
                self._open.indent = indent

    def _option(self, section: str, number: int, option: re.Match[str], indent: int) -> None:
        if name := option["option"].rstrip().lower():
            parts = [option["value"].strip()]
            self._open = _Open(section, name, parts, [number], indent)
        else:
            self._bad(number)

    def _bad(self, number: int) -> None:
        self._errors.append((number, "neither a [section] nor option = value"))

    def _close(self) -> None:
        if self._open:
            self._entries.append(self._open.entry())
            self._open = None
