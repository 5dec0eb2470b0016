"""How user_data gets to a machine: whole, packed, or as a stub that cloud-init follows. Pure.

# Note [Include]

The stub is cloud-init's `#include-once` with one URL, so that a machine that boots again does not
ask for what is gone by then. The token stands in the URL's user-info, which cloud-init sends as
Basic authentication, and which no web server writes into its log. It is a token of its own: the
stub can be read in the machine for ever, so it must open nothing once the machine is set up.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from vcycled.errors import UserDataError

_USER = "vcycle"
"""Any would do; some clients send nothing if the password is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the cloud is handed."""

    content: bytes
    is_stub: bool = False
    """The machine fetches its user_data by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a cloud takes."""

    most: int | None
    """Bytes, before they are encoded for the call; None if there is no limit that is known."""
    takes_gzip: bool


def delivery_of(
    user_data: bytes, *, way: str, room: Room, stub: bytes, machinetype: str
) -> Delivery:
    """Return what the cloud is handed for a machine.

    Args:
        user_data: of the machine, never empty.
        way: `user_data_delivery` of its machinetype: direct, include or auto.
        room: in its cloud.
        stub: to hand over instead.
        machinetype: named in the message.

    Raises:
        UserDataError: it is too long.
    """
    if way == "include":
        return Delivery(content=stub, is_stub=True)
    if way == "direct":
        if room.most is not None:
            check_size(user_data, most=room.most, machinetype=machinetype)
        return Delivery(content=user_data)
    if room.most is None or len(user_data) <= room.most:
        return Delivery(content=user_data)
    packed = gzip.compress(user_data, mtime=0) if room.takes_gzip else user_data
    if len(packed) <= room.most:
        return Delivery(content=packed)
    return Delivery(content=stub, is_stub=True)


def stub_of(url: str, token: str) -> bytes:
    """Return the stub that makes cloud-init fetch `url` with `token`."""
    scheme, _, rest = url.partition("://")
    return f"#include-once\n{scheme}://{_USER}:{token}@{rest}\n".encode()


def check_size(user_data: bytes, *, most: int, machinetype: str) -> None:
    """Check that a cloud will take `user_data`.

    Args:
        user_data: of a machine.
        most: bytes that the cloud takes, before it is encoded for the call.
        machinetype: named in the message.

    Raises:
        UserDataError: it is too long.
    """
    if len(user_data) > most:
        raise UserDataError(
            f"user_data of {machinetype} has {len(user_data)} bytes and this cloud takes {most}: "
            "set user_data_delivery = auto, or let the template fetch the rest"
        )
