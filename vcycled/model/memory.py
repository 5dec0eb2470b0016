"""What the manager remembers of machines, machinetypes and spaces.

# Note [Stages and states]

A *state* is what the cloud says of a machine. A *stage* is how far we have come with it:

    INTENDED ── tree written ──> ASKED ── listed ──> LISTED ── confirmed absent ──> GONE
        └── manager died before the call: GONE          └── stopped_at is set once it ended

An INTENDED row has reserved processors under the limits but the cloud was not called. For an
ASKED one the call may have been made; whatever became of it, it counts until it is found or
confirmed absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vcycled.model.cloud import MachineState

CLOCK_SLACK_SECONDS = 60
"""A wall clock that is set by so much has jumped; those of two managers may differ by as much."""
GRACE_SECONDS = 600
"""Promised to machines (MJF grace_secs) between the news of an earlier end and that end."""


class Stage(StrEnum):
    """How far we have come with a machine; see note [Stages and states]."""

    INTENDED = "intended"
    ASKED = "asked"
    LISTED = "listed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownMessage:
    """The line that a machine left in joboutputs/shutdown_message (HSF-TN-2016-04, section 7)."""

    code: int | None
    text: str
    written_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a machine was promised when it was asked for; later edits do not rewrite history."""

    fizzle_seconds: int
    max_wallclock_seconds: int
    start_timeout_seconds: int = 3600
    heartbeat_file: str = ""
    heartbeat_seconds: int = 0
    abort_on_700: bool = False
    abort_on_heartbeat: bool = False
    site: str = ""
    """Site of the accounting record."""
    is_published: bool = False
    """True if gocdb_sitename is set, so that records go to apel-outgoing."""
    submit_host: str = ""
    manager_host: str = ""
    global_user: str = ""
    fqan: str = ""
    power_per_processor: float | None = None
    power_unit: str = "HEPSPEC"
    """ServiceLevelType of the record: HEPSPEC or hepscore23."""


class EndSource(StrEnum):
    """What told us when a machine ended: the cloud, else whatever was the last sign of life."""

    CLOUD = "cloud"
    MESSAGE = "shutdown-message"
    HEARTBEAT = "heartbeat"
    DELETED = "own-delete"
    SIGHTING = "last-sighting"

    @property
    def in_words(self) -> str:
        """What it is to people, after `as told by`."""
        return _IN_WORDS[self]


_IN_WORDS = {
    EndSource.CLOUD: "the cloud",
    EndSource.MESSAGE: "its shutdown message",
    EndSource.HEARTBEAT: "its last heartbeat",
    EndSource.DELETED: "the request to delete it",
    EndSource.SIGHTING: "listings of the cloud",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine of ours: what the store remembers, and the heartbeat the cycle just read."""

    uuid: str
    name: str
    space: str
    machinetype: str
    stage: Stage
    state: MachineState
    processors: int
    memory_mb: int
    flavor: str
    terms: Terms
    created_at: int
    """When the intent was written."""
    zone: str = ""
    cloud_id: str = ""
    address: str = ""
    seen_at: int | None = None
    """First time in a complete listing."""
    started_at: int | None = None
    stopped_at: int | None = None
    end_source: EndSource | None = None
    message: ShutdownMessage | None = None
    is_aborted: bool = False
    is_closed: bool = False
    """The record of its current run is final and may have left; a return starts a new interval."""
    interval: int = 0
    """Number of the current run: 0, and one more each time it came back after its record left."""
    missing_since: int | None = None
    """Last instant it was listed, once a complete listing omitted it or the clock was set back."""
    missing_first_at: int | None = None
    """First complete listing that omitted it."""
    missing_listings: int = 0
    delete_reason: str = ""
    """Why we first asked the cloud to delete it while it had not ended; empty if we never did.

    A second machine of one request has `double` from the start.
    """
    delete_attempts: int = 0
    delete_attempt_at: int | None = None
    is_delete_acknowledged: bool = False
    delete_error: str = ""
    """Why the last attempt failed; empty if the cloud agreed to it."""
    is_delete_ordered: bool = False
    """An operator wants it gone."""
    gone_at: int | None = None
    fault: str = ""
    token_hash: str = ""
    warning: str = ""
    """What the cloud said last that it will do to it."""
    ends_at: int | None = None
    """When the cloud will end it, as it said."""
    drain_by: int | None = None
    """When an operator wants it gone."""
    leave_by: int | None = None
    """When we shall end it before its time, as it was told; see vcycled.plan.leaving."""
    leave_why: str = ""
    """The Reason for that."""
    heartbeat_at: int | None = None
    """Newest heartbeat; None if the file is missing. Never stored."""
    is_heartbeat_known: bool = True
    """False if the machine's folder cannot be read, so that a missing file proves nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinetypeMemory:
    """What is remembered of a machinetype beyond its machines."""

    space: str
    machinetype: str
    last_abort_at: int | None = None
    proven_at: int | None = None
    """created_at of the youngest machine that found work or ended without abort."""
    creation_failures: int = 0
    """Failures in a row."""
    creation_failed_at: int | None = None
    creation_error: str = ""
    waiting_since: int | None = None
    """Since when it lacks room for which preemptible machines could give way."""
    told_wallclock_seconds: int | None = None
    """max_wallclock_seconds as its machines were last told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A flavor in a zone for which the cloud had no capacity; not tried again before `until`."""

    flavor: str
    zone: str
    until: int
    failures: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """An order to create nothing more; machines end by themselves, at the latest at `by`.

    A hold is one that tells machines nothing and may be over by itself.
    """

    space: str
    machinetype: str
    """Empty for the whole space."""
    since: int
    by: int | None = None
    who: str = ""
    is_hold: bool = False
    until: int | None = None
    """Of a hold: when it is over by itself."""
    reason: str = ""
    """Of a hold: in the words of who ordered it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceMemory:
    """What is remembered of a space as a whole."""

    space: str
    listed_at: int | None = None
    """Last complete listing."""
    listed_machines: int = 0
    """How many machines it showed, ours and foreign."""
    foreign_processors: int = 0
    foreign_machines: int = 0
    foreign_memory_mb: int = 0
    suspect_since: int | None = None
    """Since when listings show far fewer machines than before; None if they are believed."""
    quota_failures: int = 0
    quota_failed_at: int | None = None
    quota_error: str = ""
    pauses: int = 0
    """How many times in a row the cloud turned us away before it looked at what we asked for."""
    paused_until: int | None = None
    """Nothing is created before; as long as the cloud asked for, else ever longer."""
    pause_error: str = ""
    unfit: tuple[Unfit, ...] = ()
    account: Mapping[str, str] = field(default_factory=dict)
    """Where its machines run, as `Space.account` told it."""
    clock_jumped_at: int | None = None
    preempted_at: int | None = None
    """When a preemptible machine was last seen to make room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterval:
    """One run of a machine, the source of exactly one accounting record."""

    uuid: str
    interval: int
    space: str
    machinetype: str
    name: str
    processors: int
    memory_mb: int
    started_at: int
    ended_at: int
    end_source: EndSource
    is_final: bool
    """False while a better end may still turn up; only final intervals are exported."""
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a machine's or space's story."""

    at: int
    space: str
    event: str
    """Kebab-case name from the catalogue in docs/reference/events.md."""
    machinetype: str = ""
    machine: str = ""
    """Name of the machine."""
    detail: str = ""


def event_of(machine: Machine, *, at: int, event: str, detail: str = "") -> Event:
    """Return a line of the story of `machine`."""
    return Event(
        at=at,
        space=machine.space,
        event=event,
        machinetype=machine.machinetype,
        machine=machine.name,
        detail=detail,
    )


class OrderKind(StrEnum):
    """What an operator can order by the command line or the admin site."""

    DRAIN = "drain"
    UNDRAIN = "undrain"
    DELETE = "delete"
    ADOPT = "adopt"
    FORGET = "forget"
    HOLD = "hold"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operator's order, carried out by the cycle of its space."""

    kind: OrderKind
    space: str
    at: int
    who: str
    machinetype: str = ""
    """Of a drain or hold; empty for the whole space. Of an adoption; empty for what the machine
    tells."""
    machine: str = ""
    """Name or uuid of the machine to delete, to forget, or to drain alone; name or id in the cloud
    of one to adopt."""
    by: int | None = None
    """Of a drain: when its machines must be gone. Of a hold: when it is over by itself."""
    is_forced: bool = False
    """Of a machine to forget or to adopt: whatever speaks against it."""
    reason: str = ""
    """Of a hold."""
    id: int = 0
    """Given by the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """All that the store knows of one space that a cycle needs."""

    memory: SpaceMemory
    machines: tuple[Machine, ...] = ()
    """Those that are not GONE."""
    machinetypes: tuple[MachinetypeMemory, ...] = ()
    drains: tuple[Drain, ...] = ()
    orders: tuple[Order, ...] = ()
    """Not carried out yet, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What one step of a cycle learned or decided, saved in one transaction.

    Each value replaces what the store held under the same key: machines by uuid, machinetypes by
    space and name, intervals by uuid and number, memory by space.
    """

    space: str
    machines: tuple[Machine, ...] = ()
    machinetypes: tuple[MachinetypeMemory, ...] = ()
    intervals: tuple[RunInterval, ...] = ()
    memory: SpaceMemory | None = None
    drains: tuple[Drain, ...] | None = None
    """All drains of the space from now on; None leaves them."""
    done_orders: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()
