"""`vcycle status`, `top`, `machines`, `machine`, `why`, `events`: the commands that only look."""

from __future__ import annotations

import click
from rich.console import Console

from vcycled.cli.as_json import CONDITIONS, machine_json, plain_json
from vcycled.cli.events import event_blocks
from vcycled.cli.machines import Filter, machine_blocks, wanted
from vcycled.cli.names import demand, hint
from vcycled.cli.params import config_option, json_option, pass_session, read_instant
from vcycled.cli.session import Session
from vcycled.cli.status import chosen, status_blocks, status_json
from vcycled.cli.story import story_blocks, story_json
from vcycled.cli.story_reader import read_story
from vcycled.cli.top import show_once, show_until_quit
from vcycled.cli.views import space_names
from vcycled.cli.why import answer, why_blocks, why_json
from vcycled.errors import OperatorError
from vcycled.model import Machine, MachineState
from vcycled.store import Store

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
    with session.store() as store:
        view = chosen(session.view(store), space)
    if as_json:
        session.printer.json(status_json(view))
    else:
        session.printer.show(status_blocks(view, session.words))


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
    with session.store() as store:
        spaces = session.view(store).spaces
        if space:
            demand("space", space, space_names(spaces))
        if machinetype is not None:
            demand(
                "machinetype", machinetype, (name for each in spaces for name in each.machinetypes)
            )
        found = store.machines(space=space or None, include_gone=has_gone or state == "gone")
    listed = wanted(found, Filter(machinetype=machinetype, condition=state))
    if as_json:
        session.printer.json([machine_json(each) for each in listed])
    else:
        session.printer.show(machine_blocks(listed, session.words))


@click.command()
@click.argument("name")
@config_option
@json_option
@pass_session
def machine(session: Session, name: str, *, as_json: bool) -> None:
    """Tell the whole story of a machine, also if it is gone."""
    with session.store() as store:
        stories = [
            read_story(each, store, session.root, session.clock) for each in _bearers(store, name)
        ]
    if as_json:
        session.printer.json([story_json(each) for each in stories])
        return
    for story in stories:
        session.printer.show(story_blocks(story, session.words))


def _bearers(store: Store, name: str) -> tuple[Machine, ...]:
    found = store.machine(name)
    if not found:
        known = [each.name for each in store.machines()]
        raise OperatorError(f"there is no machine {name!r}, nor was there one{hint(name, known)}")
    return found


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
    with session.store() as store:
        view = session.view(store)
    given = answer(view, space, machinetype, session.words)
    if as_json:
        session.printer.json(why_json(given))
    else:
        session.printer.show(why_blocks(given, session.words))


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
    with session.store() as store:
        if space is not None:
            demand("space", space, space_names(session.view(store).spaces))
        found = store.events(space=space, machine=name, since=since, limit=limit)
    told = tuple(reversed(found))
    if as_json:
        session.printer.json([plain_json(each) for each in told])
    else:
        session.printer.show(event_blocks(told, session.words))
