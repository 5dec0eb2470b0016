"""`vcycle check`: the command, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import click

from vcycled.apel.queue import Queue
from vcycled.cli.params import config_option, pass_session
from vcycled.cli.probe import Bounds, Facts, Level, Thresholds, Waiting, answer, failed, judge
from vcycled.cli.served import served
from vcycled.cli.session import Session
from vcycled.cli.views import SinkView
from vcycled.config import Config
from vcycled.errors import StoreError, VcycleError
from vcycled.machinedir import MachineDir

F = TypeVar("F", bound=Callable[..., object])

_USUAL = Thresholds()


class _Misused(click.UsageError):
    """Wrong use of a probe is UNKNOWN: 2 would be an alarm."""

    exit_code = Level.UNKNOWN


class _Probe(click.Command):
    """A command with that exit status."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise _Misused(error.format_message(), ctx) from error


def _bounds_option(name: str, usual: Bounds | None, text: str) -> Callable[[F], F]:
    """Give a command an option of two numbers; without `usual` it may be left out."""

    def read(
        _context: click.Context, _option: click.Parameter, given: tuple[int, int] | None
    ) -> Bounds | None:
        if given is None:
            return None
        warning, critical = given
        least = usual is None or usual.is_least
        if warning < critical if least else warning > critical:
            side = "below" if least else "above"
            message = (
                f"the warning ({warning}) must not lie {side} the critical bound ({critical})"
            )
            raise click.BadParameter(message)
        return Bounds(warning=warning, critical=critical, is_least=least)

    return click.option(
        f"--{name}",
        type=click.IntRange(0),
        nargs=2,
        default=usual and (usual.warning, usual.critical),
        show_default=usual is not None,
        metavar="WARNING CRITICAL",
        callback=read,
        help=text,
    )


@click.command(cls=_Probe)
@_bounds_option("late", _USUAL.late, "Seconds that the cycle of a space may be late.")
@_bounds_option("blind", _USUAL.blind, "Seconds that a cloud may not answer.")
@_bounds_option("records", _USUAL.records, "Seconds that a record may wait.")
@_bounds_option("credentials", _USUAL.credentials, "Seconds that credentials are still valid.")
@_bounds_option("disk", None, "MiB free; without it, twice min_free_mb and min_free_mb.")
@config_option
@pass_session
def check(
    session: Session,
    *,
    late: Bounds,
    blind: Bounds,
    records: Bounds,
    credentials: Bounds,
    disk: Bounds | None,
) -> None:
    """Judge all of it, for Nagios, Icinga and their like.

    Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. The first line has the worst and, after a
    bar, figures with their bounds; then a line for each finding, the worst first.
    """
    given = Thresholds(late=late, blind=blind, records=records, credentials=credentials)
    level, text = _verdict(session, given, disk)
    click.echo(text)
    click.get_current_context().exit(level)


def _verdict(session: Session, given: Thresholds, disk: Bounds | None) -> tuple[Level, str]:
    try:
        thresholds = replace(given, disk=disk or room(session.config))
        return answer(judge(probe_facts(session), thresholds))
    except StoreError as error:
        return failed(Level.CRITICAL, f"the database does not answer: {error}")
    except (VcycleError, OSError) as error:
        return failed(Level.UNKNOWN, str(error))


def room(config: Config) -> Bounds:
    """Return the room that creation wants, and twice that as a warning."""
    least = config.manager.min_free_mb or _USUAL.disk.critical
    return Bounds(warning=2 * least, critical=least, is_least=True)


def probe_facts(session: Session) -> Facts:
    """Return all that is judged.

    Raises:
        VcycleError: configuration or database cannot be read.
        OSError: the queue of records cannot be read.
    """
    config, tree = session.config, MachineDir(session.root, clock=session.clock)
    with session.store() as store:
        view = session.view(store)
    kinds = [kind for space in config.spaces for kind in space.machinetypes]
    return Facts(
        view=view,
        waiting=(*map(_due, view.named_sinks), _outgoing(session)),
        is_receiver_wanted=config.manager.heartbeat_receiver == "vcycle-web"
        and any(kind.options.heartbeat_file for kind in kinds),
        receiver_up_since=tree.receiver_up_since(session.now),
        certificates=tuple(served(config.manager, tree, now=session.now)),
    )


def _due(sink: SinkView) -> Waiting:
    return Waiting(
        what=f"for {sink.name}",
        number=sink.waiting,
        oldest_at=sink.oldest_at,
        why="; ".join((*(each.error for each in sink.outages), *_refusals(sink))),
    )


def _refusals(sink: SinkView) -> Iterator[str]:
    if sink.refused:
        first = sink.refused[0]
        yield f"{sink.refusals} refused, such as that of {first.machine}: {first.refusal}"


def _outgoing(session: Session) -> Waiting:
    found = Queue(session.root).backlog()
    stamp = found.oldest_stamp
    oldest = None if stamp is None else session.clock.of_stamp(stamp)
    return Waiting(what="for ssmsend", number=found.messages, oldest_at=oldest)
