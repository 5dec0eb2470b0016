"""[vcycle]: settings of the manager itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vcycled.config.tables.kinds import ABSOLUTE, DATABASE, DNS, SINKS, or_for_ever
from vcycled.options import (
    CENTURY_S,
    FLAG,
    HOST,
    PATIENCE,
    PORT,
    Secret,
    choice,
    matching,
    option,
    optional,
    whole,
    words,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerOptions:
    """The [vcycle] section. It may be left out: every option has a default."""

    root: Path = option(
        ABSOLUTE,
        default=Path("/var/lib/vcycle"),
        help="""Folder of everything that the manager keeps and publishes, called ROOT on this
        page. Read when vcycled starts; a change waits for a restart.""",
    )
    database: Secret | None = optional(
        DATABASE,
        default_text="sqlite:///ROOT/vcycle.db",
        help="""Where the manager remembers machines, aborts and accounting rows. SQLite needs
        nothing and is right for one manager; with PostgreSQL several may share the spaces. The
        URL may hold a password, so keep the file from other users. Read when vcycled starts.""",
    )
    log_file: Path | None = optional(
        ABSOLUTE,
        default_text="standard error",
        help="""File that log lines are appended to. Without it they go to standard error, where
        systemd puts them into the journal; a vcycled that runs detached needs it. SIGHUP opens
        it anew, for logrotate.""",
    )
    log_level: str = option(
        choice("debug", "info", "warning", "error"),
        default="info",
        help="""The least important lines that are logged. info: what was done; warning: what
        failed and will be tried again; error: what a person must act on.""",
    )
    pid_file: Path | None = optional(
        ABSOLUTE,
        default_text="ROOT/vcycled.pid",
        help="""File with the process number of vcycled. A file left over from a crash does no
        harm: what keeps a second copy from starting is a lock on ROOT/vcycled.lock. Read when
        vcycled starts.""",
    )
    installation_id: str | None = optional(
        matching(r"[A-Za-z0-9._-]{1,64}", "1 to 64 of A-Z a-z 0-9 . _ -"),
        default_text="made at the first start and kept in the database",
        help="""Name of this installation, tagged on every machine: only machines with it are
        ours to delete. Set it only to take over the machines of an installation whose database
        is lost. Read when vcycled starts.""",
    )
    manager_hostname: str | None = optional(
        HOST,
        default_text="the full name of this host",
        help="""Name of this host in accounting records, tags and user_data. Set it if the host
        does not know its own full name, or to keep a site's accounting history under the old
        name after a move.""",
    )
    ca_folder: Path = option(
        ABSOLUTE,
        default=Path("/etc/grid-security/certificates"),
        help="""Folder with the certificates of authorities and their lists of revoked ones, as
        packages of IGTF and fetch-crl keep it. Who signed an image (cernvm_signing_dn) must come
        from one of them; web servers of images may, too.""",
    )
    parallel_calls: int = option(
        whole(1, 1000),
        default=10,
        help="""How many creations and deletions may be under way at once in each space. More is
        faster; too many at once upset small clouds.""",
    )
    call_timeout_seconds: int = option(
        PATIENCE,
        default=90,
        help="""A single call to a cloud that takes longer is given up. What became of a creation
        is then looked for by name.""",
    )
    cycle_timeout_seconds: int = option(
        PATIENCE,
        default=600,
        help="""A cycle of a space that takes longer is given up and reported; the next one
        starts afresh. Must not be less than call_timeout_seconds.""",
    )
    manager_heartbeat_seconds: int = option(
        whole(1, 600, unit="seconds"),
        default=10,
        help="""How often this manager tells the others that share its PostgreSQL database that it
        lives. After two that are missing they take over its spaces, and it creates and deletes
        nothing itself. Read when vcycled starts.""",
    )
    history_days: int = option(
        whole(7, CENTURY_S // 86_400, unit="days"),
        default=90,
        help="""How many days the stories of machines that are gone are kept, with events and
        orders, and the folders of machines of spaces that were taken out of the configuration.
        So long records wait for a sink that was taken out. What accounting is made from is kept
        for ever. Managers that share a database should say the same: the least of them counts.""",
    )
    archive_days: int = option(
        or_for_ever(31),
        default=0,
        default_text="0: for ever",
        help="""How many days after the end of its run a record is kept in apel-archive, where
        vcycle apel list and resend find it; one that still waits for ssmsend stays. Files of JSON
        lines are kept as long. The archive is a site's own proof of what it delivered, so nothing
        is removed unless this is set. APEL may ask for months to be sent again: 400 days are a
        good choice.""",
    )
    accounting: tuple[str, ...] = option(
        SINKS,
        default=("apel",),
        default_text="apel",
        help="""The sinks that get a record of each run: apel (apel-archive, and apel-outgoing for
        spaces with a gocdb_sitename), auditor, jsonl, or other names of [accounting NAME]
        sections. One that is added gets the records of runs that end from then on; vcycle
        accounting resend gives it earlier ones. One that is taken out and put back gets what it
        missed.""",
    )
    min_free_mb: int = option(
        whole(0, 10**9, unit="MB"),
        default=512,
        help="""Nothing is created while less is free on a disk that the manager writes to (ROOT,
        its shared folder, the database), in MB of 2**20 bytes, or while fewer than 10000 more
        files fit. What runs goes on, and its records still find room. 0 looks at no disk.""",
    )
    admin_listen: tuple[str, ...] = option(
        words(HOST),
        default=("127.0.0.1",),
        default_text="127.0.0.1",
        help="""Addresses that vcycle-admin listens on. On addresses of this host alone (127.0.0.1,
        ::1, localhost) everybody on it may read, and orders need the token of admin_token_file. On
        others everything but /healthz needs that token, or a certificate of admin_dns; and TLS
        (admin_cert), or admin_behind_proxy. Read when vcycle-admin starts, as all of admin_.""",
    )
    admin_port: int = option(
        PORT,
        default=8444,
        help="Port that vcycle-admin listens on.",
    )
    admin_cert: Path | None = optional(
        ABSOLUTE,
        default_text="none: plain HTTP",
        help="""PEM file with the certificate of vcycle-admin, then those of the authorities
        between it and the root. With it every address is served by https only. Read again when it
        changes.""",
    )
    admin_key: Path | None = optional(
        ABSOLUTE,
        help="PEM file with the private key of admin_cert, not encrypted.",
    )
    admin_ca: Path | None = optional(
        ABSOLUTE,
        default_text="none: no certificates of clients are asked for",
        help="""Authorities whose certificates clients may show: a folder of hashed certificates
        such as /etc/grid-security/certificates, whose CRLs are honoured, or a PEM file. Who may
        come in stands in admin_dns. Read again when it changes.""",
    )
    admin_dns: tuple[str, ...] = option(
        DNS,
        default=(),
        help="""Names in certificates of those who may see everything and give orders. Proxies
        (RFC 3820) are taken for whom they stand for.""",
    )
    admin_token_file: Path | None = optional(
        ABSOLUTE,
        default_text="ROOT/admin-token",
        help="""File with what clients may show as Authorization: Bearer TOKEN, to see everything
        and give orders: a token in each line, then a blank and the name of its holder. Made with
        one token, for its owner alone, if it is not there. Read again when it changes.""",
    )
    admin_behind_proxy: bool = option(
        FLAG,
        default=False,
        help="""A web server of the site's own stands before vcycle-admin, does TLS, and hands
        Authorization on. Then plain HTTP may leave this host, and who comes by a loopback address
        needs a token too, as it may be anybody.""",
    )
    heartbeat_receiver: str = option(
        choice("vcycle-web", "external"),
        default="vcycle-web",
        help="""Who takes the heartbeats that machines send. vcycle-web: machines are deleted for
        missing heartbeats only if it has been up all that time. external: another web server
        does (such as Apache with Vcycle's old CGI) and is trusted to be up.""",
    )
