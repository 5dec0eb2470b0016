"""Client tokens: by which EC2 knows a request that it was sent before, and we one of ours.

The token of a launch begins with the machine's UUID. The rest stands for what differs between two
attempts for one machine, since EC2 refuses a token with other parameters than before.
"""

from __future__ import annotations

import hashlib
import re

_OURS = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-[0-9a-f]{12}")
_MOST_UUID = 51
"""A token has 64 characters at most."""


def token_of(uuid: str, *attempt: str) -> str:
    """Return the token of an attempt to make the machine with this UUID."""
    digest = hashlib.sha256("\n".join(attempt).encode()).hexdigest()[:12]
    if len(uuid) > _MOST_UUID:
        uuid = hashlib.sha256(uuid.encode()).hexdigest()[:_MOST_UUID]
    return f"{uuid}-{digest}"


def uuid_of(token: str) -> str:
    """Return the UUID that a token of ours is for; "" if it is another's."""
    ours = _OURS.fullmatch(token)
    return ours[1] if ours else ""
