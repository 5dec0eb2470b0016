"""A [space] section with its machinetypes and pipes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vcycled.config.check import Checked, check
from vcycled.config.contradictions import in_space
from vcycled.config.deck import Deck
from vcycled.config.grammar import PIPE, space_grammar
from vcycled.config.machinetype import Frame, attempt_machinetype, is_missing
from vcycled.config.model import MachinetypeConfig, SpaceConfig
from vcycled.config.reader import Section
from vcycled.config.registry import NotInstalled, Registry, find_space
from vcycled.config.settle import Attempt, Settled, settle
from vcycled.config.tables import SpaceOptions
from vcycled.errors import Problem

_EMPTY = "there is no machinetype in this space; write a section [machinetype {} NAME]"
_PIPE = "pipes are not fetched by this version yet, so this one makes no machinetypes"
_REMOVED = "its section was removed from the configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A [space] section that is right."""

    options: SpaceOptions
    api_options: object
    needs_image: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltSpace:
    """What the sections of one space came to."""

    name: str
    space: Settled[Parts]
    kinds: Mapping[str, Settled[MachinetypeConfig]]
    pipes: Sequence[Checked]
    is_removed: bool = False

    @property
    def settled(self) -> tuple[Settled[Parts] | Settled[MachinetypeConfig], ...]:
        """Every section as it is used, the space's first."""
        return (self.space, *self.kinds.values())

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
                replace(kind.value, held=kind.held) for kind in self.kinds.values() if kind.value
            ),
            held=self._held(),
            is_removed=self.is_removed,
        )

    def _held(self) -> str:
        if self.is_removed:
            return _REMOVED
        is_empty = not self.kinds and not self.pipes
        return self.space.held or (_EMPTY.format(self.name) if is_empty else "")

    def problems(self) -> Iterator[Problem]:
        """Find all that is wrong with its sections, each by itself and together."""
        for each in (*self.settled, *self.pipes):
            yield from each.problems
        for pipe in self.pipes:
            yield pipe.problem("", _PIPE, is_warning=True)
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
    name: str, deck: Deck, before: Deck, *, root: Path, registry: Registry
) -> BuiltSpace:
    """Return what a space comes to, with `before` for its sections that are wrong now."""
    space = settle(
        deck.spaces[name], before.spaces.get(name), lambda each: _attempt(each, registry)
    )
    sections = deck.machinetypes.get(name, {})
    frame = Frame(
        space=space.checked,
        options=space.value.options if space.value else None,
        needs_image=space.value.needs_image if space.value else False,
        names=frozenset(sections),
        has_pipes=name in deck.pipes,
        root=root,
    )
    earlier = before.machinetypes.get(name, {})
    return BuiltSpace(
        name=name,
        space=space,
        kinds={
            kind: settle(section, earlier.get(kind), lambda each: attempt_machinetype(each, frame))
            for kind, section in sections.items()
        },
        pipes=[check(section, PIPE) for section in deck.pipes.get(name, {}).values()],
    )


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
    if contradictions := tuple(in_space(checked, api_options)):
        problems = (*checked.problems, *contradictions)
        return Attempt(checked=checked, value=None, problems=problems)
    parts = Parts(
        options=checked.fill(SpaceOptions), api_options=api_options, needs_image=kind.needs_image
    )
    return Attempt(checked=checked, value=parts, problems=checked.problems)
