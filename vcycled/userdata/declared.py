"""What a Jinja2 template says of itself: the options it takes, and what they are if not set. Pure.

It stands in a comment of the template; the first one that has such lines counts:

    {#- One sentence that says what the template is for.

    option queue = default
        What user_data_option_queue is for. After the `=` stands what it is if it is not set.
    option pilot_url (required)
        One without which there is no machine.
    -#}

The options of a part that it includes or extends are the template's too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_OPTION = re.compile(r"^option ([a-z0-9_]+) (?:=(.*)|\(required\))$", re.MULTILINE)
_PART = re.compile(r"\{%[-+]?\s*(?:include|extends)\s+'([^']+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredOption:
    """An option of a template: XXX of user_data_option_XXX."""

    name: str
    default: str | None
    """What it is if it is not set; None if it must be."""
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a template says of itself."""

    summary: str = ""
    options: tuple[DeclaredOption, ...] = ()

    @property
    def defaults(self) -> Mapping[str, str]:
        """What its options are that are not set."""
        return {each.name: each.default for each in self.options if each.default is not None}

    @property
    def required(self) -> frozenset[str]:
        """Names of the options that must be set."""
        return frozenset(each.name for each in self.options if each.default is None)


def declared(template: str, parts: Mapping[str, str]) -> Declared:
    """Return what `template` says of itself; nothing if it says nothing.

    Args:
        template: text of a Jinja2 template.
        parts: what it may include or extend, by name.
    """
    summary, own = _read(template)
    options = {each.name: each for each in own}
    for part in _parts_of(template, parts):
        for each in _read(parts[part])[1]:
            options.setdefault(each.name, each)
    return Declared(summary=summary, options=tuple(options.values()))


def without_comments(template: str) -> str:
    """Return a Jinja2 template without its comments."""
    kept, end = [], 0
    for start, after in _comments(template):
        kept.append(template[end:start])
        end = after
    return "".join([*kept, template[end:]])


def _parts_of(template: str, parts: Mapping[str, str]) -> Iterable[str]:
    """Return the parts that a template and its parts name, each once."""
    found: dict[str, None] = {}
    left = _PART.findall(template)
    while left:
        name = left.pop(0)
        if name in parts and name not in found:
            found[name] = None
            left += _PART.findall(parts[name])
    return found


def _read(text: str) -> tuple[str, tuple[DeclaredOption, ...]]:
    """Return the summary and the options of the first comment that has any."""
    for begin, end in _comments(text):
        comment = text[begin:end].strip("{#-}")
        starts = list(_OPTION.finditer(comment))
        if starts:
            stops = [each.start() for each in starts[1:]] + [len(comment)]
            options = tuple(
                DeclaredOption(
                    name=start[1],
                    default=None if start[2] is None else start[2].strip(),
                    help=_joined(comment[start.end() : stop]),
                )
                for start, stop in zip(starts, stops, strict=True)
            )
            return _joined(comment[: starts[0].start()]), options
    return "", ()


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each comment begins and ends."""
    # No regular expression: one that looks for an end which is not there takes very long.
    end = 0
    while (start := text.find("{#", end)) >= 0 and (end := text.find("#}", start)) >= 0:
        end += 2
        yield start, end


def _joined(text: str) -> str:
    return " ".join(text.split())
