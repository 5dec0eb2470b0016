"""`vcycle images`: the command."""

from __future__ import annotations

import click

from vcycled.cli.images import image_blocks, images_json
from vcycled.cli.params import config_option, json_option, pass_session
from vcycled.cli.session import Session
from vcycled.cli.status import chosen


@click.command()
@click.argument("space", default="")
@config_option
@json_option
@pass_session
def images(session: Session, space: str, *, as_json: bool) -> None:
    """List the root images that are uploaded from here.

    Of all spaces, or of SPACE: where each comes from, how far it is, which machinetypes name it,
    and old ones that await their removal; as of the last cycle.
    """
    with session.store() as store:
        view = chosen(session.view(store), space)
    if as_json:
        session.printer.json(images_json(view.spaces))
    else:
        session.printer.show(image_blocks(view.spaces, session.words))
