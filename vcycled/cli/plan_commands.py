"""`vcycle plan` and `vcycle user-data`: what the manager would do and give, without doing it."""

from __future__ import annotations

import click

from vcycled.cli.names import demand
from vcycled.cli.params import config_option, json_option, pass_session
from vcycled.cli.planning import space_config
from vcycled.cli.questions import Planned
from vcycled.cli.session import Session
from vcycled.cli.telling import tell
from vcycled.config import InstalledSpaces, MachinetypeConfig, SpaceConfig, find_space
from vcycled.cycle.contextualize import Gifts, Rendered, rendered_for
from vcycled.cycle.facts import terms_of
from vcycled.model import Machine, MachineState, Stage
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
    tell(session, Planned(space=space), as_json=as_json)


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
