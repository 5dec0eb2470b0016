"""`vcycled`: the command that starts the manager."""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click

from vcycled import __version__, kvlog
from vcycled.apel.queue import Queue
from vcycled.clock import Clock, SystemClock
from vcycled.config import ConfigSource, InstalledSpaces, ManagerOptions
from vcycled.config.places import database_url, pid_path
from vcycled.daemon import process
from vcycled.daemon.footing import Footing
from vcycled.daemon.outfit import Outfit, installation_of
from vcycled.daemon.supervisor import Supervisor
from vcycled.errors import ConfigError, OperatorError, StoreError
from vcycled.machinedir import MachineDir
from vcycled.store import Presence, Store
from vcycled.systemd import notifier

EXIT_CONFIG = 2
EXIT_START = 1


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vcycle", prog_name="vcycled")
@click.option(
    "--config",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder of *.conf files; repeatable. Without it, the usual places are read.",
)
@click.option("--detach", is_flag=True, help="Go on in the background (systemd wants it not to).")
@click.pass_obj
def main(clock: Clock | None, paths: tuple[Path, ...], *, detach: bool) -> None:
    """Keep the machines of every configured space as they should be, until told to end.

    SIGTERM or SIGINT ends it after the calls under way, SIGHUP opens the log file anew.

    Exit status: 0 after an ordinary end, 1 if it cannot start, 2 if the configuration is wrong.
    """
    configs = ConfigSource([path.absolute() for path in paths] or None)
    try:
        run(configs, _usable(configs), detach=detach, clock=clock or SystemClock())
    except (OperatorError, StoreError) as error:
        click.echo(f"vcycled: {error}", err=True)
        sys.exit(EXIT_START)


def _usable(configs: ConfigSource) -> ManagerOptions:
    """Return what the manager runs under; end the command if there is no space it could run."""
    try:
        config = configs.current()
    except ConfigError as error:
        problems = error.problems
    else:
        if config.spaces or not config.errors:
            return config.manager
        problems = config.problems
    for problem in problems:
        click.echo(str(problem), err=True)
    click.echo(f"vcycled: {len(problems)} problems, nothing started", err=True)
    sys.exit(EXIT_CONFIG)


def run(configs: ConfigSource, manager: ManagerOptions, *, detach: bool, clock: Clock) -> None:
    """Run the manager until it is told to end.

    Raises:
        OperatorError: another copy runs, a file cannot be written, or what it stands on was
            replaced while it ran.
        StoreError: the database cannot be opened.
    """
    process.collect_seldom()
    with ExitStack() as stack:
        _make_root(manager)
        lock = stack.enter_context(process.only_one(manager.root))
        handler = process.log_to(manager.log_file, manager.log_level)
        if detach:
            process.detach([lock, *_descriptors(handler)])
        process.tell_where_it_hangs()
        systemd = notifier(os.environ)
        stack.enter_context(process.pid_file(pid_path(manager)))
        store = Store.open(database_url(manager), clock=clock)
        stack.callback(store.close)
        host = manager.manager_hostname or socket.getfqdn()
        store.leases.enrol(_presence(manager, host))
        log = kvlog.get("vcycled")
        outfit = Outfit(
            configs=configs,
            store=store,
            queue=Queue(manager.root),
            clock=clock,
            rng=random.SystemRandom(),
            host=host,
            installation=installation_of(manager, store),
            registry=InstalledSpaces(),
            log=log,
            footing=Footing.on(process.lock_path(manager.root), *store.files),
        )
        MachineDir(manager.root, clock=clock).make_ready()
        supervisor = Supervisor(outfit, systemd=systemd)
        _heed_signals(supervisor, handler)
        log.info("started", pid=os.getpid(), host=outfit.host, root=str(manager.root))
        supervisor.run()


def _presence(manager: ManagerOptions, host: str) -> Presence:
    return Presence(
        name=host,
        run=str(uuid.uuid4()),
        host=socket.getfqdn(),
        root=str(manager.root),
        pid=os.getpid(),
        version=__version__,
        beat_seconds=manager.manager_heartbeat_seconds,
    )


def _make_root(manager: ManagerOptions) -> None:
    try:
        manager.root.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"{manager.root} cannot be made: {error.strerror}") from error


def _descriptors(handler: logging.Handler) -> list[int]:
    stream = getattr(handler, "stream", None)
    return [] if stream is None else [stream.fileno()]


def _heed_signals(supervisor: Supervisor, handler: logging.Handler) -> None:
    """Let signals set flags only: whatever lock the main thread holds, they cannot wait for it."""

    def end(_number: int, _frame: FrameType | None) -> None:
        supervisor.stop()

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        supervisor.reopen_logs(lambda: process.reopen(handler))

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, hang_up)
