"""`vcycle status`, `top`, `machines`, `machine`, `why`, `events`: the commands that only look."""

from __future__ import annotations

import click
from rich.console import Console

from vcycled.cli.as_json import CONDITIONS
from vcycled.cli.params import (
    config_option,
    json_option,
    month_argument,
    pass_session,
    read_instant,
)
from vcycled.cli.questions import Events, Machines, Status, Stories, Why
from vcycled.cli.session import Session
from vcycled.cli.site_questions import Accounting
from vcycled.cli.telling import tell
from vcycled.cli.top import show_once, show_until_quit
from vcycled.model import MachineState

_STATES = (*map(str, MachineState), *CONDITIONS)


@click.command()
@click.argument("space", default="")
@config_option
@json_option
@pass_session
def status(session: Session, space: str, *, as_json: bool) -> None:
    """Tell how the manager and its spaces are.

    For each space, or for SPACE alone: limits, machines by state, wanted and actual shares, what
    is held and until when, and the last cycle. What is wrong stands first.
    """
    tell(session, Status(space=space), as_json=as_json)


@click.command()
@click.option("--space", default="", help="Only this space.")
@click.option("--once", is_flag=True, help="Print one picture and end.")
@click.option(
    "--every",
    type=click.IntRange(1, 3600),
    default=2,
    show_default=True,
    metavar="SECONDS",
    help="How long a picture stays.",
)
@config_option
@pass_session
def top(session: Session, *, space: str, once: bool, every: int) -> None:
    """Show how the spaces are, live; q or Ctrl-C ends it.

    What each space holds and what holds it, machine by machine, and the last events. Without a
    terminal one picture is printed.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    if once or not console.is_terminal or console.is_dumb_terminal:
        show_once(session, space, console)
    else:
        show_until_quit(session, space, console, every=every)


@click.command()
@click.argument("space", default="")
@click.option("--all", "has_gone", is_flag=True, help="Also those that are gone.")
@click.option("--machinetype", help="Only those of this machinetype.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state.")
@config_option
@json_option
@pass_session
def machines(
    session: Session,
    space: str,
    *,
    has_gone: bool,
    machinetype: str | None,
    state: str | None,
    as_json: bool,
) -> None:
    """List machines: all, or those of SPACE.

    A state is what the cloud says, or how far the manager is: intended (the cloud was not asked
    yet), asked (not listed yet), gone.
    """
    question = Machines(
        space=space, machinetype=machinetype or "", state=state or "", has_gone=has_gone
    )
    tell(session, question, as_json=as_json)


@click.command()
@click.argument("name")
@config_option
@json_option
@pass_session
def machine(session: Session, name: str, *, as_json: bool) -> None:
    """Tell the whole story of a machine, also if it is gone."""
    tell(session, Stories(name=name), as_json=as_json)


@click.command()
@click.argument("space")
@click.argument("machinetype", default="")
@config_option
@json_option
@pass_session
def why(session: Session, space: str, machinetype: str, *, as_json: bool) -> None:
    """Tell why there are no more machines, and until when.

    Of MACHINETYPE, or of every machinetype of SPACE, as of the last cycle.
    """
    tell(session, Why(space=space, machinetype=machinetype), as_json=as_json)


@click.command()
@click.option("--space", help="Only those of this space.")
@click.option("--machine", "name", help="Only those of the machine of this name.")
@click.option(
    "--since",
    callback=read_instant,
    metavar="TIME",
    help="Only those from this time on, such as -2h.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many."
)
@config_option
@json_option
@pass_session
def events(
    session: Session,
    *,
    space: str | None,
    name: str | None,
    since: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """Tell what happened, the newest last.

    Times are Unix seconds, ISO 8601, or such as -2h, -30m, -1d.
    """
    question = Events(space=space or "", machine=name or "", since=since, limit=limit)
    tell(session, question, as_json=as_json)


@click.command()
@month_argument(required=False)
@config_option
@json_option
@pass_session
def usage(session: Session, month: str, *, as_json: bool) -> None:
    """Tell what machines used in a month (UTC).

    Runs whose records are final count, in the month in which they ended. Power hours are CPU hours
    times what the site states a processor to be worth (HS06, HEPscore23).
    """
    tell(session, Accounting(month=month), as_json=as_json)
