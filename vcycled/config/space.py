"""A [space] section with its machinetypes and pipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from vcycled.config.check import check
from vcycled.config.contradictions import in_section
from vcycled.config.deck import Deck
from vcycled.config.grammar import space_grammar
from vcycled.config.machinetype import Frame, attempt_machinetype, is_missing
from vcycled.config.model import Bug, MachinetypeConfig, PipeConfig, SpaceConfig
from vcycled.config.pipe import BuiltPipe, PipeBug, build_pipe, held_pipe
from vcycled.config.pipe_shelf import Shelf
from vcycled.config.reader import Section, Signature
from vcycled.config.registry import NotInstalled, Registry, find_space
from vcycled.config.settle import Attempt, Settled, settle
from vcycled.config.tables import SpaceOptions
from vcycled.errors import Problem

_EMPTY = "there is no machinetype in this space; write a section [machinetype {} NAME]"
_REMOVED = "its section was removed from the configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A [space] section that is right."""

    options: SpaceOptions
    api_options: object
    needs_image: bool


_Settled = Settled[Parts] | Settled[MachinetypeConfig] | Settled[PipeConfig]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltSpace:
    """What the sections of one space came to."""

    name: str
    space: Settled[Parts]
    kinds: Mapping[str, Settled[MachinetypeConfig]]
    pipes: Sequence[BuiltPipe]
    is_removed: bool = False

    @property
    def settled(self) -> tuple[_Settled, ...]:
        """Every section as it is used, the space's first."""
        pipes = (pipe.settled for pipe in self.pipes)
        return (self.space, *self.kinds.values(), *pipes)

    @property
    def watched(self) -> Signature:
        """What files with copies of pipes were like when they were read."""
        return tuple(each for pipe in self.pipes for each in pipe.found.signature)

    @property
    def config(self) -> SpaceConfig | None:
        """The space as the manager sees it; None if it cannot be used."""
        if self.space.value is None:
            return None
        return SpaceConfig(
            name=self.name,
            api=self.space.value.options.api,
            options=self.space.value.options,
            api_options=self.space.value.api_options,
            machinetypes=tuple(
                replace(kind.value, held=kind.held or self._held_pipe(kind.value.pipe))
                for kind in self.kinds.values()
                if kind.value
            ),
            held=self._held(),
            is_removed=self.is_removed,
            pipes=tuple(pipe.settled.value for pipe in self.pipes if pipe.settled.value),
        )

    @property
    def bugs(self) -> tuple[Bug, ...]:
        """What documents of pipes met."""
        return tuple(
            Bug(space=self.name, pipe=pipe.settled.value.prefix, error=pipe.bug)
            for pipe in self.pipes
            if pipe.bug and pipe.settled.value
        )

    def _held_pipe(self, prefix: str) -> str:
        """Return why the machinetypes of a pipe are held all together."""
        for pipe in self.pipes:
            if prefix and pipe.settled.value and pipe.settled.value.prefix == prefix:
                return pipe.settled.held
        return ""

    def _held(self) -> str:
        if self.is_removed:
            return _REMOVED
        is_empty = not self.kinds and not self.pipes
        return self.space.held or (_EMPTY.format(self.name) if is_empty else "")

    def problems(self) -> Iterator[Problem]:
        """Find all that is wrong with its sections, each by itself and together."""
        yield from self.space.problems
        for kind in self.kinds.values():
            yield from kind.problems
        for pipe in self.pipes:
            yield from pipe.problems()
        space = self.space.checked
        if not self.kinds and not self.pipes:
            yield space.problem("", _EMPTY.format(self.name))
        yield from self._missing()
        options = [kind.value.options for kind in self.kinds.values() if kind.value]
        if options and not any(each.target_share for each in options):
            message = "no machinetype has a target_share above 0, so no machine is created"
            yield space.problem("", message, is_warning=True)
        powers = [each.hepscore23_per_processor or each.hs06_per_processor for each in options]
        if any(powers) and not all(powers):
            message = "not every machinetype states its power, so shares are of processors"
            yield space.problem("", message, is_warning=True)

    def _missing(self) -> Iterator[Problem]:
        options = self.space.value.options if self.space.value else None
        for option, path in missing_of_space(options).items() if options else ():
            message = f"there is no file {path}; nothing is created until it is there"
            yield self.space.checked.problem(option, message, is_warning=True)


def missing_of_space(options: SpaceOptions) -> Mapping[str, Path]:
    """Return the files that every creation in a space reads and that are not there, by option."""
    path = options.https_ca_certificates
    return {"https_ca_certificates": path} if path is not None and is_missing(path) else {}


def build_space(
    name: str, deck: Deck, before: Deck, *, shelf: Shelf, registry: Registry
) -> BuiltSpace:
    """Return what a space comes to, with `before` for its sections that are wrong now.

    A pipe whose document meets a bug is held, and everything else is as it would be without it.
    """
    bugs: dict[str, Exception] = {}
    while True:
        try:
            return _build_space(name, deck, before, bugs, shelf=shelf, registry=registry)
        except PipeBug as bug:
            cause = bug.__cause__
            if bug.prefix in bugs or not isinstance(cause, Exception):
                raise
            bugs[bug.prefix] = cause


def _build_space(
    name: str,
    deck: Deck,
    before: Deck,
    bugs: Mapping[str, Exception],
    *,
    shelf: Shelf,
    registry: Registry,
) -> BuiltSpace:
    """Return what a space comes to while the pipes in `bugs` are held.

    Raises:
        PipeBug: another one must be held, too.
    """
    space = settle(
        deck.spaces[name], before.spaces.get(name), lambda each: _attempt(each, registry)
    )
    sections = dict(deck.machinetypes.get(name, {}))
    pipes = _pipes(name, deck, before, bugs, shelf)
    flaws: dict[str, tuple[Problem, ...]] = {}
    for pipe in pipes:
        sections |= pipe.poured.sections
        flaws |= pipe.poured.flaws
    frame = _frame(space, pipes, names=frozenset(sections), root=shelf.root)
    earlier = before.machinetypes.get(name, {})
    kinds = {
        kind: _settle_kind(
            section,
            earlier.get(kind),
            partial(attempt_machinetype, frame=frame, flaws=flaws.get(kind, ())),
        )
        for kind, section in sections.items()
    }
    return BuiltSpace(name=name, space=space, kinds=kinds, pipes=pipes)


def _frame(
    space: Settled[Parts], pipes: Iterable[BuiltPipe], *, names: frozenset[str], root: Path
) -> Frame:
    """Return what machinetypes of these names are judged by."""
    parts = space.value
    return Frame(
        space=space.checked,
        options=parts.options if parts else None,
        needs_image=parts is not None and parts.needs_image,
        names=names,
        has_pipes=not all(pipe.poured.is_known for pipe in pipes),
        root=root,
    )


def _settle_kind(
    section: Section,
    before: Section | None,
    attempt: Callable[[Section], Attempt[MachinetypeConfig]],
) -> Settled[MachinetypeConfig]:
    """Settle a machinetype.

    Raises:
        PipeBug: it is of a pipe and met a bug.
    """
    try:
        return settle(section, before, attempt)
    except Exception as error:
        if section.pipe:
            raise PipeBug(section.pipe) from error
        raise


def _pipes(
    name: str, deck: Deck, before: Deck, bugs: Mapping[str, Exception], shelf: Shelf
) -> list[BuiltPipe]:
    """Return the pipes of a space; of machinetypes with one name the first pipe's counts."""
    local, earlier = deck.machinetypes.get(name, {}), before.pipes.get(name, {})
    built: list[BuiltPipe] = []
    for prefix, section in deck.pipes.get(name, {}).items():
        then = earlier.get(prefix)
        if prefix in bugs:
            kept = before.machinetypes.get(name, {})
            pipe = held_pipe(section, then, bugs[prefix], earlier=kept, shelf=shelf)
        else:
            pipe = build_pipe(section, then, local=local, shelf=shelf)
        built.append(pipe.without(each for one in built for each in one.poured.sections))
    return built


def _attempt(section: Section, registry: Registry) -> Attempt[Parts]:
    """Check a [space] section; its API decides which options it may hold."""
    common = check(section, space_grammar(None))
    api = common.values.get("api")
    if api is None:
        return Attempt(checked=common, value=None, problems=common.problems)
    try:
        kind = find_space(str(api), registry)
    except NotInstalled as error:
        problems = (*common.problems, common.problem("api", str(error)))
        return Attempt(checked=common, value=None, problems=problems)
    checked = check(section, space_grammar(kind.Options))
    if checked.errors:
        return Attempt(checked=checked, value=None, problems=checked.problems)
    api_options: object = checked.fill(kind.Options)
    if contradictions := tuple(in_section(checked, api_options)):
        problems = (*checked.problems, *contradictions)
        return Attempt(checked=checked, value=None, problems=problems)
    parts = Parts(
        options=checked.fill(SpaceOptions), api_options=api_options, needs_image=kind.needs_image
    )
    return Attempt(checked=checked, value=parts, problems=checked.problems)
