"""What clouds offer and show, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from types import MappingProxyType


class MachineState(StrEnum):
    """What a cloud says of a machine, in our words (compat.md 3)."""

    STARTING = "starting"
    RUNNING = "running"
    SHUTDOWN = "shutdown"
    DELETING = "deleting"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Fate(Enum):
    """What a state means to us; every rule is written over fates."""

    WAIT = auto()
    """It should run soon; after the start timeout it goes."""
    KEEP = auto()
    """It runs: leave it alone while it is within its limits."""
    DOUBT = auto()
    """The cloud cannot say. It counts, and the rules of age still hold."""
    REMOVE = auto()
    """It has ended: delete what is left of it."""
    GOING = auto()
    """It is being deleted; ask again if that takes long."""


FATE: Mapping[MachineState, Fate] = MappingProxyType(
    {
        MachineState.STARTING: Fate.WAIT,
        MachineState.RUNNING: Fate.KEEP,
        MachineState.UNKNOWN: Fate.DOUBT,
        MachineState.SHUTDOWN: Fate.REMOVE,
        MachineState.FAILED: Fate.REMOVE,
        MachineState.DELETING: Fate.GOING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A size of machine that a space offers."""

    name: str
    processors: int
    memory_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a space may hold, ours and foreign together; None is no limit."""

    processors: int | None = None
    machines: int | None = None
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMachine:
    """A machine as one listing shows it; times are the cloud's own, if it states any."""

    name: str
    cloud_id: str
    state: MachineState
    processors: int
    memory_mb: int = 0
    flavor: str = ""
    zone: str = ""
    address: str = ""
    created_at: int | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    fault: str = ""
    """What went wrong, as the cloud says it, for FAILED machines."""
    lacks_capacity: bool = False
    """True if `fault` means that the cloud had no room for this flavor in this zone."""
    lacks_quota: bool = False
    """True if `fault` means that a quota of the project (ports, volumes, …) is used up."""
    warning: str = ""
    """What the cloud says it will do to a machine that runs; empty means nothing new."""
    ends_at: int | None = None
    """When the cloud will end it, once it said so."""
    tags: Mapping[str, str] = field(default_factory=dict)
