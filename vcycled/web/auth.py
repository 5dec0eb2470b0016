"""Who may read and write a machine's outputs. Pure.

A machine proves who it is by its own token; client certificates will be another identity of the
same `Peer`. Whoever it is, it may touch the outputs of that one machine only.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from enum import Enum, auto

from vcycled.machinedir import is_token
from vcycled.machinedir.layout import is_output_name

_LONGEST = 1024
"""Of an Authorization header; a token is far shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for."""

    method: str
    file: str
    """Name of an output as the client wrote it; empty for the list of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who asks, as far as it says; nothing of it is believed yet."""

    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What the tree says of the machine whose outputs they are."""

    token_hash: str
    """Empty if the machine has no token."""


class Decision(Enum):
    """What becomes of a wish."""

    ALLOWED = auto()
    METHOD = auto()
    """Nobody can do this here."""
    GONE = auto()
    """There is no such machine (any more)."""
    NAMELESS = auto()
    """The client did not say who it is."""
    REFUSED = auto()
    """The client is not this machine."""
    BAD_NAME = auto()
    """No output can have this name."""


def peer_of(authorization: str) -> Peer:
    """Return who an Authorization header claims to be.

    `Bearer TOKEN`, or Basic with the token as user or as password: so `curl
    https://TOKEN@host/…` and `https://anything:TOKEN@host/…` both work.
    """
    scheme, _, rest = authorization[:_LONGEST].partition(" ")
    text = rest.strip()
    match scheme.lower():
        case "bearer" if text:
            return Peer(tokens=(text,))
        case "basic":
            return Peer(tokens=_basic(text))
        case _:
            return Peer()


def _basic(text: str) -> tuple[str, ...]:
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ()
    return tuple(each for each in (user, password) if each)


def decide(wish: Wish, peer: Peer, owner: Owner | None) -> Decision:
    """Return whether `peer` may do what it wishes with the outputs of `owner` (None: gone)."""
    is_write = wish.method == "PUT"
    if wish.method not in {"GET", "HEAD", "PUT"} or (is_write and not wish.file):
        return Decision.METHOD
    if owner is None:
        return Decision.GONE
    if not peer.tokens:
        return Decision.NAMELESS
    if not any(is_token(each, owner.token_hash) for each in peer.tokens):
        return Decision.REFUSED
    if wish.file and not is_output_name(wish.file):
        return Decision.BAD_NAME
    return Decision.ALLOWED
