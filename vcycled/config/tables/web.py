"""[web] of /etc/vcycle-web.conf: the web process, which may run on another host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vcycled.config.tables.kinds import ABSOLUTE
from vcycled.options import HOST, PORT, choice, option, optional, required, whole, words


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """The [web] section of the web process's own file. It reads nothing of vcycle.conf."""

    root: Path = option(
        ABSOLUTE,
        default=Path("/var/lib/vcycle"),
        help="The manager's root. Another host needs only its folders shared and www of it.",
    )
    listen: tuple[str, ...] = option(
        words(HOST),
        default=(),
        default_text="every address of the host",
        help="Addresses to listen on.",
    )
    port: int = option(
        PORT,
        default=8443,
        help="""Port to listen on. Below 1024 needs privileges (systemd: CapabilityBoundingSet
        and AmbientCapabilities=CAP_NET_BIND_SERVICE). https_port of the spaces must lead
        here.""",
    )
    certificate: Path = required(
        ABSOLUTE,
        help="PEM file with the server's certificate, then those of the authorities between it "
        "and the root. The name in it must be https_host of the spaces.",
    )
    key: Path = required(
        ABSOLUTE,
        help="PEM file with the private key of the certificate, not encrypted. Only the user of "
        "vcycle-web should be able to read it.",
    )
    client_authorities: Path | None = optional(
        ABSOLUTE,
        default_text="none: machines prove themselves by tokens only",
        help="""Authorities whose certificates machines may show instead of a token: a folder of
        hashed certificates such as /etc/grid-security/certificates, whose CRLs (*.r0) are
        honoured, or a PEM file with certificates and CRLs. Proxies (RFC 3820) are taken for whom
        they stand for. Read again when it changes.""",
    )
    plain_http_port: int | None = optional(
        PORT,
        default_text="none: https only",
        help="""Port that serves, without encryption, what anybody may read: features, heartbeat
        lists and www. Nothing is written there and no token or certificate is looked at.""",
    )
    front_socket: Path | None = optional(
        ABSOLUTE,
        help="""Unix socket for a web server of the site's own that stands in front (etc/httpd,
        etc/nginx). What that server says of a client's certificate is believed on this socket
        only. It has mode 0660: the server must be in the group of vcycle-web.""",
    )
    hostname: str | None = optional(
        HOST,
        default_text="the full name of this host",
        help="""Name of the mark shared/web_up/HOSTNAME by which the manager sees that this
        process is up. Several web processes on one tree need different names.""",
    )
    max_connections: int = option(
        whole(1, 1_000_000),
        default=4000,
        help="""Most connections at once, half-open ones too. More are closed unanswered; as the
        heartbeats of anybody may be among them, they then delete no machine for a while. Each may
        need two files: see LimitNOFILE of the unit. front_socket is not counted.""",
    )
    max_connections_per_address: int = option(
        whole(1, 1_000_000),
        default=400,
        help="""Most of them from one address, or from one /64 network of IPv6, so that no machine
        can take them all. Machines behind one NAT address share it: raise it if there are
        thousands.""",
    )
    joboutputs_max_file_mb: int = option(
        whole(1, unit="MB"),
        default=1024,
        help="""Largest file that a machine may put into its joboutputs, in MB of 2**20 bytes;
        larger ones are refused with status 413.""",
    )
    joboutputs_max_total_mb: int = option(
        whole(1, unit="MB"),
        default=4096,
        help="Most that the files in the joboutputs of one machine may hold together, in MB.",
    )
    joboutputs_max_files: int = option(
        whole(1, unit="files"),
        default=1000,
        help="Most files that one machine may put into its joboutputs.",
    )
    joboutputs_max_per_minute: int = option(
        whole(1, 1_000_000, unit="outputs a minute"),
        default=600,
        help="""How often one machine may put an output, in the long run; as many may come at once
        after a quiet time. More are refused with status 429.""",
    )
    min_free_mb: int = option(
        whole(0, 10**9, unit="MB"),
        default=256,
        help="""Outputs larger than 64 KiB are refused with status 507 if less than this were left
        free on their disk, in MB of 2**20 bytes; heartbeats and shutdown messages are taken. Leave
        it below min_free_mb of vcycled, which then stops creating first. 0: it may fill up.""",
    )
    log_level: str = option(
        choice("debug", "info", "warning", "error"),
        default="info",
        help="The least important lines that are written to standard error.",
    )
