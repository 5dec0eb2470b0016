"""The command `vcycle-web`."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from pathlib import Path

import click

from vcycled import __version__, kvlog
from vcycled.clock import Clock, SystemClock
from vcycled.config import WEB_PATH, WebOptions, load_web
from vcycled.errors import ConfigError
from vcycled.systemd import notifier
from vcycled.web.server import WebServer
from vcycled.web.tls import Certificate

_LOG = kvlog.get(__name__)

_FAILED = 1
_BAD_CONFIG = 2
_FILES_EACH = 2
"""The connection, and the output that comes by it."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=WEB_PATH,
    show_default=True,
    help="The file with the section [web].",
)
@click.version_option(__version__, prog_name="vcycle-web")
@click.pass_obj
def main(clock: Clock | None, path: Path) -> None:
    """Serve the machines of Vcycle: features, heartbeat lists, files, and their outputs.

    Ends with 0 when told to (SIGTERM, SIGINT), 1 if it cannot listen, 2 if the configuration is
    wrong.
    """
    sys.exit(run(path, clock=clock or SystemClock()))


def run(path: Path, *, clock: Clock) -> int:
    """Serve as the file at `path` says until a signal; return the exit status."""
    try:
        options, warnings = load_web(path)
        certificate = Certificate(options.certificate, options.key, options.client_authorities)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"vcycle-web: {problem}", err=True)
        return _BAD_CONFIG
    kvlog.send_to(logging.StreamHandler(), options.log_level)
    for warning in warnings:
        _LOG.warning("config-warning", detail=str(warning))
    _allow_many_files(options)
    try:
        asyncio.run(_serve(options, certificate, clock))
    except OSError as error:
        click.echo(f"vcycle-web: cannot serve on port {options.port}: {error}", err=True)
        return _FAILED
    return 0


async def _serve(options: WebOptions, certificate: Certificate, clock: Clock) -> None:
    server = WebServer(options, certificate, clock=clock)
    await server.start()
    told = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, told.set)
    systemd = notifier(os.environ)
    systemd.ready()
    try:
        await server.run(told)
    finally:
        systemd.stopping()
        await server.close()


def _allow_many_files(options: WebOptions) -> None:
    """Let this process have as many connections as the system allows it; warn of too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < _FILES_EACH * options.max_connections:
        why = f"each may need {_FILES_EACH} files, and this process may have {hard} open"
        _LOG.warning("config-warning", detail=f"max_connections: {options.max_connections}: {why}")
