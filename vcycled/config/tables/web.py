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
    hostname: str | None = optional(
        HOST,
        default_text="the full name of this host",
        help="""Name of the mark shared/web_up/HOSTNAME by which the manager sees that this
        process is up. Several web processes on one tree need different names.""",
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
    log_level: str = option(
        choice("debug", "info", "warning", "error"),
        default="info",
        help="The least important lines that are written to standard error.",
    )
