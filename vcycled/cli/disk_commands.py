"""`vcycle disk`: the command."""

from __future__ import annotations

import click

from vcycled.cli.params import config_option, json_option, pass_session
from vcycled.cli.session import Session
from vcycled.cli.site_questions import DiskUse
from vcycled.cli.telling import tell


@click.command()
@config_option
@json_option
@pass_session
def disk(session: Session, *, as_json: bool) -> None:
    """Tell what takes up how much of the manager's disks.

    For each area: its size, how many files, the oldest, how long it is kept, and how much room is
    left. Every file is looked at, so it may take a while.
    """
    tell(session, DiskUse(), as_json=as_json)
