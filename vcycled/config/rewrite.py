"""The text of an INI file with one option set; every other line stays as it is, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vcycled.config.ini import Entry, Ini, indent_of, lines_of, scan, split_comment
from vcycled.config.reader import title_of

_NAME = re.compile(r"(?P<name>\s*.*?)(?P<delimiter>\s*[=:][^\S\r\n]*)")


def put(text: str, *, title: str, option: str, value: str, entry: Entry | None = None) -> str:
    """Return `text` with `option` of the section called `title` set to `value`.

    Args:
        text: of a file that can be read.
        title: as `title_of` gives it.
        option: as it is to be written.
        value: in one line.
        entry: of `scan(text)`, the option whose place it takes; None adds it to the last section
            of this title, or to a new one at the end.
    """
    lines = list(lines_of(text))
    if entry is not None:
        return "".join(_replaced(lines, entry, option, value))
    headers = [header for header in scan(text).headers if title_of(header.name) == title]
    if headers:
        return "".join(_inserted(lines, scan(text), headers[-1].line, f"{option} = {value}"))
    return _appended(text, lines, [f"[{title}]", f"{option} = {value}"])


def _replaced(lines: Sequence[str], entry: Entry, option: str, value: str) -> list[str]:
    new = list(lines)
    new[entry.line - 1] = _with_value(lines[entry.line - 1], entry, option, value)
    for number in entry.lines[1:]:
        comment = split_comment(lines[number - 1])[1]
        new[number - 1] = indent_of(lines[number - 1]) + comment if comment else ""
    return new


def _with_value(line: str, entry: Entry, option: str, value: str) -> str:
    """Return an option's line with another value; indent, delimiter and comment are kept."""
    body, comment = split_comment(line)
    parts = _NAME.match(body)
    assert parts, "an entry begins with a name and a delimiter"
    name = parts["name"] if entry.option == option else indent_of(line) + option
    old = body[parts.end() :]
    gap = old[len(old.rstrip()) :] or (" " if comment else "")
    blank = "" if old.strip() or parts["delimiter"][-1].isspace() else " "
    return f"{name}{parts['delimiter']}{blank}{value}{gap}{comment}"


def _inserted(lines: Sequence[str], ini: Ini, header: int, new: str) -> list[str]:
    """Add a line after the last option of the section whose header is in line `header`.

    It is indented like that option or, where there is none, like the next header: so it continues
    nothing, and nothing continues it.
    """
    following = [each.line for each in ini.headers if each.line > header]
    end = min(following, default=len(lines) + 1)
    inside = [each for each in ini.entries if header < each.line < end]
    after = inside[-1].lines[-1] if inside else header
    model = inside[-1].line if inside else min(following, default=None)
    indent = indent_of(lines[model - 1]) if model else ""
    return _joined(lines[:after], [indent + new], lines[after:])


def _appended(text: str, lines: Sequence[str], new: Sequence[str]) -> str:
    gap = [""] if text.strip() else []
    return "".join(_joined(lines, [*gap, *new], []))


def _joined(before: Sequence[str], new: Sequence[str], after: Sequence[str]) -> list[str]:
    """Put lines without ends between lines with ends, with the ends of the first."""
    end = (_end_of(before[0]) if before else "") or "\n"
    ended = [line if _end_of(line) else line + end for line in before]
    return [*ended, *(line + end for line in new), *after]


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
