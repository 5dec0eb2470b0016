"""Asking for machines; whether they come about is seen in listings."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from vcycled.errors import Refused, Unavailable
from vcycled.spaces.azure.api import Api
from vcycled.spaces.azure.options import AzureOptions
from vcycled.spaces.base import CreateRequest

USER_DATA_LIMIT = 65535
"""Most bytes of user_data: Azure takes 87380 characters of base64."""
_NAME_LIMIT = 64
_TAG_NAME_LIMIT, _TAG_LIMIT, _MOST_TAGS = 512, 256, 50
_TAG_FORBIDDEN = frozenset("<>%&\\?/")
"""What names of tags may not hold ("Use tags to organize your resources")."""


class Creation:
    """Turns requests into machines."""

    def __init__(self, api: Api, options: AzureOptions, group_id: str) -> None:
        self._api = api
        self._options = options
        self._group_id = group_id

    def create(self, request: CreateRequest) -> str:
        """Ask for a machine and return its cloud id.

        Raises:
            errors.Exists: there is one of this name.
            SpaceError: what else came of it.
        """
        from azure.core import MatchConditions  # noqa: PLC0415 - slow to import

        from vcycled.spaces.azure.body import body_of  # noqa: PLC0415
        from vcycled.spaces.azure.listing import cloud_id_of  # noqa: PLC0415

        _check(request)
        key = request.public_key.strip() or nobodys_key()
        body = body_of(request, self._options, group_id=self._group_id, public_key=key)
        with self._api.asking("create") as client:
            made = client.virtual_machines.begin_create_or_update(
                self._options.resource_group,
                request.name,
                body,
                match_condition=MatchConditions.IfMissing,
                polling=False,
            ).result()
        cloud_id = cloud_id_of(made)
        if not cloud_id:
            raise Unavailable("create", "the answer names no machine")
        return cloud_id


@cache
def nobodys_key() -> str:
    """Return a public key whose other half is thrown away, since Azure wants some way in."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    shown = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return f"{shown.decode()} nobody"


def _check(request: CreateRequest) -> None:
    """Refuse what Azure would refuse, with a sentence that says what to change."""
    if len(request.name) > _NAME_LIMIT:
        detail = f"the name {request.name} is longer than {_NAME_LIMIT} characters"
        raise Refused("create", detail)
    size = len(request.user_data)
    if size > USER_DATA_LIMIT:
        raise Refused("create", f"user_data has {size} bytes; Azure takes {USER_DATA_LIMIT}")
    if len(request.tags) > _MOST_TAGS:
        detail = f"{len(request.tags)} tags; Azure takes {_MOST_TAGS}"
        raise Refused("create", detail)
    for name, value in request.tags.items():
        if len(name) > _TAG_NAME_LIMIT or len(value) > _TAG_LIMIT:
            detail = f"{name} has {len(value)} characters; Azure takes {_TAG_LIMIT}"
            raise Refused("create", detail)
        if _TAG_FORBIDDEN & set(name):
            raise Refused("create", f"a tag cannot be called {name}")
