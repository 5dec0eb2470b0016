"""From what the files say to the configuration that the manager runs under."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from vcycled.config import reader
from vcycled.config.check import check
from vcycled.config.contradictions import in_manager
from vcycled.config.deck import Deck, sort
from vcycled.config.exposure import exposed, unknown_defaults
from vcycled.config.grammar import MANAGER, WEB
from vcycled.config.lastgood import LastGood
from vcycled.config.machinetype import missing_files
from vcycled.config.model import Config, MachinetypeConfig, SpaceConfig
from vcycled.config.permissions import loose
from vcycled.config.pipe_shelf import Copies, Shelf
from vcycled.config.places import machinetype_folder
from vcycled.config.reader import Raw, Section, Signature
from vcycled.config.registry import InstalledSpaces, Registry
from vcycled.config.settle import Attempt, Settled, settle
from vcycled.config.sinks import SinkConfig, build_sinks, idle_sinks
from vcycled.config.space import BuiltSpace, build_space, missing_of_space
from vcycled.config.tables import ManagerOptions, WebOptions
from vcycled.errors import ConfigError, Problem

WEB_PATH = Path("/etc/vcycle-web.conf")
_NEVER = LastGood()
_NONE: Copies = MappingProxyType({})


def load(
    paths: Sequence[Path] | None = None,
    *,
    registry: Registry | None = None,
    keep: LastGood = _NEVER,
) -> Config:
    """Read the configuration.

    Args:
        paths: files and folders, later values win; None is where it usually is.
        registry: kinds of spaces by API; None is what is installed.
        keep: what to go on with where the files are wrong.

    Raises:
        ConfigError: the files cannot be read, or [vcycle] is wrong, and `keep` has nothing.
    """
    signature = reader.signature(paths)
    raw = reader.read(paths, expected=keep.sources)
    return configure(raw, signature=signature, registry=registry, keep=keep)


def configure(
    raw: Raw,
    *,
    signature: Signature,
    registry: Registry | None = None,
    keep: LastGood = _NEVER,
    copies: Copies = _NONE,
) -> Config:
    """Return the configuration that `raw` comes to, see `load`.

    Args:
        raw: what the files say.
        signature: of `raw`.
        registry: kinds of spaces by API; None is what is installed.
        keep: what to go on with where the files are wrong.
        copies: documents of vacuum pipes to use instead of those that are kept.

    Raises:
        ConfigError: as `load` does.
    """
    builder = _Builder(
        keep=keep, registry=InstalledSpaces() if registry is None else registry, copies=copies
    )
    if not raw.problems:
        return builder.build(raw).config(signature)
    if not keep.sections:
        raise ConfigError(raw.problems)
    return builder.go_on(raw, signature)


def problems_of(
    raw: Raw, *, registry: Registry | None = None, copies: Copies = _NONE
) -> tuple[Problem, ...]:
    """Return all that is wrong with what the files say, whatever they said before."""
    try:
        return configure(raw, signature=(), registry=registry, copies=copies).problems
    except ConfigError as error:
        return error.problems


def load_web(path: Path = WEB_PATH) -> tuple[WebOptions, tuple[Problem, ...]]:
    """Read the web process's own file; return its options and warnings about them.

    Raises:
        ConfigError: it cannot be used.
    """
    raw = reader.read([path])
    section = raw.section("web")
    checked = check(replace(section, file=section.file or str(path)), WEB)
    message = "only a section [web] may be in this file"
    strays = [each.problem(message) for each in raw.sections if each.title != "web"]
    problems = raw.problems or (*checked.problems, *strays)
    if any(not problem.is_warning for problem in problems):
        raise ConfigError(tuple(sorted(problems)))
    return checked.fill(WebOptions), tuple(sorted(problems))


def _hold(space: SpaceConfig, keep: LastGood) -> SpaceConfig:
    """Return `space` with what was held when its files could last be read."""
    kinds = (replace(kind, held=_why_held(space, kind, keep)) for kind in space.machinetypes)
    held = keep.held.get(f"space {space.name}", space.held)
    return replace(space, held=held, machinetypes=tuple(kinds))


def _why_held(space: SpaceConfig, kind: MachinetypeConfig, keep: LastGood) -> str:
    """Return why a machinetype, or the pipe that it is from, was held."""
    own = keep.held.get(f"machinetype {space.name} {kind.name}")
    return own or keep.held.get(f"vacuum_pipe {space.name} {kind.pipe}", kind.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """Every section, settled."""

    raw: Raw
    manager: Settled[ManagerOptions]
    spaces: tuple[BuiltSpace, ...]
    """Those whose sections are gone come last."""
    sinks: Mapping[str, Settled[SinkConfig]]
    problems: tuple[Problem, ...]

    def config(self, signature: Signature) -> Config:
        problems = tuple(sorted(set(self.problems)))
        if self.manager.value is None:
            raise ConfigError(problems)
        spaces = tuple(space.config for space in self.spaces if space.config)
        root = self.manager.value.root
        return Config(
            manager=self.manager.value,
            spaces=spaces,
            sinks=tuple(each.value for each in self.sinks.values() if each.value),
            problems=problems,
            unusable={title: held for title, held, is_used in self._held() if not is_used},
            good=self._good(),
            signature=(*signature, *self._watched(), *_gone(missing(spaces, root))),
            bugs=tuple(bug for space in self.spaces for bug in space.bugs),
        )

    def _watched(self) -> Signature:
        return tuple(each for space in self.spaces for each in space.watched)

    def _good(self) -> LastGood:
        spaces = (each for space in self.spaces for each in space.settled)
        settled = [self.manager, *self.sinks.values(), *spaces]
        return LastGood(
            sections=tuple(each.good for each in settled if each.good and each.good.file),
            held={title: held for title, held, is_used in self._held() if is_used},
            removed=tuple(space.name for space in self.spaces if space.is_removed),
            sources=self.raw.sources,
        )

    def _held(self) -> Iterator[tuple[str, str, bool]]:
        """Return titles, reasons, and whether an older value is used."""
        spaces = (each for space in self.spaces for each in space.settled)
        for each in (*self.sinks.values(), *spaces):
            if each.held:
                yield each.checked.section.title, each.held, each.value is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Builder:
    """What every configuration is built with."""

    keep: LastGood
    registry: Registry
    copies: Copies

    def build(self, raw: Raw) -> _Built:
        """Return every section of `raw`, settled."""
        deck, before = sort(raw.sections), sort(self.keep.sections)
        manager = settle(
            deck.manager, before.manager if self.keep.sections else None, _attempt_manager
        )
        options = manager.value or ManagerOptions()
        shelf = Shelf(root=options.root, fresh=self.copies)
        sinks = build_sinks(options.accounting, deck, before)
        build = partial(build_space, before=before, shelf=shelf, registry=self.registry)
        here = [build(name, deck) for name in deck.spaces]
        gone = [
            replace(build(name, before), is_removed=True)
            for name in before.spaces
            if name not in deck.spaces
        ]
        problems = [*raw.problems, *manager.problems, *deck.problems, *_nothing(deck)]
        problems += [*unknown_defaults(deck, self.registry), *exposed(deck, self.registry)]
        problems += [problem for sink in sinks.values() for problem in sink.problems]
        problems += idle_sinks(options.accounting, deck)
        problems += [problem for space in here for problem in space.problems()]
        if manager.value is not None:
            problems += loose(manager.value, raw.sources, _filled(here, manager.value.root))
        return _Built(
            raw=raw, manager=manager, spaces=(*here, *gone), sinks=sinks, problems=tuple(problems)
        )

    def go_on(self, raw: Raw, signature: Signature) -> Config:
        """Return the whole last good configuration, with what is wrong with the files today."""
        keep = self.keep
        gone = {section for name in keep.removed for section in sort(keep.sections).of_space(name)}
        sections = tuple(section for section in keep.sections if section not in gone)
        config = self.build(replace(raw, sections=sections, files=())).config(signature)
        return replace(
            config,
            spaces=tuple(_hold(space, keep) for space in config.spaces),
            problems=config.errors,
            good=keep,
        )


def _attempt_manager(section: Section) -> Attempt[ManagerOptions]:
    checked = check(section, MANAGER)
    problems = (*checked.problems, *in_manager(checked))
    value = None if checked.errors else checked.fill(ManagerOptions)
    return Attempt(checked=checked, value=value, problems=problems)


def _filled(spaces: Iterable[BuiltSpace], root: Path) -> Iterator[Path]:
    """Return the folders that sites fill for their machinetypes."""
    for space in filter(None, (each.config for each in spaces)):
        for kind in space.machinetypes:
            folder = machinetype_folder(root, space.name, kind.folder)
            yield from (folder, folder / "files")


def _nothing(deck: Deck) -> Iterator[Problem]:
    if not deck.spaces:
        message = "there is no [space SPACE] section, so there is nothing to manage"
        yield Problem(file="", line=0, section="", option="", message=message, is_warning=True)


def _gone(paths: Iterable[Path]) -> Signature:
    return tuple((str(path), 0, 0, 0, 0) for path in paths)


def missing(spaces: Sequence[SpaceConfig], root: Path) -> tuple[Path, ...]:
    """Return the files on this host that spaces and machinetypes name and that are not there."""
    return tuple(path for space in spaces for path in _missing(space, root))


def _missing(space: SpaceConfig, root: Path) -> Iterator[Path]:
    yield from missing_of_space(space.options).values()
    for kind in space.machinetypes:
        yield from missing_files(kind, machinetype_folder(root, space.name, kind.folder)).values()
