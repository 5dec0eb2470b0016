"""[accounting NAME] sections: the sinks of accounting records that [vcycle] names."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from vcycled.accounting.apel import ApelSink
from vcycled.accounting.base import APEL, Sink
from vcycled.config.check import Checked, check
from vcycled.config.contradictions import in_section
from vcycled.config.deck import Deck
from vcycled.config.grammar import Grammar, sink_grammar
from vcycled.config.reader import Section
from vcycled.config.settle import Attempt, Settled, settle
from vcycled.config.tables import SinkOptions
from vcycled.errors import Problem

GROUP = "vcycle.accounting"
SinkKinds = Mapping[str, type[Sink]]
"""Classes of sinks by the name of their kind; looking one up may raise ImportError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkConfig:
    """A sink that records are given to."""

    name: str
    """Marks of what it has taken are kept under this name."""
    kind: str
    options: object = field(repr=False)
    """An object of the Options class of the kind."""


class UnknownSink(LookupError):
    """There is no sink of this kind here; the text says what to do."""


@cache
def _points() -> Mapping[str, EntryPoint]:
    return {each.name: each for each in entry_points(group=GROUP)}


def sink_kinds() -> tuple[str, ...]:
    """Return the kinds of sinks that are installed."""
    return tuple(sorted(_points()))


def find_sink(kind: str) -> type[Sink]:
    """Return the class of sinks of this kind.

    Raises:
        UnknownSink: no package has it, or a library of it is missing.
    """
    point = _points().get(kind)
    if point is None:
        near = difflib.get_close_matches(kind, sink_kinds(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        installed = ", ".join(sink_kinds())
        raise UnknownSink(
            f"no installed package has a sink {kind!r} (installed: {installed}){hint}"
        )
    try:
        loaded = point.load()
    except ImportError as error:
        raise UnknownSink(f"the sink {kind} cannot be loaded: {error}") from error
    except Exception as error:  # of a package that is not ours, maybe
        raise UnknownSink(f"the sink {kind} cannot be loaded: {_bug(error)}") from error
    if not (
        isinstance(loaded, type) and issubclass(loaded, Sink) and is_dataclass(loaded.Options)
    ):
        raise UnknownSink(f"the sink {kind} cannot be used: {point.value} is no class of a sink")
    return loaded


def make_sink(sink: SinkConfig, root: Path) -> Sink:
    """Return the sink that is configured; it touches nothing yet.

    Args:
        sink: what is configured.
        root: the manager's folder.

    Raises:
        UnknownSink: it cannot be made, by a bug of its package.
    """
    kind = find_sink(sink.kind)
    try:
        return kind(sink.name, sink.options, root=root)
    except Exception as error:  # of a package that is not ours, maybe
        raise UnknownSink(f"the sink {sink.kind} cannot be made: {_bug(error)}") from error


def credential_ends(sink: SinkConfig, root: Path) -> Mapping[str, int]:
    """Return until when what opens a sink is valid, by its name, as far as it can tell.

    Raises:
        UnknownSink: it cannot be made or asked, by a bug of its package.
    """
    made = make_sink(sink, root)
    try:
        return made.credential_ends()
    except Exception as error:  # of a package that is not ours, maybe
        message = f"the sink {sink.kind} cannot say when its credentials end: {_bug(error)}"
        raise UnknownSink(message) from error


def _bug(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def kind_of(section: Section) -> str:
    """Return the kind of sink that a section is about: as it says, else as it is named."""
    stated = [each.value for each in section.settings if each.option == "kind"]
    return stated[0] if stated else section.words[1]


def sink_options(section: Section) -> type | None:
    """Return the options class of the kind that a section is about, if it is installed."""
    try:
        return find_sink(kind_of(section)).Options
    except UnknownSink:
        return None


def grammar_of_sink(section: Section) -> Grammar:
    """Return what a section [accounting NAME] may hold."""
    return sink_grammar(sink_options(section))


def build_sinks(
    names: tuple[str, ...], deck: Deck, before: Deck
) -> Mapping[str, Settled[SinkConfig]]:
    """Return what the sinks of these names come to; a section without options may be left out."""
    return {
        name: settle(
            deck.sinks.get(name) or _unstated(name, deck), before.sinks.get(name), _attempt
        )
        for name in names
    }


def _unstated(name: str, deck: Deck) -> Section:
    """Return the section that is not there, at the place where it is named."""
    named = [each for each in deck.manager.settings if each.option == "accounting"]
    section = Section(title=f"accounting {name}")
    return replace(section, file=named[0].file, line=named[0].line) if named else section


def _attempt(section: Section) -> Attempt[SinkConfig]:
    common = check(section, sink_grammar(None))
    try:
        kind = find_sink(kind_of(section))
    except UnknownSink as error:
        problems = (*common.problems, common.problem("kind", str(error)))
        return Attempt(checked=common, value=None, problems=problems)
    if why := _misnamed(section.words[1], kind):
        problems = (*common.problems, common.problem("kind", why))
        return Attempt(checked=common, value=None, problems=problems)
    checked = check(section, sink_grammar(kind.Options))
    if checked.errors:
        return Attempt(checked=checked, value=None, problems=checked.problems)
    options: object = checked.fill(kind.Options)
    problems = (*checked.problems, *in_section(checked, options))
    value = _value(section, checked, options)
    is_right = all(problem.is_warning for problem in problems)
    return Attempt(checked=checked, value=value if is_right else None, problems=problems)


def _misnamed(name: str, kind: type[Sink]) -> str:
    """Return why a sink of this kind cannot have this name; empty if it can.

    What was given to APEL is counted by its name in sync records, and there is one queue.
    """
    is_apel = issubclass(kind, ApelSink)
    if is_apel and name != APEL:
        return f"there is one queue of APEL, and its sink is called {APEL}, not {name}"
    if name == APEL and not is_apel:
        return f"must be {APEL}: sync records count what a sink of this name has taken"
    return ""


def _value(section: Section, checked: Checked, options: object) -> SinkConfig:
    stated = checked.fill(SinkOptions)
    name = section.words[1]
    return SinkConfig(name=name, kind=stated.kind or name, options=options)


def idle_sinks(names: tuple[str, ...], deck: Deck) -> Iterator[Problem]:
    """Find sections of sinks that get no records."""
    for name, section in deck.sinks.items():
        if name not in names:
            message = f"does nothing, as accounting in [vcycle] does not name {name}"
            yield section.problem(message, is_warning=True)
