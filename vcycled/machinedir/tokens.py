"""The secret by which a machine proves who it is; the tree and the store keep only its hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def new_token() -> str:
    """Return a fresh token of 256 bits that may stand in a URL, a header or a shell script."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """Return what is kept of a token: the SHA-256 of it in hex.

    A plain hash is enough: a token is random, not a password that could be guessed.
    """
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def is_token(presented: str, token_hash: str) -> bool:
    """Return whether `presented` is the token of this hash, in constant time.

    An empty hash is the mark of a machine that has no token: nothing matches it.
    """
    return bool(token_hash) and hmac.compare_digest(hash_of(presented), token_hash)
