"""`vcycle import-vcycle3`: take over the machines that a Vcycle 3 left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from vcycled.cli.alive import ManagerState
from vcycled.cli.importing import blocks, refuse_if_active, takeover_json
from vcycled.cli.ownership import hand_over
from vcycled.cli.params import config_option, json_option, pass_session
from vcycled.cli.session import Session
from vcycled.config.places import sqlite_path
from vcycled.cycle.facts import terms_of_lost
from vcycled.errors import OperatorError
from vcycled.model import Terms
from vcycled.store import APEL, Store
from vcycled.vcycle3 import Takeover, read_tree, survey


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
    It can be repeated: what is known already is passed over.

    Exit status: 0 if all could be taken over, 1 if anything had to be left out.
    """
    if not dry_run:
        _check(session, root)
    found = _read(session, root, is_rehearsal=dry_run)
    if not dry_run:
        with Store.open(session.database, clock=session.clock) as store:
            store.take_over(found.changes, sink=APEL)
        if place := sqlite_path(session.database):
            hand_over(place.parent, place.parent.glob(f"{place.name}*"))
    if as_json:
        session.printer.json(takeover_json(found, is_rehearsal=dry_run))
    else:
        session.printer.show(blocks(found, is_rehearsal=dry_run))
    context.exit(1 if any(each.is_left_out for each in found.troubles) else 0)


def _check(session: Session, root: Path) -> None:
    """Refuse what would give machines two managers, or one that cannot hear them.

    Raises:
        OperatorError: vcycled runs, or keeps its machines elsewhere.
    """
    if session.manager is ManagerState.RUNNING:
        raise OperatorError("vcycled is running: stop it first (machines run on)")
    if root.resolve() != session.root.resolve():
        raise OperatorError(
            f"machines go on writing to {root}, so it must be the manager's folder, but root in "
            f"[vcycle] is {session.root}; a copy can be looked at with --dry-run"
        )


def _read(session: Session, root: Path, *, is_rehearsal: bool) -> Takeover:
    """Return what is to be taken over.

    Raises:
        OperatorError: a Vcycle 3 is at work there, and this is no rehearsal.
    """
    tree = read_tree(root, clock=session.clock)
    if not is_rehearsal:
        refuse_if_active(tree, now=session.now)
    spaces = {space.name: space for space in session.config.spaces}

    def terms(space: str, machinetype: str) -> Terms:
        return terms_of_lost(spaces[space], machinetype, host=session.host)

    with _store(session) as store:
        return survey(
            root,
            tree,
            store,
            sites={name: each.options.gocdb_sitename or "" for name, each in spaces.items()},
            terms=terms,
            now=session.now,
        )


@contextmanager
def _store(session: Session) -> Iterator[Store | None]:
    """Give the store for reading; None if vcycled has never run here."""
    place = sqlite_path(session.database)
    if place is not None and not place.exists():
        yield None
        return
    with session.store() as store:
        yield store
