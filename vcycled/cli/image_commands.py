"""`vcycle images`: the command."""

from __future__ import annotations

import click

from vcycled.cli.images import image_blocks, images_json
from vcycled.cli.params import config_option, json_option, pass_session
from vcycled.cli.session import Session
from vcycled.cli.status import chosen
from vcycled.errors import OperatorError
from vcycled.house.copies import unnamed
from vcycled.images.status import ImageStatus


@click.command()
@click.argument("space", default="")
@config_option
@json_option
@pass_session
def images(session: Session, space: str, *, as_json: bool) -> None:
    """List the root images that are uploaded from here.

    Of all spaces, or of SPACE: where each comes from, how far it is, which machinetypes name it,
    and old ones that await their removal; as of the last cycle. Without SPACE also the copies on
    this host that no machinetype names any more.
    """
    with session.store() as store:
        view = chosen(session.view(store), space)
    copies = () if space else _copies(session)
    if as_json:
        session.printer.json(images_json(view.spaces, copies))
    else:
        session.printer.show(image_blocks(view.spaces, copies, session.words))


def _copies(session: Session) -> tuple[ImageStatus, ...]:
    """Return the copies that are to go.

    Raises:
        OperatorError: they are closed to this user.
    """
    try:
        return unnamed(session.config, session.clock)
    except OSError as error:
        raise OperatorError(f"{error.filename} cannot be looked at: {error.strerror}") from error
