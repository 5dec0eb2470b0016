"""`vcycle disk`: the command."""

from __future__ import annotations

import click

from vcycled.cli.disk import Usage, disk_blocks, disk_json
from vcycled.cli.params import config_option, json_option, pass_session
from vcycled.cli.session import Session
from vcycled.house.disks import disks
from vcycled.house.ledger import areas


@click.command()
@config_option
@json_option
@pass_session
def disk(session: Session, *, as_json: bool) -> None:
    """Tell what takes up how much of the manager's disks.

    For each area: its size, how many files, the oldest, how long it is kept, and how much room is
    left. Every file is looked at, so it may take a while.
    """
    with session.store() as store:
        found = areas(session.config, store, clock=session.clock)
    manager = session.config.manager
    usage = Usage(
        now=session.now, min_free_mb=manager.min_free_mb, disks=disks(manager), areas=found
    )
    if as_json:
        session.printer.json(disk_json(usage))
    else:
        session.printer.show(disk_blocks(usage, session.words))
