"""`vcycle accounting`: the sinks of accounting records, and giving them records anew."""

from __future__ import annotations

import click

from vcycled.cli.names import demand
from vcycled.cli.params import (
    config_option,
    json_option,
    pass_session,
    read_instant,
    yes_option,
)
from vcycled.cli.session import Session, user
from vcycled.cli.sinks import sink_blocks, sink_json
from vcycled.cli.views import sinks_of
from vcycled.cli.words import several
from vcycled.errors import OperatorError
from vcycled.remember.sinks import forgotten, given_up
from vcycled.store import APEL, Backlog, Store
from vcycled.store.sinks import UNNAMED_SECONDS


@click.group()
def accounting() -> None:
    """See where accounting records go, and give them anew."""


@accounting.command()
@config_option
@json_option
@pass_session
def sinks(session: Session, *, as_json: bool) -> None:
    """List the sinks, what waits for each, and what fails."""
    with session.store() as store:
        found = sinks_of(session.config, store)
    if as_json:
        session.printer.json([sink_json(each) for each in found])
    else:
        session.printer.show(sink_blocks(found, session.words))


@accounting.command()
@click.argument("sink")
@click.option(
    "--since",
    metavar="WHEN",
    required=True,
    callback=read_instant,
    help="Only runs that ended then or later, such as -7d or 2027-01-15.",
)
@click.option(
    "--until", metavar="WHEN", callback=read_instant, help="Only runs that ended before."
)
@click.option("--space", help="Only runs in this space.")
@yes_option
@config_option
@pass_session
def resend(
    session: Session, sink: str, *, since: int, until: int | None, space: str | None, yes: bool
) -> None:
    """Give SINK the records of runs that it may not have.

    They are those of runs that ended since a time, whether it was given them or not: for one that
    was added later, or has lost records. What it still has it does not double. The manager does
    it; vcycle accounting sinks shows what is left.

    APEL's queue is given only those that it never was: vcycle apel resend has all others.
    """
    demand("sink", sink, session.config.manager.accounting)
    new_to = APEL if sink == APEL else None
    with session.store() as store:
        keys = store.ended_between(
            since=since, until=until or session.now, space=space, new_to=new_to
        )
    if not keys:
        told = " and that it was never given; vcycle apel resend takes others from its archive"
        raise OperatorError(f"no run ended then whose end is final{told if new_to else ''}")
    records = several(len(keys), "record")
    if not yes:
        click.confirm(f"Give {records} to {sink}?", abort=True)
    with session.store(writing=True) as store:
        store.begin([sink])
        store.unmark(sink, keys)
    click.echo(f"{records} left for {sink}")


@accounting.command()
@click.argument("sink")
@click.option("--refused", is_flag=True, help="Only the records that it refuses one by one.")
@click.option("--dry-run", is_flag=True, help="Show how many records those are only.")
@yes_option
@config_option
@pass_session
def forget(session: Session, sink: str, *, refused: bool, dry_run: bool, yes: bool) -> None:
    """Give up what waits for SINK, which is no longer named.

    SINK is one that accounting of [vcycle] named once. It collects nothing from then on. What it
    has taken stays known, so it is given nothing twice if it is put back; resend then gives it
    the rest. By itself this happens once no manager has named it for history_days.
    """
    with session.store() as store:
        if refused:
            demand("sink", sink, store.sinks())
        else:
            _demand_unnamed(session, store, sink)
        runs = sum(_portion(each, refused) for each in store.backlogs() if each.sink == sink)
    records = several(runs, "refused record" if refused else "record")
    if dry_run:
        click.echo(f"{sink}: {records} would be given up")
        return
    if not yes:
        click.confirm(f"Give up {records} that {sink} has not taken?", abort=True)
    with session.store(writing=True) as store:
        gone = store.forget_refused(sink) if refused else store.forget_sink(sink)
        tell = given_up if refused else forgotten
        store.tell([tell(sink, gone, who=user(), at=session.now)])
    click.echo(f"{sink}: {several(gone, 'record')} given up")


def _portion(backlog: Backlog, refused: bool) -> int:
    return backlog.refused if refused else backlog.runs


def _demand_unnamed(session: Session, store: Store, sink: str) -> None:
    """Refuse a sink that some manager still has.

    Raises:
        OperatorError: one does, or did a moment ago, or there is no such sink.
    """
    demand("sink", sink, store.sinks())
    configured = session.config.manager.accounting
    if sink in configured:
        raise OperatorError(f"accounting of [vcycle] names {sink}: take it out there first")
    if sink not in store.unnamed(configured):
        minutes = UNNAMED_SECONDS // 60
        raise OperatorError(
            f"some manager of this database named {sink} less than {minutes} minutes ago: take it"
            " out of the configuration of each, and then try again"
        )
