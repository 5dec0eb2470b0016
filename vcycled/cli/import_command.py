"""`vcycle import-vcycle3`: take over the machines that a Vcycle 3 left."""

from __future__ import annotations

from pathlib import Path

import click

from vcycled.cli.alive import ManagerState
from vcycled.cli.importing import (
    blocks,
    draining,
    refuse_if_active,
    refuse_if_empty,
    takeover_json,
)
from vcycled.cli.ownership import hand_over
from vcycled.cli.params import config_option, json_option, pass_session
from vcycled.cli.printing import clean
from vcycled.cli.session import Session
from vcycled.config.places import sqlite_path
from vcycled.cycle.facts import terms_of_lost
from vcycled.errors import OperatorError, StoreError
from vcycled.store import APEL, Store
from vcycled.vcycle3 import OldTree, Takeover, read_tree, survey


@click.command(name="import-vcycle3")
@click.argument("root", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Read and tell only; Vcycle 3 may run meanwhile.")
@config_option
@json_option
@pass_session
@click.pass_context
def import_vcycle3(
    context: click.Context, session: Session, root: Path, *, dry_run: bool, as_json: bool
) -> None:
    """Take over the machines that Vcycle 3 left under ROOT.

    ROOT is usually /var/lib/vcycle, and only read. Neither Vcycle 3 nor vcycled may be running;
    the machines run on. They are known from then on by the cloud's ids, or by their exact names.
    It can be repeated: what is known already is passed over, but machines that were taken for gone
    because no listing showed them are looked for once more.

    Exit status: 0 if all could be taken over, 1 if anything had to be left out, or if there is
    nothing of Vcycle 3 under ROOT.
    """
    tree = read_tree(root, clock=session.clock)
    found = _rehearse(session, root, tree) if dry_run else _import(session, root, tree)
    drains = draining(found, session.config)
    if as_json:
        session.printer.json(takeover_json(found, drains, is_rehearsal=dry_run))
    else:
        session.printer.show(blocks(found, drains, is_rehearsal=dry_run))
    context.exit(1 if any(each.is_left_out for each in found.troubles) else 0)


def _import(session: Session, root: Path, tree: OldTree) -> Takeover:
    """Take over what is in `tree`, making the database if there is none.

    Raises:
        OperatorError: machines would get two managers, or one that cannot hear them; or there are
            none.
    """
    if session.manager is ManagerState.RUNNING:
        raise OperatorError("vcycled is running: stop it first (machines run on)")
    if root.resolve() != session.root.resolve():
        raise OperatorError(
            f"machines go on writing to {root}, so it must be the manager's folder, but root in "
            f"[vcycle] is {session.root}; a copy can be looked at with --dry-run"
        )
    refuse_if_empty(tree, root)
    refuse_if_active(tree, now=session.now)
    with Store.open(session.database, clock=session.clock) as store:
        found = _survey(session, root, tree, store)
        store.take_over(found.changes, sink=APEL)
    if place := sqlite_path(session.database):
        hand_over(place.parent, place.parent.glob(f"{place.name}*"))
    return found


def _rehearse(session: Session, root: Path, tree: OldTree) -> Takeover:
    """Return what would be taken over; where vcycled has never run nothing is known yet.

    Raises:
        OperatorError: there is nothing.
    """
    refuse_if_empty(tree, root)
    try:
        with session.store() as store:
            return _survey(session, root, tree, store)
    except (OperatorError, StoreError) as error:
        click.echo(clean(f"note: what the database knows is not counted: {error}"), err=True)
        return _survey(session, root, tree, None)


def _survey(session: Session, root: Path, tree: OldTree, store: Store | None) -> Takeover:
    spaces = {space.name: space for space in session.config.spaces}
    return survey(
        root,
        tree,
        store,
        sites={name: each.options.gocdb_sitename or "" for name, each in spaces.items()},
        terms=lambda space, kind: terms_of_lost(spaces[space], kind, host=session.host),
        now=session.now,
    )
