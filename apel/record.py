"""One run of a machine -> one APEL individual job record, version 0.3. Pure.

# Note [What a record claims]

APEL's server keys a record by site, LocalJobId and EndTime: the same record sent again replaces
itself, one with another EndTime is counted beside it. It multiplies durations by ServiceLevel and
knows nothing of Processors there, so that ServiceLevel is per processor and CpuDuration is summed
over the processors. A record without ServiceLevel is refused at the very end of loading, hence
there always is one.

Nothing here raises on strange input, because a record that is never written is lost. Text is made
plain, numbers are brought into the range that the server's procedure takes (signed 32 bits), and
mandatory names that are empty get a stand-in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vcycled.apel import envelope
from vcycled.apel.envelope import plain
from vcycled.model import RunInterval

LARGEST_COUNT = 2**31 - 1
"""Largest whole number that the server's ReplaceJobRecord procedure takes."""
LAST_INSTANT = 253_402_300_799
"""The end of the year 9999, the last that a DATETIME column holds."""
QUEUE_CHARACTERS = 100
"""The column has 255, but the procedure that fills it takes 100."""
LARGEST_POWER = 9_999_999.999
SMALLEST_POWER = 0.001
UNKNOWN_POWER = 1.0
"""ServiceLevel where the site states no power, as Vcycle 3 published."""
POWER_UNITS = ("HEPSPEC", "hepscore23")
"""ServiceLevelType; the first stands for any other unit, as HS06 is the same by another name."""
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What one record says, ready to be written. Times in s, memory in KB (2**10 bytes)."""

    site: str
    submit_host: str
    machine_name: str
    queue: str
    local_job_id: str
    local_user_id: str
    global_user_name: str
    fqan: str
    wall_seconds: int
    cpu_seconds: int
    """Summed over the processors."""
    processors: int
    started_at: int
    ended_at: int
    memory_kb: int | None
    service_level_type: str
    service_level: float
    """Power per processor."""
    node_count: int = 1
    infrastructure_description: str = "APEL-VCYCLE"
    infrastructure_type: str = "grid"


def record_of(interval: RunInterval) -> JobRecord:
    """Return the record of `interval`; see note [What a record claims]."""
    terms = interval.terms
    ended_at = _instant(interval.ended_at)
    started_at = min(_instant(interval.started_at), ended_at)
    processors = _count(max(1, interval.processors))
    memory_kb = _count(interval.memory_mb * 1024)
    return JobRecord(
        site=_first(terms.site, stand_in_site(interval.space)),
        submit_host=_first(
            terms.submit_host, submit_host_name(interval.space, terms.manager_host)
        ),
        machine_name=plain(interval.name),
        queue=plain(interval.machinetype, QUEUE_CHARACTERS),
        local_job_id=_first(interval.uuid, interval.name),
        local_user_id=plain(terms.manager_host),
        global_user_name=plain(terms.global_user),
        fqan=plain(terms.fqan),
        wall_seconds=_count(ended_at - started_at),
        cpu_seconds=_count((ended_at - started_at) * processors),
        processors=processors,
        started_at=started_at,
        ended_at=ended_at,
        memory_kb=memory_kb or None,
        service_level_type=_power_unit(terms.power_unit),
        service_level=_power(terms.power_per_processor),
    )


def text_of(records: Sequence[JobRecord]) -> str:
    """Return one message that holds all `records`."""
    return envelope.join(envelope.JOBS, (_fields(record) for record in records))


def records_in(message: str) -> tuple[JobRecord, ...]:
    """Return the records of a message that `text_of` or Vcycle 3 wrote.

    Raises:
        ValueError: it is no job message of version 0.3, or a field that we need is not there or
            is not a number. What APEL itself would say of it: `validate.problems`.
    """
    header, records = envelope.split(message)
    if header != envelope.JOBS:
        raise ValueError(f"not a job message of version 0.3: {header!r}")
    return tuple(_record(dict(fields)) for fields in records)


def global_user_name(name: str, order: Literal["vcycle", "note"] = "vcycle") -> str:
    """Return the DN that stands for the space or host `name` in accounting.

    For vac01.example.com: `/DC=com/DC=example/DC=vac01` as Vcycle 3 and Vac write it, or with
    `order` "note" `/DC=vac01/DC=example/DC=com` as HSF-TN-2016-04 section 11 has it.
    """
    labels = [label for label in name.split(".") if label]
    if order == "vcycle":
        labels.reverse()
    return "".join(f"/DC={label}" for label in labels)


def submit_host_name(space: str, manager_host: str) -> str:
    """Return the SubmitHost of a space's records (HSF-TN-2016-04 section 11)."""
    return f"{space}/vcycle-{manager_host}"


def stand_in_site(space: str) -> str:
    """Return the site name for a space without gocdb_sitename: its name after the first dot."""
    return space.partition(".")[2] or space


def _first(*candidates: str) -> str:
    return next(filter(None, map(plain, candidates)), _UNKNOWN)


def _instant(at: int) -> int:
    return min(max(0, at), LAST_INSTANT)


def _count(number: int) -> int:
    return min(max(0, number), LARGEST_COUNT)


def _power(power: float | None) -> float:
    if power is None or not math.isfinite(power) or power <= 0:
        return UNKNOWN_POWER
    return round(min(max(power, SMALLEST_POWER), LARGEST_POWER), 3)


def _power_unit(unit: str) -> str:
    return unit if unit in POWER_UNITS else POWER_UNITS[0]


def _fields(record: JobRecord) -> envelope.Fields:
    memory = "" if record.memory_kb is None else str(record.memory_kb)
    return (
        ("Site", record.site),
        ("SubmitHost", record.submit_host),
        ("MachineName", record.machine_name),
        ("Queue", record.queue),
        ("LocalJobId", record.local_job_id),
        ("LocalUserId", record.local_user_id),
        ("GlobalUserName", record.global_user_name),
        ("FQAN", record.fqan),
        ("WallDuration", str(record.wall_seconds)),
        ("CpuDuration", str(record.cpu_seconds)),
        ("Processors", str(record.processors)),
        ("NodeCount", str(record.node_count)),
        ("InfrastructureDescription", record.infrastructure_description),
        ("InfrastructureType", record.infrastructure_type),
        ("StartTime", str(record.started_at)),
        ("EndTime", str(record.ended_at)),
        ("MemoryReal", memory),
        ("MemoryVirtual", memory),
        ("ServiceLevelType", record.service_level_type),
        ("ServiceLevel", str(record.service_level)),
    )


def _record(fields: dict[str, str]) -> JobRecord:
    try:
        return JobRecord(
            site=fields["Site"],
            submit_host=fields.get("SubmitHost", ""),
            machine_name=fields.get("MachineName", ""),
            queue=fields.get("Queue", ""),
            local_job_id=fields["LocalJobId"],
            local_user_id=fields.get("LocalUserId", ""),
            global_user_name=fields.get("GlobalUserName", ""),
            fqan=fields.get("FQAN", ""),
            wall_seconds=int(fields["WallDuration"]),
            cpu_seconds=int(fields["CpuDuration"]),
            processors=int(fields.get("Processors", "0")),
            started_at=int(fields["StartTime"]),
            ended_at=int(fields["EndTime"]),
            memory_kb=int(fields["MemoryReal"]) if "MemoryReal" in fields else None,
            service_level_type=fields["ServiceLevelType"],
            service_level=float(fields["ServiceLevel"]),
            node_count=int(fields.get("NodeCount", "0")),
            infrastructure_description=fields.get("InfrastructureDescription", ""),
            infrastructure_type=fields.get("InfrastructureType", ""),
        )
    except KeyError as error:
        raise ValueError(f"no {error.args[0]}") from error
