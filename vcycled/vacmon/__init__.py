"""Telling VacMon servers how a space is doing: VacQuery messages, JSON by UDP.

A message is a figure for a web page: it may be lost, and nothing here may delay or harm a cycle.
"""

from vcycled.vacmon.courier import Courier
from vcycled.vacmon.host import host_figures
from vcycled.vacmon.messages import (
    MOST_BYTES,
    KindFigures,
    Speaker,
    factory_status,
    machine_status,
    machinetype_status,
)

__all__ = [
    "MOST_BYTES",
    "Courier",
    "KindFigures",
    "Speaker",
    "factory_status",
    "host_figures",
    "machine_status",
    "machinetype_status",
]
