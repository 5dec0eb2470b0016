"""`vcycle drain`, `undrain`, `delete`: orders for the manager, which carries them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import click

from vcycled.cli.alive import ManagerState
from vcycled.cli.orders import (
    Target,
    check_by,
    doomed,
    drain_promise,
    leave_promise,
    machine_line,
    machine_order,
    stay_promise,
    target,
    undrain_promise,
)
from vcycled.cli.params import config_option, pass_session, read_instant, yes_option
from vcycled.cli.printing import Line, Tone
from vcycled.cli.session import Session, user
from vcycled.cli.views import SpaceView, staff_of
from vcycled.cli.words import several
from vcycled.model import Machine, Order, OrderKind
from vcycled.store import Store

_TARGET = click.argument(
    "target", nargs=-1, required=True, metavar="SPACE|MACHINETYPE|SPACE MACHINETYPE|MACHINE..."
)


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
    found = _find(session, target)
    if isinstance(found, Target):
        orders = [found.order(OrderKind.DRAIN, now=session.now, who=user(), by=by)]
        promise = drain_promise(found, by, session.words)
    else:
        orders = _orders(session, OrderKind.DRAIN, found.named, by)
        promise = leave_promise(found.machines, by, session.words)
    leave(session, orders, promise)


@click.command()
@_TARGET
@config_option
@pass_session
def undrain(session: Session, target: tuple[str, ...]) -> None:
    """Lift a drain: machines are created again.

    Single machines that were told to leave may stay.
    """
    found = _find(session, target)
    if isinstance(found, Target):
        orders = [found.order(OrderKind.UNDRAIN, now=session.now, who=user())]
        promise = list(undrain_promise(found, session.words))
    else:
        orders = _orders(session, OrderKind.UNDRAIN, found.named)
        promise = list(stay_promise(found.machines, found.spaces, session.words))
    leave(session, orders, promise)


@click.command()
@click.argument("machine", nargs=-1, required=True)
@yes_option
@config_option
@pass_session
def delete(session: Session, machine: tuple[str, ...], *, yes: bool) -> None:
    """Delete machines at once, whatever they are doing.

    They are told nothing first; `vcycle drain` is the gentle way.
    """
    with session.store() as store:
        chosen = doomed(machine, store.machines(), _ever(machine, store))
    lines = [machine_line(each, session.words) for each in chosen.values()]
    if not yes:
        session.printer.show(Line(each, indent=1) for each in lines)
        click.confirm(f"Delete {several(len(chosen), 'machine')} now?", abort=True)
    orders = _orders(session, OrderKind.DELETE, chosen)
    leave(session, orders, (f"{each} is deleted at the next cycle" for each in lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Single:
    """Machines that were named one by one."""

    named: Mapping[str, Machine]
    """By name or uuid, as they will be once the open orders are carried out."""
    spaces: tuple[SpaceView, ...]

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All of them."""
        return tuple(self.named.values())


def _find(session: Session, words: tuple[str, ...]) -> Target | _Single:
    """Return what was named: single machines if one of the words is the name of one."""
    with session.store() as store:
        spaces = session.view(store).spaces
        known = _ever(words, store)
    if known:
        live = [each for space in spaces for each in space.machines(now=session.now)]
        return _Single(named=doomed(words, live, known), spaces=spaces)
    if len(words) > 2:
        raise click.UsageError(
            "name a space, a machinetype, a space and a machinetype of it, or machines"
        )
    return target(words, spaces)


def _ever(words: Iterable[str], store: Store) -> tuple[str, ...]:
    """Return those of `words` that are the name or the uuid of a machine, gone or not."""
    typed = tuple(words)
    uuids = store.known(typed)
    return tuple(word for word in typed if word in uuids or store.machine(word))


def _orders(
    session: Session, kind: OrderKind, machines: Mapping[str, Machine], by: int | None = None
) -> list[Order]:
    now, who = session.now, user()
    return [
        machine_order(kind, machine, now=now, who=who, by=by, word=word)
        for word, machine in machines.items()
    ]


def leave(session: Session, orders: Iterable[Order], promise: Iterable[str]) -> None:
    """Leave the orders in the store and tell what will come of them."""
    left = tuple(orders)
    with session.store(writing=True) as store:
        for order in left:
            store.order(order)
        staff = staff_of(store)
    session.printer.show(Line(sentence) for sentence in promise)
    if staff is not None:
        unheld = {staff.why_unheld(order.space) for order in left} - {""}
        waits = [f"No manager holds the space: {why}; the order waits." for why in sorted(unheld)]
    elif session.manager is ManagerState.STOPPED:
        waits = ["vcycled is not running: the order waits until it does."]
    else:
        waits = []
    session.printer.show(Line(each, Tone.WARN) for each in waits)
