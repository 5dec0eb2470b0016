"""What Nova is told to make of a request."""

from __future__ import annotations

import base64
import re

from vcycled.errors import Refused, SpaceError
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.flavors import Flavors
from vcycled.spaces.openstack.images import ImageFinder
from vcycled.spaces.openstack.keys import NovaKeyPairs
from vcycled.spaces.openstack.listing import INSTALLATION
from vcycled.spaces.openstack.networks import Networks
from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.spaces.openstack.servers import Servers
from vcycled.spaces.openstack.volumes import (
    TYPED_MICROVERSION,
    boot_volume,
    check_type_is_taken,
)

USER_DATA_LIMIT = 65535 // 4 * 3
"""Most bytes of user_data: Nova takes 65535 characters of base64, which come in fours."""
TAG_LIMIT = 255
"""Most characters of the name and of the value of one of Nova's metadata."""

_NO_KEY = re.compile(r"invalid key_name", re.IGNORECASE)
_NO_IMAGE = re.compile(
    r"can ?not find requested image|image \S+ (could not be found|is not active)"
    r"|failed to get image",
    re.IGNORECASE,
)


class Creation:
    """Turns requests into servers; what they name is looked up once and kept for a while."""

    def __init__(
        self,
        api: Api,
        options: OpenStackOptions,
        *,
        flavors: Flavors,
        images: ImageFinder,
        networks: Networks,
        keys: NovaKeyPairs,
    ) -> None:
        self._api = api
        self._options = options
        self._servers = Servers(api, options.page_size)
        self._flavors = flavors
        self._images = images
        self._networks = networks
        self._keys = keys

    def create(self, request: CreateRequest) -> str:
        """Ask for a server and return its id.

        Where the cloud says that what we kept is out of date, it is looked up and asked once more:
        by saying so it made nothing.
        """
        _check(request)
        body = self._body(request)
        try:
            return self._make(body)
        except Refused as error:
            if not self._heed(error, request, body):
                raise
        return self._make(self._body(request))

    def _make(self, body: dict[str, object]) -> str:
        is_typed = "block_device_mapping_v2" in body and self._options.volume_type is not None
        return self._servers.make(body, TYPED_MICROVERSION if is_typed else "")

    def _body(self, request: CreateRequest) -> dict[str, object]:
        body: dict[str, object] = {
            "name": request.name,
            "flavorRef": self._flavors.id_of(request.flavor),
            "metadata": dict(request.tags),
            **self._disk(request),
            **self._attachments(),
        }
        if request.user_data:
            body["user_data"] = base64.b64encode(request.user_data).decode("ascii")
        if request.public_key:
            installation = request.tags.get(INSTALLATION, "")
            body["key_name"] = self._keys.name_for(request.public_key, installation)
        if request.zone:
            body["availability_zone"] = request.zone
        if self._options.config_drive:
            body["config_drive"] = True
        return body

    def _disk(self, request: CreateRequest) -> dict[str, object]:
        image_id = self._images.id_of(request.image)
        if not request.volume_gb:
            return {"imageRef": image_id}
        volume_type = self._options.volume_type
        if volume_type:
            check_type_is_taken(self._api)
        device = boot_volume(image_id, request.volume_gb, volume_type)
        return {"block_device_mapping_v2": [device]}

    def _attachments(self) -> dict[str, object]:
        """Return networks and security groups.

        An old cloud (2.1) has no word for `auto` and `none`; left out, it does the former.
        """
        found: dict[str, object] = {}
        networks = self._networks.wanted()
        if isinstance(networks, list) or self._api.compute_microversion != "2.1":
            found["networks"] = networks
        if self._options.security_groups:
            found["security_groups"] = [{"name": each} for each in self._options.security_groups]
        return found

    def _heed(self, error: SpaceError, request: CreateRequest, body: dict[str, object]) -> bool:
        """Forget what the cloud says is not so any more; return whether to ask once more."""
        if _NO_KEY.search(error.detail) and "key_name" in body:
            self._keys.forget(str(body["key_name"]))
            return True
        if _NO_IMAGE.search(error.detail):
            self._images.forget(request.image)
            return True
        return self._networks.heed(error)


def _check(request: CreateRequest) -> None:
    """Raise Refused for what Nova would not take, in words that tell what is too long."""
    size = len(request.user_data)
    if size > USER_DATA_LIMIT:
        detail = f"user_data has {size} bytes; OpenStack takes {USER_DATA_LIMIT}"
        raise Refused("create", detail)
    for name, value in request.tags.items():
        if max(len(name), len(value)) > TAG_LIMIT:
            detail = f"{name} has {len(value)} characters; OpenStack takes {TAG_LIMIT}"
            raise Refused("create", detail)
