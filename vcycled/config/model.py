"""The configuration as the rest of the manager sees it: typed, frozen, and complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vcycled.config.lastgood import LastGood
from vcycled.config.reader import Signature
from vcycled.config.sinks import SinkConfig
from vcycled.config.tables import MachinetypeOptions, ManagerOptions, SpaceOptions
from vcycled.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinetypeConfig:
    """A machinetype with what it has from its space filled in, and paths made absolute."""

    name: str
    options: MachinetypeOptions
    user_data_options: Mapping[str, str] = field(repr=False)
    """XXX of user_data_option_XXX, and the text that fills the pattern."""
    user_data_files: Mapping[str, str]
    """XXX of user_data_file_XXX, and the absolute path of the file."""
    user_data_overrides: Mapping[str, str]
    """NAME of a default substitution ##user_data_NAME##, and the text to fill it with instead."""
    held: str
    """Why nothing of it may be created: what is wrong with its section; empty if it is right.
    The other values are then those of the last time that it was right."""
    pipe: str = ""
    """Prefix of the vacuum pipe that it is from; empty if it is not."""

    @property
    def folder(self) -> str:
        """Name of its folder under ROOT/spaces/SPACE/machinetypes: those of a pipe share one."""
        return self.pipe or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PipeConfig:
    """A vacuum pipe that is to be fetched now and then."""

    space: str
    prefix: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """An unexpected exception that what a vacuum pipe says has met."""

    space: str
    pipe: str
    """Its prefix."""
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceConfig:
    """A space and its machinetypes, in the order of the files."""

    name: str
    api: str
    options: SpaceOptions
    api_options: object
    """An object of the Options class of the API's space."""
    machinetypes: tuple[MachinetypeConfig, ...]
    held: str
    """Why nothing may be created in it: what is wrong with its section; empty if it is right.
    The other values are then those of the last time that it was right."""
    is_removed: bool
    """True if its section is gone: it drains under its last values until `forget`."""
    pipes: tuple[PipeConfig, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that one reading of the files gave."""

    manager: ManagerOptions
    spaces: tuple[SpaceConfig, ...]
    problems: tuple[Problem, ...]
    """All that is wrong, warnings too, by file and line."""
    unusable: Mapping[str, str]
    """Titles of space and machinetype sections that are wrong and never were right, so that they
    are not among `spaces`, and why."""
    good: LastGood = field(repr=False)
    """What to go on with if the next reading is broken."""
    signature: Signature = field(repr=False)
    """Changes when the files do."""
    sinks: tuple[SinkConfig, ...] = ()
    """Those that can be used of the ones that [vcycle] names."""
    bugs: tuple[Bug, ...] = ()
    """What is to be logged with its traceback."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems without the warnings."""
        return tuple(problem for problem in self.problems if not problem.is_warning)

    def space(self, name: str) -> SpaceConfig | None:
        """Return the space of this name, None if there is none."""
        return next((space for space in self.spaces if space.name == name), None)
