"""The three VacQuery messages (HSF-TN-2016-04 and its draft of 2017), as VacMon reads them. Pure.

VacMon's database has a type for each key: texts, whole numbers, Unix seconds, decimals. A key
whose value is not known is left out: null, or an empty `fqan`, would end VacMon.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vcycled import __version__
from vcycled.model import Limits, Machine, MachineState

MOST_BYTES = 1400
"""A datagram with its headers then fits into one packet of 1500 bytes, with IPv6 too."""
_VERSION = "VacQuery 01.02"
_UNASKED = "0"
"""Cookie of a message that answers no query."""
_MB = 2**20

Figures = Mapping[str, str | int | float | None]
"""None is left out."""

_STATES: Mapping[MachineState, str] = {
    MachineState.STARTING: "Starting",
    MachineState.RUNNING: "Running",
    MachineState.SHUTDOWN: "Shut down",
    MachineState.DELETING: "Deleting",
    MachineState.FAILED: "Failed",
    MachineState.UNKNOWN: "Unknown",
}
_OVER = frozenset({MachineState.SHUTDOWN, MachineState.DELETING, MachineState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """Who sends a message, and when."""

    space: str
    site: str
    factory: str
    """The manager's host."""
    now: int

    def message(self, message_type: str, figures: Figures) -> bytes:
        """Return a message as it is sent: JSON in ASCII, at most MOST_BYTES long."""
        head: Figures = {
            "message_type": message_type,
            "daemon_version": f"Vcycle {__version__} vcycled",
            "vacquery_version": _VERSION,
            "cookie": _UNASKED,
            "space": self.space,
            "site": self.site,
            "factory": self.factory,
            "time_sent": self.now,
        }
        known = {key: value for key, value in {**head, **figures}.items() if value is not None}
        return _fitting(known)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFigures:
    """What a machinetype is told about by."""

    name: str
    fqan: str
    fizzle_seconds: int
    max_wallclock_seconds: int
    min_wallclock_seconds: int | None
    min_processors: int
    max_processors: int | None
    mb_per_processor: int
    last_ended: Machine | None
    """The last machine of it that was seen to end, with or without a message."""


def factory_status(
    speaker: Speaker,
    machines: Iterable[Machine],
    *,
    limits: Limits,
    host: Figures,
    is_web_up: bool,
) -> bytes:
    """Return how the manager's host and the space as a whole are doing.

    Args:
        speaker: who says it.
        machines: all of ours in the space.
        limits: in force.
        host: figures of the host, as `host_figures` gives them.
        is_web_up: whether the web site that shows machines their features is known to be up.
    """
    web_seen_at = speaker.now if is_web_up else None
    return speaker.message(
        "factory_status",
        {
            **_running(machines),
            "max_processors": limits.processors,
            "max_machines": limits.machines,
            "factory_heartbeat_time": speaker.now,
            "responder_heartbeat_time": speaker.now,
            "mjf_heartbeat_time": web_seen_at,
            "metadata_heartbeat_time": web_seen_at,
            **host,
        },
    )


def machinetype_status(speaker: Speaker, kind: KindFigures, machines: Iterable[Machine]) -> bytes:
    """Return how a machinetype is doing; `machines` are all of ours in the space."""
    own = [machine for machine in machines if machine.machinetype == kind.name]
    ended = kind.last_ended
    message = ended.message if ended else None
    return speaker.message(
        "machinetype_status",
        {
            "machinetype": kind.name,
            "fqan": kind.fqan or None,
            "num_machinetypes": 1,
            **_running(own),
            "num_before_fizzle": _before_fizzle(own, kind.fizzle_seconds, speaker.now),
            "max_wallclock_seconds": kind.max_wallclock_seconds,
            "min_wallclock_seconds": kind.min_wallclock_seconds,
            "min_processors": kind.min_processors,
            "max_processors": kind.max_processors,
            "bytes_per_processor": kind.mb_per_processor * _MB,
            "shutdown_machine": ended.name if ended else None,
            "shutdown_message": message.text if message else None,
            "shutdown_time": ended.stopped_at if ended else None,
        },
    )


def machine_status(speaker: Speaker, machine: Machine) -> bytes:
    """Return the end of `machine`: what it was and how long it ran.

    Processors are taken to have been busy all that time, as in its accounting record.
    """
    message = machine.message
    power = machine.terms.power_per_processor
    state = machine.state if machine.state in _OVER else MachineState.SHUTDOWN
    return speaker.message(
        "machine_status",
        {
            "machine": machine.name,
            "machinetype": machine.machinetype,
            "fqan": machine.terms.fqan or None,
            "state": _STATES[state],
            "uuid": machine.uuid,
            "created_time": machine.created_at,
            "started_time": machine.started_at,
            "heartbeat_time": machine.heartbeat_at,
            "num_machines": 1,
            "num_processors": machine.processors,
            "hs06": None if power is None else float(power * machine.processors),
            "cpu_seconds": _ran(machine) * machine.processors,
            "shutdown_message": message.text if message else None,
            "shutdown_time": message.written_at if message else machine.stopped_at,
        },
    )


def _running(machines: Iterable[Machine]) -> Figures:
    running = [each for each in machines if _is_running(each)]
    powers = [each.terms.power_per_processor for each in running]
    stated = [power for power in powers if power is not None]
    return {
        "running_machines": len(running),
        "running_processors": sum(each.processors for each in running),
        "running_hs06": _weighed(running) if len(stated) == len(running) else None,
    }


def _weighed(machines: Iterable[Machine]) -> float:
    return float(
        sum((each.terms.power_per_processor or 0.0) * each.processors for each in machines)
    )


def _is_running(machine: Machine) -> bool:
    return machine.state is MachineState.RUNNING and machine.stopped_at is None


def _before_fizzle(machines: Iterable[Machine], fizzle_seconds: int, now: int) -> int:
    """Return how many machines run for less than fizzle_seconds so far."""
    return sum(
        machine.started_at is not None and now - machine.started_at < fizzle_seconds
        for machine in machines
        if _is_running(machine)
    )


def _ran(machine: Machine) -> int:
    if machine.started_at is None or machine.stopped_at is None:
        return 0
    return machine.stopped_at - machine.started_at


def _fitting(figures: Mapping[str, str | int | float]) -> bytes:
    """Return `figures` as JSON; while it is too long, the longest text loses its second half."""
    fitted = dict(figures)
    while len(data := json.dumps(fitted).encode("ascii")) > MOST_BYTES:
        texts: Sequence[tuple[int, str, str]] = [
            (len(json.dumps(value)), key, value)
            for key, value in fitted.items()
            if isinstance(value, str)
        ]
        _, key, value = max(texts)
        fitted[key] = value[: len(value) // 2]
    return data
