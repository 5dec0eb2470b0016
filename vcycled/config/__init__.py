"""The configuration: option tables, files, what is wrong with them, and what to run under.

source = ConfigSource(paths)      # the daemon's; `current()` at every cycle
config = load(paths)              # once, for commands
options, warnings = load_web()    # the web process's own file
"""

from vcycled.config.build import WEB_PATH, load, load_web, problems_of
from vcycled.config.lastgood import LastGood
from vcycled.config.model import Config, MachinetypeConfig, PipeConfig, SpaceConfig
from vcycled.config.reader import DEFAULT_PATHS
from vcycled.config.registry import InstalledSpaces, NotInstalled, Registry, find_space
from vcycled.config.shrunk import lost_limits
from vcycled.config.sinks import (
    SinkConfig,
    UnknownSink,
    credential_ends,
    find_sink,
    make_sink,
)
from vcycled.config.source import ConfigSource
from vcycled.config.tables import (
    MachinetypeOptions,
    ManagerOptions,
    PipeOptions,
    SpaceOptions,
    WebOptions,
)

__all__ = [
    "DEFAULT_PATHS",
    "WEB_PATH",
    "Config",
    "ConfigSource",
    "InstalledSpaces",
    "LastGood",
    "MachinetypeConfig",
    "MachinetypeOptions",
    "ManagerOptions",
    "NotInstalled",
    "PipeConfig",
    "PipeOptions",
    "Registry",
    "SinkConfig",
    "SpaceConfig",
    "SpaceOptions",
    "UnknownSink",
    "WebOptions",
    "credential_ends",
    "find_sink",
    "find_space",
    "load",
    "load_web",
    "lost_limits",
    "make_sink",
    "problems_of",
]
