"""The command `vcycle-admin`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import click

from vcycled import __version__, kvlog
from vcycled.admin.doorkeeper import Doorkeeper
from vcycled.admin.site import AdminSite, listening
from vcycled.cli.printing import clean
from vcycled.cli.session import Session
from vcycled.clock import Clock, SystemClock
from vcycled.config import Config, ManagerOptions
from vcycled.config.admin_door import refusals
from vcycled.errors import ConfigError
from vcycled.systemd import notifier

_LOG = kvlog.get(__name__)

_FAILED = 1
_BAD_CONFIG = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder of *.conf files; repeatable. Without it, the usual places are read.",
)
@click.version_option(__version__, prog_name="vcycle-admin")
@click.pass_obj
def main(clock: Clock | None, paths: tuple[Path, ...]) -> None:
    """Serve the status page of Vcycle, its API (/api/v1), /metrics, /healthz and /readyz.

    On this host everybody may read. From other hosts it takes TLS, and a token or a certificate:
    see the options admin_* of [vcycle].

    Ends with 0 when told to (SIGTERM, SIGINT), 1 if it cannot listen, 2 if the configuration is
    wrong.
    """
    sys.exit(run(paths, clock=clock or SystemClock()))


def run(paths: tuple[Path, ...], *, clock: Clock) -> int:
    """Serve until a signal; return the exit status."""
    session = Session(clock, paths or None)
    try:
        options = session.config.manager
        _check_door(session.config)
        doorkeeper = Doorkeeper(options, clock)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(clean(f"vcycle-admin: {problem}"), err=True)
        return _BAD_CONFIG
    kvlog.send_to(logging.StreamHandler(), options.log_level)
    try:
        doorkeeper.keys.open()
    except (OSError, ValueError) as error:
        click.echo(f"vcycle-admin: {doorkeeper.keys.path}: {error}", err=True)
        return _FAILED
    try:
        asyncio.run(_serve(session, options, doorkeeper))
    except OSError as error:
        click.echo(f"vcycle-admin: cannot serve on port {options.admin_port}: {error}", err=True)
        return _FAILED
    return 0


def _check_door(config: Config) -> None:
    """Refuse options that would let anybody in.

    Raises:
        ConfigError: these do.
    """
    if refused := refusals(config.problems):
        raise ConfigError(refused)


async def _serve(session: Session, options: ManagerOptions, doorkeeper: Doorkeeper) -> None:
    told = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, told.set)
    site = AdminSite(session.anew, doorkeeper)
    async with listening(site, options.admin_listen, options.admin_port) as port:
        _LOG.info("admin-started", port=port)
        systemd = notifier(os.environ)
        systemd.ready()
        await told.wait()
        systemd.stopping()
    _LOG.info("admin-stopped")
