"""`vcycle managers`: who looks after which space, and forgetting who never comes back."""

from __future__ import annotations

import click

from vcycled.cli.names import demand
from vcycled.cli.params import config_option, json_option, pass_session, yes_option
from vcycled.cli.printing import Line, Tone
from vcycled.cli.session import Session
from vcycled.cli.site_questions import Managers
from vcycled.cli.telling import tell
from vcycled.cli.views import staff_of
from vcycled.cli.words import several


@click.group(invoke_without_command=True)
@config_option
@json_option
@pass_session
@click.pass_context
def managers(context: click.Context, session: Session, *, as_json: bool) -> None:
    """Tell which managers there are, and who holds which space."""
    if context.invoked_subcommand is not None:
        return
    tell(session, Managers(), as_json=as_json)


@managers.command()
@click.argument("name")
@yes_option
@config_option
@pass_session
def forget(session: Session, name: str, *, yes: bool) -> None:
    """Strike off a manager that never comes back.

    What it held is free already. Records that it alone could write are freed: the managers of
    their spaces write them. Those that it did write, and that ssmsend has not taken, still lie in
    apel-outgoing on its host: send them, or they are lost.
    """
    with session.store(writing=True) as store:
        staff = staff_of(store)
        demand("manager", name, staff.roster.managers if staff else ())
        if staff and not yes:
            records = several(staff.unwritten.get(name, 0), "record")
            click.confirm(f"Forget {name}, and free {records} that it took?", abort=True)
        freed = store.forget_manager(name)
    session.printer.show(
        [
            Line(f"{name} is forgotten; {several(freed, 'record')} freed"),
            Line(f"Look for what waits in apel-outgoing on the host of {name}.", Tone.WARN),
        ]
    )
