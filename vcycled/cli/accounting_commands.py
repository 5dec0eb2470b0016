"""`vcycle accounting`: the sinks of accounting records, and giving them records anew."""

from __future__ import annotations

import click

from vcycled.accounting.apel import ApelSink
from vcycled.cli.names import demand
from vcycled.cli.params import (
    config_option,
    json_option,
    pass_session,
    read_instant,
    yes_option,
)
from vcycled.cli.session import Session
from vcycled.cli.sinks import sink_blocks, sink_json
from vcycled.cli.views import sinks_of
from vcycled.cli.words import several
from vcycled.config import find_sink
from vcycled.errors import OperatorError


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
    help="Only runs that ended then or later: 7d, 12h, 2027-01-15 or Unix seconds.",
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
    """
    _demand(session, sink)
    with session.store() as store:
        keys = store.ended_between(since=since, until=until or session.now, space=space)
    if not keys:
        raise OperatorError("no run ended then whose end is final")
    records = several(len(keys), "record")
    if not yes:
        click.confirm(f"Give {records} to {sink}?", abort=True)
    with session.store(writing=True) as store:
        store.begin([sink])
        store.unmark(sink, keys)
    click.echo(f"{records} left for {sink}")


def _demand(session: Session, sink: str) -> None:
    """Refuse a sink to which nothing can be given anew.

    Raises:
        OperatorError: it is not configured, or has a command of its own.
    """
    config = session.config
    demand("sink", sink, config.manager.accounting)
    kinds = {each.name: each.kind for each in config.sinks}
    if sink in kinds and issubclass(find_sink(kinds[sink]), ApelSink):
        raise OperatorError("apel keeps what it was given: vcycle apel resend takes it from there")
