"""[machinetype SPACE NAME] and [vacuum_pipe SPACE PREFIX]."""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.config.tables.kinds import (
    ABOVE_ZERO,
    ASCII,
    DN,
    IMAGE,
    MOST_SHARE,
    OUTPUT_NAME,
    PROXIES,
    USER_DATA,
)
from vcycled.options import (
    FLAG,
    NAMES,
    PATH,
    PATTERN,
    SECONDS,
    URL,
    choice,
    number,
    option,
    optional,
    required,
    seconds,
    whole,
)

_MOST = 10**9
_PROCESSORS = whole(1, _MOST, unit="processors")
_LIMIT = whole(0, _MOST, unit="processors")
_SHARE = number(0, MOST_SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinetypeOptions:
    """A [machinetype SPACE NAME] section: one kind of machine for one community in one space.

    NAME is made of a-z 0-9 and hyphens. The same name in another space is another machinetype.
    """

    target_share: float = option(
        _SHARE,
        default=0.0,
        help="""Wanted part of the space, relative to the other machinetypes: shares need not sum
        to 1. Weighed by the power of the processors if every machinetype of the space states
        one, else by processors. What one cannot use goes to the others. 0: never created.""",
    )
    preemptible: bool = option(
        FLAG,
        default=False,
        help="""Its machines get only room that no other machinetype of the space can use, and give
        way, the youngest first, once one that is below its share has lacked room for
        preempt_after_seconds. Its target_share is only between preemptible machinetypes; shares
        of the others are counted without it.""",
    )
    processors_limit: int | None = optional(
        _LIMIT,
        old=["max_machines"],
        help="""No machine is created if the machinetype would then have more processors than
        this, in any state, also those just asked for. 0 stops creation.""",
    )
    max_starting_processors: int | None = optional(
        _LIMIT,
        default_text="processors_limit",
        help="""Most processors of machines that are not running yet. Keeps a slow image server
        or network from being overrun.""",
    )
    min_processors: int = option(
        _PROCESSORS,
        default=1,
        old=["processors_per_machine", "cpu_per_machine"],
        help="""Smallest machine: the first flavor of the list with this many processors or more
        (and not more than max_processors) is used.""",
    )
    max_processors: int | None = optional(_PROCESSORS, help="Largest machine, see min_processors.")
    flavor_names: tuple[str, ...] = option(
        NAMES,
        default=(),
        old=["flavor_name"],
        default_text="the space's",
        help="""Flavors in order of preference. The next one that fits is tried when the cloud
        has no room for one.""",
    )
    zones: tuple[str, ...] = option(
        NAMES,
        default=(),
        default_text="the space's",
        help="Availability zones in order of preference.",
    )
    backoff_seconds: int = required(
        SECONDS,
        help="""After a machine aborted (it fizzled, or said 300 to 699 in its shutdown message)
        nothing of this machinetype is created for so long; then one machine at a time, until
        one of them finds work. Keeps an empty queue from being asked by many machines.""",
    )
    fizzle_seconds: int = required(
        SECONDS,
        help="""A machine that ran for less and left no shutdown code counts as aborted, and
        machines that ran for less are not accounted. Heartbeats are looked at only after it.
        Choose a little more than a machine needs to find that there is no work.""",
    )
    max_wallclock_seconds: int = option(
        SECONDS,
        default=86400,
        help="""Machines that have run for longer are deleted. The machine is told by its job
        features, so that well-behaved ones stop in time.""",
    )
    min_wallclock_seconds: int | None = optional(
        SECONDS,
        default_text="fizzle_seconds",
        help="Nothing is created that could not run for so long before a shutdown time.",
    )
    start_timeout_seconds: int = option(
        seconds(1),
        default=3600,
        help="A machine that is not running so long after it was asked for is deleted.",
    )
    heartbeat_file: str | None = optional(
        OUTPUT_NAME,
        help="""File that each machine must have put into its joboutputs once it has run for
        longer than fizzle_seconds and heartbeat_seconds; without it the machine is deleted.""",
    )
    heartbeat_seconds: int = option(
        SECONDS,
        default=0,
        help="""How old the heartbeat_file may become before the machine is deleted. 0: it need
        only be there.""",
    )
    abort_on_heartbeat: bool = option(
        FLAG,
        default=False,
        help="""Count a machine that was deleted for its heartbeat as aborted, so that
        backoff_seconds follow.""",
    )
    abort_on_700: bool = option(
        FLAG,
        default=False,
        help="""Count shutdown messages 700 and above that a machine itself wrote as aborts, as
        Vac does. Vcycle 3 does not.""",
    )
    hs06_per_processor: float | None = optional(
        ABOVE_ZERO,
        old=["hs06"],
        help="""Power of one processor in HS06: for shares, machine and job features, and
        accounting records.""",
    )
    hepscore23_per_processor: float | None = optional(
        ABOVE_ZERO,
        help="""Power of one processor in HEPscore23. With it, shares and accounting records use
        it instead of hs06_per_processor.""",
    )
    mb_per_processor: int = option(
        whole(1, _MOST, unit="MB"),
        default=2048,
        help="Memory for each processor, told to the machine if its flavor does not say.",
    )
    accounting_fqan: str | None = optional(
        ASCII,
        help="""VOMS group of the community in accounting records, such as
        /lhcb/Role=pilot/Capability=NULL.""",
    )
    root_image: str | None = optional(
        IMAGE,
        default_text="required by most APIs",
        help="""What machines boot. image:NAME-OR-ID is an image that the cloud has. A file of this
        host or a URL is uploaded, and again when it changes: qcow2, ISO (also any name in .iso)
        or a raw disk. A URL must be of a server that states Last-Modified or an ETag. A relative
        path is in the machinetype's files folder.""",
    )
    cernvm_signing_dn: str | None = optional(
        PATTERN,
        help=r"""Regular expression that is looked for in the name of who signed the image, such
        as /CN=cvm-sign01\.cern\.ch$. An image of a path or URL that has no such signature, by a
        certificate from an authority in ca_folder, is refused.""",
    )
    root_public_key: str | None = optional(
        PATH,
        default_text="/root/.ssh/id_rsa.pub, if it is there",
        help="""Path of the file with the public SSH key (not the key itself) that may log in to
        the machines as root. A relative path is in the machinetype's files folder.""",
    )
    user_data: str = required(
        USER_DATA,
        help="""The template that contextualizes each machine, read for every machine.
        template:NAME is one that comes with Vcycle (`vcycle templates list`). A URL is fetched; a
        relative path is in ROOT/spaces/SPACE/machinetypes/NAME/files. Patterns ##user_data_...##
        in it are replaced; templates named *.j2 are read by Jinja2.""",
    )
    user_data_delivery: str = option(
        choice("auto", "direct", "include"),
        default="auto",
        help="""How a machine gets its user_data. direct: by the cloud. include: the cloud is given
        a stub with which cloud-init fetches it once from vcycle-web, so that no secret stays with
        the cloud; the image must trust the certificate of vcycle-web. auto: by the cloud while it
        is short enough, else packed where the cloud allows, else as include.""",
    )
    user_data_proxy: bool = option(
        FLAG,
        default=False,
        help="""Put a limited X.509 proxy, made from x509cert.pem and x509key.pem in
        ROOT/spaces/SPACE/machinetypes/NAME, into the user_data as
        ##user_data_option_x509_proxy##. It lasts until the machine must have ended; if the
        certificate does not, nothing is created.""",
    )
    legacy_proxy: bool = option(
        FLAG,
        default=False,
        help="""Make that proxy in the old Globus style. Nothing that checks certificates with
        plain OpenSSL accepts such proxies.""",
    )
    https_x509dn: str | None = optional(
        DN,
        old=["x509dn"],
        help="""Name in the client certificate, or in that of which it is a proxy, of machines
        that may write their joboutputs. It must be the whole name, with slashes or commas. They
        can also prove themselves with the token that each finds in its user_data.""",
    )
    joboutputs_auth: str = option(
        choice("any", "token"),
        default="any",
        help="""token: a machine writes its joboutputs only with its own token, and https_x509dn
        is not published. any: https_x509dn is enough, so every machine of that name can write
        for every other.""",
    )
    cvmfs_proxy_machinetype: str | None = optional(
        PROXIES,
        help="""A machinetype of this space that runs web caches; the addresses of its machines
        with a current heartbeat go into ##user_data_option_cvmfs_proxy##, in front of what
        user_data_option_cvmfs_proxy says. NAME or NAME:PORT; the port is 280 if not given.""",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PipeOptions:
    """A [vacuum_pipe SPACE PREFIX] section: machinetypes PREFIX-SUFFIX that a community keeps.

    Every option of a [machinetype] section may stand here too, and then counts for all of them,
    whatever the pipe says. A section [machinetype SPACE PREFIX-SUFFIX] counts still more. Their
    files are in ROOT/spaces/SPACE/machinetypes/PREFIX.
    """

    vacuum_pipe_url: str = required(
        URL,
        help="""Where the community keeps the list of its machinetypes, a JSON document. It is
        fetched again as often as it asks for; its last good copy goes on while it cannot be
        had.""",
    )
    target_share: float = option(
        _SHARE,
        default=0.0,
        help="Share of the pipe as a whole, divided in proportion to those in the list.",
    )
