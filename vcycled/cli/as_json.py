"""Facts as the documents that --json prints; docs/reference/cli.md says what is in them.

Keys are the names of the fields in vcycled.model and times are Unix seconds. Keys may be added;
those that are there stay and keep their meaning.
"""

from __future__ import annotations

from dataclasses import asdict

from vcycled.cli.printing import Json
from vcycled.model import (
    Drain,
    Event,
    Hold,
    Limits,
    Machine,
    MachinetypeMemory,
    RunInterval,
    Share,
    Stage,
    Terms,
)

Plain = Drain | Event | Hold | Limits | MachinetypeMemory | Share | Terms

NOT_SHOWN = frozenset({"token_hash", "heartbeat_at", "is_heartbeat_known", "terms"})


def plain_json(fact: Plain) -> dict[str, Json]:
    """Return every field of `fact`."""
    return asdict(fact)


def condition(machine: Machine) -> str:
    """Return the state of a machine in the cloud or, if it is not listed, how far it is."""
    return machine.state if machine.stage is Stage.LISTED else machine.stage


CONDITIONS = ("intended", "asked", "gone")
"""What `condition` may return besides the states."""


def machine_json(machine: Machine) -> dict[str, Json]:
    """Return what is remembered of a machine, but for its terms and the hash of its token."""
    known = {key: value for key, value in asdict(machine).items() if key not in NOT_SHOWN}
    return {"condition": condition(machine), **known}


def interval_json(interval: RunInterval) -> dict[str, Json]:
    """Return what a record is made from, but for its terms."""
    return {key: value for key, value in asdict(interval).items() if key != "terms"}
