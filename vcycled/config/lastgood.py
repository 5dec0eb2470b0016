"""The last configuration that was right, kept on disk so that it also outlives a restart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from vcycled import files
from vcycled.config.deck import sort
from vcycled.config.reader import Section, Setting

FILE_NAME = "lastgood.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """The sections as they were when they were last right. Holds secrets."""

    sections: tuple[Section, ...] = field(default=(), repr=False)
    held: Mapping[str, str] = field(default_factory=dict)
    """Titles of those that are wrong today, and why: they are to stay held if the files break."""
    removed: tuple[str, ...] = ()
    """Spaces whose sections are gone from the files, but which still drain."""
    sources: tuple[str, ...] = ()
    """Files and folders that were there when the files were last read."""

    def without(self, space: str) -> LastGood:
        """Return this without a space that has drained."""
        gone = sort(self.sections).of_space(space)
        return replace(
            self,
            sections=tuple(section for section in self.sections if section not in gone),
            removed=tuple(name for name in self.removed if name != space),
        )


class DamagedLastGood(ValueError):
    """The file does not hold what was written into it."""


def read(path: Path) -> LastGood:
    """Return what was kept; an empty one if nothing was.

    Raises:
        DamagedLastGood: the file is damaged, or from another version.
        OSError: it cannot be read.
    """
    try:
        text = files.read_text(path)
        return LastGood() if text is None else _decode(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedLastGood(f"{type(error).__name__}: {error}") from error


def write(path: Path, good: LastGood) -> None:
    """Keep `good`; only this user can read it.

    Raises:
        OSError: what was kept before is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, _encode(good), mode=files.PRIVATE)


def _encode(good: LastGood) -> str:
    document = {
        "format": _FORMAT,
        "sources": good.sources,
        "removed": good.removed,
        "held": dict(good.held),
        "sections": [
            {
                "title": section.title,
                "file": section.file,
                "line": section.line,
                "pipe": section.pipe,
                "settings": [
                    [each.option, each.value, each.file, each.line, each.section]
                    for each in section.settings
                ],
            }
            for section in good.sections
        ],
    }
    return json.dumps(document, indent=1)


def _decode(text: str) -> LastGood:
    document = json.loads(text)
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']!r}, not {_FORMAT}")
    return LastGood(
        sections=tuple(_section(each) for each in document["sections"]),
        held={str(title): str(why) for title, why in document["held"].items()},
        removed=_texts(document["removed"]),
        sources=_texts(document["sources"]),
    )


def _section(each: Mapping[str, object]) -> Section:
    settings = cast(Iterable[tuple[str, str, str, int, str]], each["settings"])
    return Section(
        title=str(each["title"]),
        file=str(each["file"]),
        line=int(str(each["line"])),
        pipe=str(each.get("pipe", "")),
        settings=tuple(
            Setting(option=option, value=value, file=file, line=line, section=section)
            for option, value, file, line, section in settings
        ),
    )


def _texts(each: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(text) for text in each)
