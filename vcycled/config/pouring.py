"""From a [vacuum_pipe] section and its document to sections like those in files. Pure.

Whatever the files say wins over the pipe: first the machinetype's own section, then that of the
pipe, then [DEFAULT], and only then the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from vcycled.config.check import Checked
from vcycled.config.grammar import FILE_PREFIX, MACHINETYPE, OPTION_PREFIX
from vcycled.config.pipe_document import Entry, PipeDocument, PipeError, parse_pipe
from vcycled.config.pipe_shelf import Copy, Found
from vcycled.config.reader import Section, Setting
from vcycled.download import shown
from vcycled.errors import Problem

_OF_PIPE = frozenset({"vacuum_pipe_url", "target_share"})
_EMPTY = PipeDocument(cache_seconds=0, entries=(), remarks=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Poured:
    """What a pipe comes to."""

    sections: Mapping[str, Section]
    """Its machinetypes by name, with what the files say of them."""
    flaws: Mapping[str, tuple[Problem, ...]]
    """What is wrong with entries beyond what their sections show, by the same names."""
    remarks: tuple[Problem, ...]
    """About the pipe as a whole: warnings."""
    is_known: bool
    """False if there is no copy of it yet."""


def pour(pipe: Checked, found: Found, local: Mapping[str, Section]) -> Poured:
    """Return the machinetypes of a pipe.

    Args:
        pipe: its section, without errors.
        found: the copy of its document.
        local: sections of the machinetypes that files have in its space, by name.
    """
    _, space, prefix = pipe.section.words
    url = shown(str(pipe.values["vacuum_pipe_url"]))
    document, remarks = _document(found)
    share = pipe.values.get("target_share", 0.0)
    assert isinstance(share, float)
    scale = share / document.total_share if document.total_share else 0.0
    sections: dict[str, Section] = {}
    flaws: dict[str, tuple[Problem, ...]] = {}
    for entry in document.entries:
        name = f"{prefix}-{entry.suffix}"
        title = f"machinetype {space} {name}"
        sections[name] = _section(title, url, pipe.section, entry, scale, local.get(name))
        flaws[name] = tuple(_flaws(title, url, entry))
    return Poured(
        sections=sections,
        flaws=flaws,
        remarks=tuple(_problem(url, pipe.section.title, text) for text in remarks),
        is_known=document is not _EMPTY,
    )


def _document(found: Found) -> tuple[PipeDocument, list[str]]:
    """Return what the pipe says, nothing if that is not known, and what to tell about it."""
    copy, remarks = found.copy, [found.error] if found.error else []
    if copy is None:
        return _EMPTY, [*remarks, "has not been fetched yet, so it makes no machinetypes"]
    remarks += _trouble(copy)
    if not copy.text:
        return _EMPTY, remarks
    try:
        document = parse_pipe(copy.text)
    except PipeError as error:
        return _EMPTY, [*remarks, f"the copy that was kept cannot be used: {error}"]
    return document, [*remarks, *document.remarks]


def _trouble(copy: Copy) -> Iterator[str]:
    if copy.failed_since is not None:
        kept = f"its copy of {_date(copy.since)} goes on" if copy.text else "it makes nothing"
        yield f"gives no good answer since {_date(copy.failed_since)} ({copy.error}); {kept}"


def _section(
    title: str, url: str, pipe: Section, entry: Entry, scale: float, local: Section | None
) -> Section:
    """Return a machinetype's section: of each option the statement that counts."""
    if local is not None and local.pipe:
        return local  # kept from the last good configuration: all is in it
    own = [each for each in local.settings if each.section == title] if local else []
    above = [each for each in pipe.settings if _key(each.option) not in _OF_PIPE]
    stated = {_key(each.option): each for each in (*above, *own)}
    options = {"target_share": f"{entry.share * scale:.6g}", **entry.options}
    poured = (
        Setting(option=option, value=value, file=url, line=0, section=title)
        for option, value in options.items()
        if _key(option) not in stated
    )
    place = local or replace(pipe, file=url, line=0)
    return Section(
        title=title,
        file=place.file,
        line=place.line,
        settings=(*poured, *stated.values()),
        pipe=pipe.words[2],
    )


def _key(option: str) -> str:
    """Return what an option decides on: spellings, and ways to fill a pattern, are the same."""
    name = MACHINETYPE.present_name(option)
    if name.startswith(FILE_PREFIX):
        return OPTION_PREFIX + name.removeprefix(FILE_PREFIX)
    return name


def _flaws(title: str, url: str, entry: Entry) -> Iterator[Problem]:
    for remark in entry.remarks:
        yield Problem(
            file=url,
            line=0,
            section=title,
            option=remark.option,
            message=remark.message,
            is_warning=remark.is_warning,
        )


def _problem(url: str, title: str, message: str) -> Problem:
    return Problem(file=url, line=0, section=title, option="", message=message, is_warning=True)


def _date(at: int | None) -> str:
    return "an unknown time" if at is None else f"{datetime.fromtimestamp(at, UTC):%F %H:%M} UTC"
