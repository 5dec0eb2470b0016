"""What a machine is told about itself: Machine/Job Features (HSF-TN-2016-02), and its URLs.

Each key is a small file. A virtual machine is both the "job" and, towards it, the provider is the
"machine", so both folders describe the same thing. Most keys never change; `moving` gives those
that do.

# Note [When a machine starts]

The files are complete before the cloud is asked, so nobody knows yet when the machine will start.
Until it does, `jobstart_secs` is the time of the intent and the shutdown times count from there:
early by the time that booting takes, which is the safe side for a job that plans its end. Once
the start is known the three moving keys are published again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What the features of one machine follow from."""

    uuid: str
    processors: int
    memory_mb: int
    """In units of 2**20 bytes; 0 if not known."""
    max_wallclock_seconds: int
    jobstart_at: int
    """When it started or, until then, when it was intended; see note [When a machine starts]."""
    grace_seconds: int
    """Warning that a machine gets when its shutdown time moves nearer."""
    shutdown_time: int | None = None
    """When the space, or an order to drain it, wants the machine gone; None if never."""
    power_per_processor: float | None = None
    """HS06 (or HEPscore23, which is on the same scale); None if the site states none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Files of the two folders: key -> content."""

    machine: Mapping[str, str]
    job: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Where a machine reads what it is told and writes its outputs; no trailing slashes."""

    machinefeatures: str
    jobfeatures: str
    joboutputs: str
    user_data: str
    """Where it may fetch its user_data if that is too long for its cloud."""
    heartbeat_machines: str
    """Of the heartbeat lists of its space."""


def urls(*, https_host: str, https_port: int, space: str, machine: str) -> Urls:
    """Return the URLs that a machine and its tags are given; an IPv6 address gets brackets."""
    is_bare_ipv6 = ":" in https_host and not https_host.startswith("[")
    host = f"[{https_host}]" if is_bare_ipv6 else https_host
    site = f"https://{host}:{https_port}"
    own = f"{site}/machines/{space}/{machine}"
    return Urls(
        machinefeatures=f"{own}/machinefeatures",
        jobfeatures=f"{own}/jobfeatures",
        joboutputs=f"{own}/joboutputs",
        user_data=f"{own}/user_data",
        heartbeat_machines=f"{site}/heartbeatlists/{space}",
    )


def shutdown_at(facts: MachineFacts) -> int:
    """Return when the machine will be deleted if it is still there."""
    latest = facts.jobstart_at + facts.max_wallclock_seconds
    return latest if facts.shutdown_time is None else min(latest, facts.shutdown_time)


def features(facts: MachineFacts) -> Features:
    """Return every key that is known.

    `jobslots`, `phys_cores`, `log_cores` and `allocated_CPU` are older spellings that Vcycle 3
    gave and some jobs still read.
    """
    processors = str(facts.processors)
    grace = str(facts.grace_seconds)
    later = moving(facts)
    machine = {
        "total_cpu": processors,
        "phys_cores": processors,
        "log_cores": processors,
        "jobslots": "1",
        "grace_secs": grace,
    }
    job = {
        "allocated_cpu": processors,
        "allocated_CPU": processors,
        "grace_secs_job": grace,
        "job_id": facts.uuid,
        "wall_limit_secs": str(facts.max_wallclock_seconds),
        "cpu_limit_secs": str(facts.max_wallclock_seconds * facts.processors),
    }
    if facts.memory_mb:
        job["max_rss_bytes"] = str(facts.memory_mb * MB)
    if facts.power_per_processor is not None:
        power = _decimal(facts.power_per_processor * facts.processors)
        machine["hs06"] = power
        job["hs06_job"] = power
    return Features(machine={**machine, **later.machine}, job={**job, **later.job})


def moving(facts: MachineFacts) -> Features:
    """Return the keys that follow later changes: a start, a drain, a shutdown time."""
    shutdown = str(shutdown_at(facts))
    return Features(
        machine={"shutdowntime": shutdown},
        job={"shutdowntime_job": shutdown, "jobstart_secs": str(facts.jobstart_at)},
    )


def _decimal(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
