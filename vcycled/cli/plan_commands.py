"""`vcycle plan` and `vcycle user-data`: what the manager would do and give, without doing it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import click

from vcycled import kvlog
from vcycled.apel.queue import Queue
from vcycled.cli.names import demand
from vcycled.cli.params import config_option, json_option, pass_session
from vcycled.cli.preview import plan_blocks, plan_json
from vcycled.cli.session import Session
from vcycled.config import (
    ConfigSource,
    InstalledSpaces,
    MachinetypeConfig,
    SpaceConfig,
    find_space,
)
from vcycled.cycle import Context, SpaceCycle
from vcycled.cycle.contextualize import Gifts, Rendered, rendered_for
from vcycled.cycle.facts import terms_of
from vcycled.daemon.outfit import Outfit, context_of
from vcycled.errors import OperatorError
from vcycled.house.disks import disk_hold
from vcycled.model import Machine, MachineState, Stage
from vcycled.store import Store
from vcycled.userdata import Room, delivery_of, stub_of

_NO_TOKEN = "EXAMPLE-TOKEN-THAT-OPENS-NOTHING"  # noqa: S105 - it says so itself
_NO_PROXY = "(a proxy that is made for each machine)"
_NO_UUID = "00000000-0000-4000-8000-000000000000"


@click.command()
@click.argument("space")
@config_option
@json_option
@pass_session
def plan(session: Session, space: str, *, as_json: bool) -> None:
    """Tell what the next cycle would do, without doing it.

    The cloud is asked now, with the credentials of the configuration. Where several machinetypes
    are equally far from their shares the real cycle may choose another of them.
    """
    config = space_config(session, space)
    with session.store() as store, look_context(session, config, store) as context:
        planned = SpaceCycle(context).preview(config, held=disk_hold(session.config.manager)).plan
    assert planned is not None, "preview raises if the cloud cannot be looked at"
    if as_json:
        session.printer.json(plan_json(space, planned))
    else:
        session.printer.show(plan_blocks(planned, session.words))


@contextmanager
def look_context(session: Session, config: SpaceConfig, store: Store) -> Iterator[Context]:
    """Give what a cycle of the manager would work with, on a store that cannot be written."""
    manager = session.config.manager
    outfit = Outfit(
        configs=ConfigSource(),
        store=store,
        queue=Queue(session.root),
        clock=session.clock,
        rng=random.SystemRandom(),
        host=session.host,
        installation=manager.installation_id or store.installation_id(),
        registry=InstalledSpaces(),
        log=kvlog.get("vcycle"),
    )
    context = context_of(config, manager, outfit, lambda: False)
    try:
        yield context
    finally:
        context.space.close()


@click.command("user-data")
@click.argument("space")
@click.argument("machinetype")
@click.option("--name", help="Name of the machine; otherwise one is made up.")
@config_option
@pass_session
def user_data(session: Session, space: str, machinetype: str, *, name: str | None) -> None:
    """Print the user_data that a machine would be given.

    Its uuid and its token are made up and open nothing, and it has no X.509 proxy. Patterns that
    nothing fills are told on standard error. Exit status 1 if the cloud would not take as much.
    """
    config = space_config(session, space)
    kind = _kind(config, machinetype)
    machine = _made_up(session, config, kind, name or f"vcycle-{machinetype}-0example00")
    gifts = Gifts(token=_NO_TOKEN, proxy=_NO_PROXY if kind.options.user_data_proxy else "")
    rendered = rendered_for(machine, config, kind, gifts, host=session.host, root=session.root)
    for pattern in rendered.unknown:
        click.echo(f"warning: nothing fills ##user_data_{pattern}##; it was removed", err=True)
    click.echo(rendered.user_data, nl=False)
    _check_way(config, kind, rendered)


def _check_way(config: SpaceConfig, kind: MachinetypeConfig, rendered: Rendered) -> None:
    """Tell if the machine would fetch this by itself.

    Raises:
        UserDataError: the cloud would not take it.
    """
    cloud = find_space(config.api, InstalledSpaces())
    delivery = delivery_of(
        rendered.user_data,
        way=kind.options.user_data_delivery,
        room=Room(most=cloud.user_data_limit, takes_gzip=cloud.takes_gzip),
        stub=stub_of(rendered.urls.user_data, _NO_TOKEN),
        machinetype=kind.name,
    )
    if delivery.is_stub:
        click.echo("note: the cloud is given a stub; the machine fetches this itself", err=True)


def space_config(session: Session, name: str) -> SpaceConfig:
    """Return the configuration of a space.

    Raises:
        OperatorError: it has none, or one that cannot be used.
    """
    config = session.config
    if why := config.unusable.get(f"space {name}"):
        raise OperatorError(f"the section of space {name} cannot be used: {why}")
    demand("space", name, (space.name for space in config.spaces))
    return next(space for space in config.spaces if space.name == name)


def _kind(config: SpaceConfig, name: str) -> MachinetypeConfig:
    demand("machinetype", name, (kind.name for kind in config.machinetypes))
    return next(kind for kind in config.machinetypes if kind.name == name)


def _made_up(session: Session, config: SpaceConfig, kind: MachinetypeConfig, name: str) -> Machine:
    processors = kind.options.min_processors
    return Machine(
        uuid=_NO_UUID,
        name=name,
        space=config.name,
        machinetype=kind.name,
        stage=Stage.INTENDED,
        state=MachineState.STARTING,
        processors=processors,
        memory_mb=processors * kind.options.mb_per_processor,
        flavor="",
        terms=terms_of(config, kind, host=session.host),
        created_at=session.now,
    )
