"""[space SPACE]: one project on one cloud; what every API has in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vcycled.config.tables.kinds import ABSOLUTE, API, ASCII
from vcycled.options import (
    AMOUNT,
    CENTURY_S,
    FLAG,
    HOST,
    HOSTPORT,
    NAMES,
    PORT,
    SECONDS,
    TEXT,
    UNIX_TIME,
    Amount,
    choice,
    option,
    optional,
    required,
    seconds,
    whole,
    words,
)

_LIMIT = whole(0, 10**9, unit="processors")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceOptions:
    """A [space SPACE] section. SPACE is a name like that of a host, such as cloud.example.com."""

    api: str = required(
        API,
        help="""How the cloud is spoken to: the name of an installed kind of space. It decides
        which further options this section takes; they are below, under the API's name.""",
    )
    api_version: str | None = optional(
        TEXT,
        default_text="as the API likes it",
        help="The version of the API, such as 3 for OpenStack Identity. Seldom needed.",
    )
    mode: str = option(
        choice("manage", "observe"),
        default="manage",
        help="""observe: look at the space and plan, but create, delete and publish nothing. For
        trying a configuration beside the manager that is still in charge.""",
    )
    cycle_seconds: int = option(
        seconds(1),
        default=60,
        help="How long after the start of one look at the space the next one begins.",
    )
    processors_limit: int | None = optional(
        _LIMIT,
        old=["max_processors"],
        default_text="the cloud's own quota",
        help="""No machine is created if the space would then have more processors than this,
        counting every machine in it: in any state, ours or not, also those just asked for. The
        cloud's quota still holds if it is lower. 0 stops creation.""",
    )
    flavor_names: tuple[str, ...] = option(
        NAMES,
        default=(),
        help="""Flavors (sizes of machine) for machinetypes that name none of their own, in order
        of preference. With none at all, any flavor that fits the machinetype is taken.""",
    )
    zones: tuple[str, ...] = option(
        NAMES,
        default=(),
        default_text="the cloud chooses",
        help="""Availability zones for machinetypes that name none of their own, in order of
        preference: the next one is tried when one has no room.""",
    )
    volume_gb_per_processor: int = option(
        whole(0, 10**6, unit="GB"),
        default=0,
        help="""Size of the volume that each machine gets, for each of its processors. It is
        deleted with the machine. 0: no volume.""",
    )
    max_creations_per_cycle: Amount = option(
        AMOUNT,
        default=Amount(percent=10.0),
        help="""How many processors may be created in one cycle, as a number or as a share of the
        space's limit, rounded up. One machine is always allowed, however large. Without any
        limit, a share is of what the space holds, and at least 10 processors are allowed.""",
    )
    max_deletions_per_cycle: Amount = option(
        AMOUNT,
        default=Amount(percent=10.0),
        help="""How many running machines may be deleted in one cycle, as a number or as a share
        of the space's machines; one is always allowed. It bounds the harm of a wrong clock or a
        cut listing. Finished, failed, drained and operator-ordered machines do not count.""",
    )
    preempt_after_seconds: int = option(
        SECONDS,
        default=600,
        help="""How long a machinetype below its share must have lacked room before preemptible
        machines are told to make some; they have ten minutes then. See preemptible.""",
    )
    console_log: bool = option(
        FLAG,
        default=True,
        help="""Before a machine that did not start or fell silent is deleted, the end of its
        console is fetched, if the cloud has one, and kept in its folder; vcycle machine NAME
        shows it. It costs a call for each such machine, six in a cycle at most.""",
    )
    gocdb_sitename: str | None = optional(
        ASCII,
        help="""Official name of the site in accounting records (GOCDB). Without it records go to
        apel-archive only, never to apel-outgoing, and the part of the space's name after its
        first dot stands in.""",
    )
    vacmon_hostport: tuple[str, ...] = option(
        words(HOSTPORT),
        default=(),
        help="""VacMon servers that are told by UDP how the space is doing, each as host:port; the
        usual port is 8884.""",
    )
    https_host: str | None = optional(
        HOST,
        default_text="manager_hostname",
        help="""Name by which the machines reach the HTTPS server that shows them their machine
        and job features and takes their outputs.""",
    )
    https_port: int = option(
        PORT,
        default=443,
        help="""Port by which the machines reach that server. vcycle-web listens on 8443 unless
        told otherwise: say the same here, or redirect one to the other.""",
    )
    https_ca_certificates: Path | None = optional(
        ABSOLUTE,
        help="""PEM file with the certificates of the authorities that the machines must trust to
        reach that server, read for every machine; they fill ##user_data_ca_certificates##. Not
        needed if the images trust them already.""",
    )
    shutdown_time: int | None = optional(
        UNIX_TIME,
        help="""When every machine must be gone, in Unix seconds (date -d '2027-01-31 18:00' +%s).
        Machines are told by their job features; nothing is created that could not run
        min_wallclock_seconds before it; machines left at that time are deleted, but not before
        they could read of it for ten minutes. In the past it stops creation.""",
    )
    cleanup_hours: int = option(
        whole(0, CENTURY_S // 3600, unit="hours"),
        default=72,
        help="How many hours the folder of a finished machine, with its outputs, is kept.",
    )
