"""A [vacuum_pipe] section: what it comes to with the copy of its document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from vcycled.config.check import Checked, check
from vcycled.config.deck import Deck
from vcycled.config.grammar import PIPE
from vcycled.config.model import PipeConfig
from vcycled.config.pipe_shelf import Found, Shelf
from vcycled.config.pouring import Poured, pour
from vcycled.config.reader import Section
from vcycled.config.settle import Attempt, Settled, settle
from vcycled.config.tables import PipeOptions
from vcycled.download import shown
from vcycled.errors import Problem


class PipeBug(Exception):
    """What a pipe says met a bug of ours, which is the cause of this."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        super().__init__(prefix)


_NOTHING = Poured(sections={}, flaws={}, remarks=(), is_known=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPipe:
    """A pipe as it is used."""

    settled: Settled[PipeConfig]
    poured: Poured
    found: Found
    bug: Exception | None = None
    """What its document met; its machinetypes are held as they last were."""

    def without(self, names: Iterable[str]) -> BuiltPipe:
        """Return this pipe without machinetypes of these names, and say so of each it has."""
        taken = [name for name in names if name in self.poured.sections]
        if not taken:
            return self
        sections = {k: each for k, each in self.poured.sections.items() if k not in taken}
        message = "another vacuum pipe has a machinetype of this name, which counts"
        remarks = [self.poured.sections[name].problem(message, is_warning=True) for name in taken]
        poured = replace(self.poured, sections=sections, remarks=(*self.poured.remarks, *remarks))
        return replace(self, poured=poured)

    def problems(self) -> Iterator[Problem]:
        """Find all that is wrong with its section, and what there is to say of its document."""
        yield from self.settled.problems
        yield from self.poured.remarks


def build_pipe(
    section: Section, before: Section | None, *, local: Mapping[str, Section], shelf: Shelf
) -> BuiltPipe:
    """Return what a pipe comes to.

    Args:
        section: of the pipe.
        before: what it said when it was last right.
        local: sections of machinetypes in the files of its space, by name.
        shelf: with the copies.

    Raises:
        PipeBug: the document cannot be told from a sound one, but met a bug.
    """
    settled = settle(section, before, _attempt)
    config = settled.value
    if config is None:
        return BuiltPipe(settled=settled, poured=_NOTHING, found=Found(copy=None))
    found = shelf.find(config.space, config.prefix, config.url)
    try:
        poured = pour(settled.checked, found, local)
    except Exception as error:
        raise PipeBug(config.prefix) from error
    return BuiltPipe(settled=settled, poured=poured, found=found)


def held_pipe(
    section: Section,
    before: Section | None,
    bug: Exception,
    *,
    earlier: Mapping[str, Section],
    shelf: Shelf,
) -> BuiltPipe:
    """Return a pipe whose document met a bug: its machinetypes as they last were, all held.

    Args:
        section: of the pipe.
        before: what it said when it was last right.
        bug: what was raised.
        earlier: sections of machinetypes of its space as they were when they were last right.
        shelf: with the copies.
    """
    settled = settle(section, before, _attempt)
    pipe = settled.value
    assert pipe is not None, "a section that cannot be used pours nothing"
    flaw = Problem(
        file=shown(pipe.url),
        line=0,
        section=section.title,
        option="",
        message=f"met a bug in Vcycle, {type(bug).__name__}, so its machinetypes are held; the log"
        " of vcycled has the traceback",
    )
    sections = {name: each for name, each in earlier.items() if each.pipe == pipe.prefix}
    poured = Poured(
        sections=sections,
        flaws=dict.fromkeys(sections, (flaw,)),
        remarks=(flaw,),
        is_known=False,
    )
    found = shelf.find(pipe.space, pipe.prefix, pipe.url)
    return BuiltPipe(settled=settled, poured=poured, found=found, bug=bug)


def pipes_of(deck: Deck) -> Iterator[PipeConfig]:
    """Yield the pipes of `deck` whose sections are right."""
    for pipes in deck.pipes.values():
        for section in pipes.values():
            config = _attempt(section).value
            if config is not None:
                yield config


def expanded(deck: Deck, shelf: Shelf) -> Iterator[Section]:
    """Yield the sections of `deck`, with the machinetypes of each pipe after it.

    What files and a pipe say of one machinetype is one section, where the files have theirs.
    """
    poured: dict[str, Section] = {}
    after: dict[str, list[Section]] = {}
    for space, pipes in deck.pipes.items():
        local = deck.machinetypes.get(space, {})
        for pipe in pipes.values():
            try:
                made = build_pipe(pipe, None, local=local, shelf=shelf).poured.sections
            except PipeBug:
                continue  # `config check` tells of it
            poured |= {section.title: section for section in made.values()}
            after[pipe.title] = [each for name, each in made.items() if name not in local]
    for section in deck.sections:
        yield poured.get(section.title, section)
        yield from after.get(section.title, ())


def _attempt(section: Section) -> Attempt[PipeConfig]:
    checked = check(section, PIPE)
    value = None if checked.errors else _config(checked)
    return Attempt(checked=checked, value=value, problems=checked.problems)


def _config(checked: Checked) -> PipeConfig:
    _, space, prefix = checked.section.words
    url = checked.fill(PipeOptions).vacuum_pipe_url
    return PipeConfig(space=space, prefix=prefix, url=url)
