"""Giving a machine its user_data: through the cloud, or waiting for it at the web site."""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.config import MachinetypeConfig
from vcycled.cycle.context import Context
from vcycled.cycle.contextualize import Rendered
from vcycled.machinedir import hash_of, new_token
from vcycled.model import Records
from vcycled.userdata import Room, delivery_of, stub_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What the cloud is given, and what opens the rest."""

    content: bytes
    token_hash: str = ""
    """Empty if nothing waits at the web site."""


def hand_over(context: Context, kind: MachinetypeConfig, name: str, rendered: Rendered) -> Handed:
    """Return what the cloud is given for the machine `name`.

    Raises:
        UserDataError: its user_data is too long for the cloud.
    """
    token = new_token()
    delivery = delivery_of(
        rendered.user_data,
        way=kind.options.user_data_delivery,
        room=Room(most=context.space.user_data_limit, takes_gzip=context.space.takes_gzip),
        stub=stub_of(rendered.urls.user_data, token),
        machinetype=kind.name,
    )
    if not delivery.is_stub:
        return Handed(content=delivery.content)
    context.offered.add(name)
    _tell_once(context, kind, len(rendered.user_data))
    return Handed(content=delivery.content, token_hash=hash_of(token))


def _tell_once(context: Context, kind: MachinetypeConfig, size: int) -> None:
    told = (kind.name, "user_data_delivery")
    if told not in context.warned:
        context.warned.add(told)
        context.log.info("user-data-included", machinetype=kind.name, bytes=size)


def find_offers(context: Context, records: Records) -> None:
    """Find the machines whose user_data waits for them since before we started."""
    names = (machine.name for machine in records.machines)
    context.offered.update(name for name in names if context.tree.has_offer(context.name, name))


def withdraw_offers(context: Context, records: Records) -> None:
    """Remove the user_data of machines that may not fetch it any more."""
    living = {machine.name for machine in records.machines}
    for name in sorted(context.offered):
        if name not in living or context.tree.wipe_if_over(context.name, name):
            context.offered.discard(name)
