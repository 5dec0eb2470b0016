"""Who may read and write a machine's outputs. Pure.

A machine proves who it is by its own token, which opens its own outputs only, or by a client
certificate with the name that its machinetype states (`https_x509dn`), which opens those of all
machines of that name.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from enum import Enum, auto

from vcycled.machinedir import is_token
from vcycled.machinedir.layout import is_output_name
from vcycled.machinedir.offers import Offer
from vcycled.model.dn import Dn

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
    """Who asks."""

    tokens: tuple[str, ...] = ()
    """What it shows as its token; nothing of it is believed yet."""
    dn: Dn | None = None
    """Name in its certificate, which was verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What the tree says of the machine whose outputs they are."""

    token_hash: str
    """Empty if the machine has no token."""
    dn: Dn | None = None
    """Name in certificates that may stand for the machine."""


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


def tokens_in(authorization: str) -> tuple[str, ...]:
    """Return what may be a token in an Authorization header.

    `Bearer TOKEN`, or Basic with the token as user or as password: so `curl
    https://TOKEN@host/…` and `https://anything:TOKEN@host/…` both work.
    """
    scheme, _, rest = authorization[:_LONGEST].partition(" ")
    text = rest.strip()
    match scheme.lower():
        case "bearer" if text:
            return (text,)
        case "basic":
            return _basic(text)
        case _:
            return ()


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
    if not peer.tokens and peer.dn is None:
        return Decision.NAMELESS
    if not _is_owner(peer, owner):
        return Decision.REFUSED
    if wish.file and not is_output_name(wish.file):
        return Decision.BAD_NAME
    return Decision.ALLOWED


def _is_owner(peer: Peer, owner: Owner) -> bool:
    is_named = peer.dn is not None and peer.dn == owner.dn
    return is_named or _has_token(peer, owner.token_hash)


def _has_token(peer: Peer, token_hash: str) -> bool:
    return any(is_token(each, token_hash) for each in peer.tokens)


def decide_fetch(method: str, peer: Peer, offer: Offer | None, *, now: int) -> Decision:
    """Return whether `peer` may fetch the user_data that is offered (None: none is)."""
    if method not in {"GET", "HEAD"}:
        return Decision.METHOD
    if offer is None or not offer.is_open(now):
        return Decision.GONE
    if not peer.tokens:
        return Decision.NAMELESS
    return Decision.ALLOWED if _has_token(peer, offer.token_hash) else Decision.REFUSED
