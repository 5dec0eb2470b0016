"""What the planner is told, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from vcycled.model.cloud import Flavor, Limits
from vcycled.model.memory import Drain, Machine, MachinetypeMemory, ShutdownMessage, SpaceMemory
from vcycled.options import Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinetype:
    """A machinetype as the planner sees it: its section, what is remembered, and its holds."""

    name: str
    target_share: float
    fizzle_seconds: int
    backoff_seconds: int
    max_wallclock_seconds: int
    min_wallclock_seconds: int
    start_timeout_seconds: int = 3600
    processors_limit: int | None = None
    max_starting_processors: int | None = None
    min_processors: int = 1
    max_processors: int | None = None
    flavor_names: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    """In order of preference; empty lets the cloud choose."""
    heartbeat_file: str = ""
    heartbeat_seconds: int = 0
    power_per_processor: float | None = None
    held: str = ""
    """Why it must not grow whatever the shares say: broken section, template gone; else empty."""
    preemptible: bool = False
    """It gets what the others leave over, and gives way to them."""
    memory: MachinetypeMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceFacts:
    """Everything that a plan depends on besides `now` and chance."""

    space: str
    machinetypes: tuple[Machinetype, ...]
    machines: tuple[Machine, ...]
    """Ours that are not GONE, intents included."""
    memory: SpaceMemory
    limits: Limits
    """The tighter of the configuration's and the cloud's."""
    flavors: tuple[Flavor, ...]
    creation_cap: Amount = Amount(percent=10.0)
    """In processors."""
    deletion_cap: Amount = Amount(percent=10.0)
    """In machines."""
    cycle_seconds: int = 60
    preempt_after_seconds: int = 600
    shutdown_time: int | None = None
    drains: Mapping[str, Drain] = field(default_factory=dict)
    """By machinetype, also those that are configured no more; under "" that of the whole space."""
    held: str = ""
    """Why nothing may be created in the whole space; else empty."""
    receiver_up_since: int | None = None
    """Since when the web site that takes heartbeats has been up without a break; None if not."""


class Reason(StrEnum):
    """Why a machine is deleted."""

    FINISHED = "finished"
    FAILED = "failed"
    DELETING = "still-deleting"
    ORDERED = "ordered"
    DOUBLE = "double"
    NOT_STARTED = "not-started"
    TOO_OLD = "max-wallclock"
    SILENT = "heartbeat"
    SHUTDOWN_TIME = "shutdown-time"
    DRAINED = "drained"
    PREEMPTED = "preempted"


MESSAGES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.NOT_STARTED: "700 Failed to start",
        Reason.TOO_OLD: "700 Exceeded max_wallclock_seconds",
        Reason.SILENT: "700 Heartbeat file not updated",
        Reason.SHUTDOWN_TIME: "700 Passed shutdowntime",
        Reason.DRAINED: "700 Passed shutdowntime",
        Reason.PREEMPTED: "700 Made room for another machinetype",
        Reason.ORDERED: "700 Deleted by the operator",
    }
)
"""Shutdown messages that the manager leaves for machines that left none (compat.md 3)."""


def is_by_manager(message: ShutdownMessage) -> bool:
    """Return whether the manager, not the machine, wrote `message`."""
    return message.text in MESSAGES.values()


def said(message: ShutdownMessage) -> str:
    """Return who said what: `it said '200 Success'`."""
    who = "the manager" if is_by_manager(message) else "it"
    return f"{who} said {message.text!r}"


class Cause(StrEnum):
    """Why nothing (more) is created; each has a page section in docs/reference/why.md."""

    NO_SHARE = "no-target-share"
    HELD = "held"
    DRAIN = "drain"
    ON_HOLD = "on-hold"
    SHUTDOWN_TIME = "shutdown-time"
    BACKOFF = "backoff"
    PROBING = "probing"
    CREATION_FAILED = "creation-failed"
    PAUSED = "paused"
    QUOTA = "quota"
    NO_FLAVOR = "no-flavor"
    NO_CAPACITY = "no-capacity"
    MACHINETYPE_LIMIT = "machinetype-limit"
    STARTING_LIMIT = "starting-limit"
    SPACE_LIMIT = "space-limit"
    RESERVED = "reserved"
    MAKING_ROOM = "making-room"
    CREATION_CAP = "creation-cap"
    LISTING_SUSPECT = "listing-suspect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Ask the cloud to delete a machine."""

    machine: Machine
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """A delete that is due but held back, and why."""

    machine: Machine
    reason: Reason
    why: str
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Tell a machine when it will be ended, or that it may stay."""

    machine: Machine
    by: int | None = None
    """None: it may stay for its time."""
    why: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Ask the cloud for one machine."""

    machinetype: str
    flavor: Flavor
    zone: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a machinetype (or the whole space, if its name is empty) gets no more machines now."""

    machinetype: str
    cause: Cause
    detail: str
    """A sentence with the numbers in it."""
    until: int | None = None
    """When this is over by itself; None if it waits for something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a machinetype wants of its space and what it has, each as a part of 1."""

    machinetype: str
    wanted: float
    had: float
    processors: int
    machines: int
    is_preemptible: bool = False
    """It wants what others leave over; `had` is then a part of all, else of what others have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A machinetype below its share that lacks room for which preemptible machines could go."""

    machinetype: str
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do in one space now."""

    deletes: tuple[Delete, ...]
    deferred: tuple[Deferred, ...]
    creates: tuple[Create, ...]
    holds: tuple[Hold, ...]
    shares: tuple[Share, ...]
    wake_at: int
    """When to look again: a cycle from now, or earlier if something is due."""
    tells: tuple[Tell, ...] = ()
    waits: tuple[Wait, ...] = ()
    preempted_at: int | None = None
    """When a preemptible machine was last seen to make room, this plan included."""
