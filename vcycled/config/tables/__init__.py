"""The option tables: everything that a configuration file may say, one row for each option."""

from vcycled.config.tables.machinetype import MachinetypeOptions, PipeOptions
from vcycled.config.tables.manager import ManagerOptions
from vcycled.config.tables.sink import SinkOptions
from vcycled.config.tables.space import SpaceOptions
from vcycled.config.tables.web import WebOptions

__all__ = [
    "MachinetypeOptions",
    "ManagerOptions",
    "PipeOptions",
    "SinkOptions",
    "SpaceOptions",
    "WebOptions",
]
