"""What stands for an SSH key, whatever a cloud makes of it."""

from __future__ import annotations

import base64
import binascii
import hashlib


def key_hash(public_key: str) -> str:
    """Return 16 hex digits that stand for an OpenSSH public key of whatever type.

    Raises:
        ValueError: it is none.
    """
    kind, _, rest = public_key.strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split(maxsplit=1)[0], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("not TYPE BASE64 [COMMENT]") from None
    # RFC 4253, 6.6: the key begins with its own type, as text behind its length.
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        raise ValueError(f"not a key of type {kind}")
    return hashlib.sha256(blob).hexdigest()[:16]
