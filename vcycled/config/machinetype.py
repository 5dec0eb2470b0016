"""A [machinetype] section: from its values to what the manager uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from vcycled.config.check import Checked, check
from vcycled.config.contradictions import idle_in_machinetype, in_machinetype
from vcycled.config.exposure import strangers
from vcycled.config.grammar import FILE_PREFIX, MACHINETYPE, OPTION_PREFIX, OVERRIDE_PREFIX
from vcycled.config.model import MachinetypeConfig
from vcycled.config.places import machinetype_folder
from vcycled.config.reader import Section, Setting
from vcycled.config.settle import Attempt
from vcycled.config.tables import MachinetypeOptions, SpaceOptions
from vcycled.config.template_options import in_template
from vcycled.errors import Problem
from vcycled.proxy import CERTIFICATE, KEY
from vcycled.templates import packaged

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a machinetype's section must fit into."""

    space: Checked
    options: SpaceOptions | None
    """Of the space; None if it cannot be used, so that its machinetypes cannot be either."""
    needs_image: bool
    """True if the space's API makes no machine without root_image."""
    names: frozenset[str]
    """Of all machinetypes of the space."""
    has_pipes: bool
    """True if there may be others, from pipes of which nothing is known yet."""
    root: Path


def attempt_machinetype(
    section: Section, frame: Frame, flaws: Iterable[Problem] = ()
) -> Attempt[MachinetypeConfig]:
    """Return what a [machinetype] section comes to in its space.

    Args:
        section: of the machinetype.
        frame: what it must fit into.
        flaws: what is known to be wrong with it.
    """
    checked = check(section, MACHINETYPE)
    problems = [
        *flaws,
        *checked.problems,
        *in_machinetype(checked, frame.space, needs_image=frame.needs_image),
        *idle_in_machinetype(checked, frame.names, has_pipes=frame.has_pipes),
        *in_template(checked),
    ]
    if checked.errors:
        return Attempt(checked=checked, value=None, problems=tuple(problems))
    config = _config(checked, frame)
    folder = _folder(checked, frame)
    for option, path in missing_files(config, folder).items():
        message = f"there is no file {path}; nothing is created until it is there"
        if option == "root_image":
            message += ", unless it was uploaded before"
        problems.append(checked.problem(option, message, is_warning=True))
    if config.options.user_data_proxy and (message := strangers(folder / KEY, frame.root)):
        problems.append(checked.problem("user_data_proxy", message, is_warning=True))
    return Attempt(checked=checked, value=config, problems=tuple(problems))


def missing_files(config: MachinetypeConfig, folder: Path) -> Mapping[str, Path]:
    """Return the files that a creation reads on this host and that are not there, by option.

    Args:
        config: of the machinetype.
        folder: of the machinetype, with what proxies are made from.
    """
    named = {
        "user_data": config.options.user_data,
        "root_image": config.options.root_image,
        "root_public_key": config.options.root_public_key,
        **{FILE_PREFIX + name: path for name, path in config.user_data_files.items()},
    }
    paths = {option: Path(text) for option, text in named.items() if text and text[0] == "/"}
    if config.options.user_data_proxy:
        pair = (folder / CERTIFICATE, folder / KEY)
        paths["user_data_proxy"] = next((path for path in pair if is_missing(path)), pair[0])
    return {option: path for option, path in paths.items() if is_missing(path)}


def is_missing(path: Path) -> bool:
    """Return True only if there is surely nothing; what cannot be reached fails when read."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _config(checked: Checked, frame: Frame) -> MachinetypeConfig:
    name = checked.section.words[2]
    folder = _folder(checked, frame) / "files"
    files = _named(checked.user_data, FILE_PREFIX)
    return MachinetypeConfig(
        name=name,
        options=_completed(checked.fill(MachinetypeOptions), frame.options, folder),
        user_data_options=_named(checked.user_data, OPTION_PREFIX),
        user_data_files={name: _absolute(path, folder) for name, path in files.items()},
        user_data_overrides=_overrides(checked.user_data),
        held="",
        pipe=checked.section.pipe,
    )


def _folder(checked: Checked, frame: Frame) -> Path:
    _, space, name = checked.section.words
    return machinetype_folder(frame.root, space, checked.section.pipe or name)


def _named(user_data: Mapping[str, Setting], prefix: str) -> dict[str, str]:
    return {
        option.removeprefix(prefix): setting.value
        for option, setting in user_data.items()
        if option.startswith(prefix)
    }


def _overrides(user_data: Mapping[str, Setting]) -> dict[str, str]:
    named = _named(user_data, OVERRIDE_PREFIX)
    return {name: text for name, text in named.items() if not name.startswith(_TYPED)}


_TYPED = (OPTION_PREFIX.removeprefix(OVERRIDE_PREFIX), FILE_PREFIX.removeprefix(OVERRIDE_PREFIX))


def _completed(
    own: MachinetypeOptions, space: SpaceOptions | None, folder: Path
) -> MachinetypeOptions:
    """Return the options with what comes from the space and from each other, paths absolute."""
    return replace(
        own,
        flavor_names=own.flavor_names or (space.flavor_names if space else ()),
        zones=own.zones or (space.zones if space else ()),
        max_starting_processors=_or(own.max_starting_processors, own.processors_limit),
        min_wallclock_seconds=_or(own.min_wallclock_seconds, own.fizzle_seconds),
        user_data=_absolute(own.user_data, folder),
        root_image=own.root_image and _absolute(own.root_image, folder),
        root_public_key=own.root_public_key and _absolute(own.root_public_key, folder),
    )


def _or(value: T | None, otherwise: T | None) -> T | None:
    return otherwise if value is None else value


def _absolute(text: str, folder: Path) -> str:
    """Return a path as an absolute one, and what is no path as it is."""
    return text if text.startswith(_NO_PATHS) else str(folder / text)


_NO_PATHS = ("http://", "https://", "image:", packaged.PREFIX)
