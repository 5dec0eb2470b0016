"""`vcycle backup` and `vcycle restore`: copies of the manager's database."""

from __future__ import annotations

from pathlib import Path

import click

from vcycled.cli.ownership import hand_over
from vcycled.cli.params import config_option, pass_session, yes_option
from vcycled.cli.printing import Line
from vcycled.cli.session import Session
from vcycled.config.places import sqlite_path
from vcycled.errors import OperatorError
from vcycled.store import restore as restore_store

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@config_option
@pass_session
def backup(session: Session, file: Path) -> None:
    """Copy the database into FILE.

    vcycled may run meanwhile. The copy is complete and checked, and only this user can read it. A
    FILE that is there is replaced.
    """
    place = sqlite_path(session.database)
    if place is not None and file.exists() and file.samefile(place):
        raise OperatorError(f"{file} is the database itself")
    with session.store() as store:
        store.backup(file.absolute())
    session.printer.show([Line(f"{file}: a checked copy of {file.stat().st_size} bytes")])


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@yes_option
@config_option
@pass_session
def restore(session: Session, file: Path, *, yes: bool) -> None:
    """Make the backup FILE the database.

    vcycled must not be running. The one that is replaced is kept beside it. Machines that were
    made since the backup are recognized by their tags and adopted.
    """
    if not yes:
        click.confirm(f"Replace the database by {file}?", abort=True)
    replaced = restore_store(session.database, file.absolute())
    place = sqlite_path(session.database)
    assert place is not None, "nothing else can be restored"
    hand_over(place.parent, place.parent.glob(f"{place.name}*"))
    kept = "there was none before" if replaced is None else f"the one before is {replaced}"
    session.printer.show([Line(f"{file} is the database now; {kept}")])
