"""`vcycle adopt` and `vcycle forget`: take machines on, or wait for them no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import click

from vcycled.cli.custody import adopted_lines, forgotten_lines, orders_for
from vcycled.cli.names import demand
from vcycled.cli.orders import doomed
from vcycled.cli.params import config_option, pass_session, yes_option
from vcycled.cli.planning import look_context, space_config
from vcycled.cli.printing import Line
from vcycled.cli.session import Session, user
from vcycled.cli.telling import leave_orders
from vcycled.cli.words import several
from vcycled.cycle import Context
from vcycled.errors import SpaceError
from vcycled.model import ListedMachine, Order, OrderKind
from vcycled.remember import CloudView, match, releases
from vcycled.store import Store

_MACHINES = click.argument("machine", nargs=-1, required=True)


@click.command()
@click.argument("space")
@_MACHINES
@click.option("--machinetype", help="Of which; otherwise as tags or name tell.")
@click.option("--force", is_flag=True, help="Even if it bears the mark of another installation.")
@yes_option
@config_option
@pass_session
def adopt(
    session: Session,
    space: str,
    machine: tuple[str, ...],
    *,
    machinetype: str | None,
    force: bool,
    yes: bool,
) -> None:
    """Take foreign machines as ours, on your word.

    MACHINE is a name or the cloud's id. For machines that no tag of this installation marks:
    of Vcycle 3, or of an installation that is no more. They are managed and accounted from then
    on as machines of their machinetype. The cloud is asked first.
    """
    config = space_config(session, space)
    if machinetype is not None:
        demand("machinetype", machinetype, (kind.name for kind in config.machinetypes))
    order = Order(
        kind=OrderKind.ADOPT,
        space=space,
        machinetype=machinetype or "",
        at=session.now,
        who=user(),
        is_forced=force,
    )
    orders = orders_for(order, machine)
    with session.store() as store, look_context(session, config, store) as context:
        records = replace(store.records(space), orders=orders)
        listing = _listing(context)
        matched = match(records, listing, installation=context.installation, now=session.now)
    lines = list(adopted_lines(matched.claims, config, session.words))
    _confirm(session, lines, f"Adopt {several(len(orders), 'machine')}?", yes=yes)
    leave_orders(
        session, orders, (f"{each.machine} is ours from the next cycle on" for each in orders)
    )


@click.command()
@click.argument("space")
@_MACHINES
@click.option("--force", is_flag=True, help="Even if the cloud may have it, or have it again.")
@yes_option
@config_option
@pass_session
def forget(
    session: Session, space: str, machine: tuple[str, ...], *, force: bool, yes: bool
) -> None:
    """Wait no more for machines that cannot be found.

    For machines that the cloud has lost, or whose cloud is gone for ever. Their runs are
    accounted up to the last sign of life. One that turns up after all, and bears our tags, is
    adopted. The cloud is asked first.
    """
    config = space_config(session, space)
    order = Order(kind=OrderKind.FORGET, space=space, at=session.now, who=user())
    with session.store() as store, look_context(session, config, store) as context:
        records = store.records(space)
        known = doomed(machine, records.machines, _ever_here(machine, space, store))
        orders = orders_for(replace(order, is_forced=force), known)
        view = CloudView(listed=_listed(context), installation=context.installation)
        released = releases(replace(records, orders=orders), view, now=session.now)
    lines = list(forgotten_lines(released))
    _confirm(session, lines, f"Forget {several(len(orders), 'machine')}?", yes=yes)
    leave_orders(
        session, orders, (f"{each.machine} is forgotten at the next cycle" for each in orders)
    )


def _ever_here(words: Sequence[str], space: str, store: Store) -> tuple[str, ...]:
    """Return those of `words` that are the name or uuid of a machine of a space, gone or not."""
    known = [
        *store.known(words).values(),
        *(each for word in words for each in store.machine(word)),
    ]
    here = {word for each in known if each.space == space for word in (each.name, each.uuid)}
    return tuple(word for word in words if word in here)


def _listing(context: Context) -> Sequence[ListedMachine]:
    """Return what the cloud shows now.

    Raises:
        SpaceError: it does not answer.
    """
    context.calls.run("connect", context.space.connect)
    return context.calls.run("machines", context.space.machines)


def _listed(context: Context) -> dict[str, ListedMachine] | None:
    """Return what the cloud shows now by id; None if it does not answer."""
    try:
        return {each.cloud_id: each for each in _listing(context)}
    except SpaceError:
        return None


def _confirm(session: Session, lines: Iterable[str], question: str, *, yes: bool) -> None:
    session.printer.show(Line(each, indent=1) for each in lines)
    if not yes:
        click.confirm(question, abort=True)
