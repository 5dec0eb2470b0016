"""`vcycle drain`, `undrain`, `hold`, `release`, `delete`: orders that the manager carries out."""

from __future__ import annotations

import click

from vcycled.cli.commanding import DeleteIt, DrainIt, HoldIt, ReleaseIt, UndrainIt
from vcycled.cli.orders import check_by
from vcycled.cli.params import config_option, pass_session, read_instant, yes_option
from vcycled.cli.printing import Line
from vcycled.cli.session import Session
from vcycled.cli.telling import command, rehearse
from vcycled.cli.words import several

_TARGET = click.argument(
    "target", nargs=-1, required=True, metavar="SPACE|MACHINETYPE|SPACE MACHINETYPE|MACHINE..."
)
_LONGEST_REASON = 200


@click.command()
@_TARGET
@click.option(
    "--by",
    callback=read_instant,
    metavar="TIME",
    help="When the machines must be gone at the latest.",
)
@config_option
@pass_session
def drain(session: Session, target: tuple[str, ...], *, by: int | None) -> None:
    """Create no more machines; those there end by themselves.

    Of a whole space, or of one machinetype. TIME is Unix seconds, ISO 8601 (2027-01-31T18:00) or
    from now on (+2h, +30m, +1d). Machines learn of it by their features, and those left at that
    time are deleted. They are promised ten minutes between the news and the end.

    Single machines are told to leave by TIME, or else in ten minutes; others take their places.
    """
    try:
        check_by(by, now=session.now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--by") from error
    command(session, DrainIt(target=target, by=by))


@click.command()
@_TARGET
@config_option
@pass_session
def undrain(session: Session, target: tuple[str, ...]) -> None:
    """Lift a drain: machines are created again.

    Single machines that were told to leave may stay.
    """
    command(session, UndrainIt(target=target))


_GROUP = click.argument(
    "target", nargs=-1, required=True, metavar="SPACE|MACHINETYPE|SPACE MACHINETYPE"
)


@click.command()
@_GROUP
@click.option("--until", callback=read_instant, metavar="TIME", help="When it is over by itself.")
@click.option("--reason", default="", help="In your words; `vcycle why` tells it.")
@config_option
@pass_session
def hold(session: Session, target: tuple[str, ...], *, until: int | None, reason: str) -> None:
    """Create no more machines until they are wanted again.

    Of a whole space, or of one machinetype. Machines that are there go on as if nothing were, for
    their time. TIME is Unix seconds, ISO 8601 (2027-01-31T18:00) or from now on (+2h, +30m, +1d).
    """
    command(session, HoldIt(target=target, until=until, reason=_one_line(reason)))


def _one_line(text: str) -> str:
    """Return a reason without ends of lines, refused if it is long."""
    line = " ".join(text.split())
    if len(line) > _LONGEST_REASON:
        raise click.BadParameter(
            f"may have {_LONGEST_REASON} characters, not {len(line)}", param_hint="--reason"
        )
    return line


@click.command()
@_GROUP
@config_option
@pass_session
def release(session: Session, target: tuple[str, ...]) -> None:
    """Lift a hold: machines are created again."""
    command(session, ReleaseIt(target=target))


@click.command()
@click.argument("machine", nargs=-1, required=True)
@yes_option
@config_option
@pass_session
def delete(session: Session, machine: tuple[str, ...], *, yes: bool) -> None:
    """Delete machines at once, whatever they are doing.

    They are told nothing first; `vcycle drain` is the gentle way.
    """
    wish = DeleteIt(target=machine)
    if not yes:
        stakes = rehearse(session, wish).stakes
        session.printer.show(Line(each, indent=1) for each in stakes)
        click.confirm(f"Delete {several(len(stakes), 'machine')} now?", abort=True)
    command(session, wish)
