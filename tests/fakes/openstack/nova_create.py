"""What Nova checks of a POST of a server, by version, before it makes one."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from tests.fakes.openstack.messages import Json, Rejected
from tests.fakes.openstack.settings import Network

MOST_USER_DATA = 65535
"""Characters of base64."""
_FIELDS = frozenset(
    {
        *("name", "imageRef", "flavorRef", "adminPass", "metadata", "networks", "key_name"),
        *("OS-DCF:diskConfig", "accessIPv4", "accessIPv6", "personality", "availability_zone"),
        *("block_device_mapping", "block_device_mapping_v2", "config_drive", "min_count"),
        *("max_count", "return_reservation_id", "security_groups", "user_data"),
    }
)
_LATER: Mapping[str, tuple[int, int]] = {
    "description": (2, 19),
    "tags": (2, 52),
    "trusted_image_certificates": (2, 63),
    "host": (2, 74),
    "hypervisor_hostname": (2, 74),
    "hostname": (2, 90),
}


def asked_of(body: Json, version: tuple[int, int]) -> Json:
    """Return what is under `server` if it has the right form.

    Raises:
        Rejected: it has not; the sentence is Nova's.
    """
    asked = body.get("server")
    if not isinstance(asked, dict):
        raise Rejected(400, "Invalid input for field/attribute server. 'server' is required")
    known = _FIELDS | {name for name, since in _LATER.items() if version >= since}
    if unknown := sorted(asked.keys() - known):
        _refuse("server", f"Additional properties are not allowed ({unknown[0]!r} was unexpected)")
    needed = ["name", "flavorRef", *(["networks"] if version >= (2, 37) else [])]
    for name in needed:
        if name not in asked:
            _refuse("server", f"{name!r} is a required property")
    _check_text("name", asked["name"])
    _check_metadata(asked.get("metadata", {}))
    _check_user_data(asked.get("user_data"))
    _check_networks(asked.get("networks"), version)
    return asked


def networks_asked(asked: Json, offered: Iterable[Network]) -> Sequence[Network]:
    """Return the networks that a server is to be on.

    Raises:
        Rejected: they cannot be told from what was asked, or are not offered.
    """
    wanted = asked.get("networks", "auto")
    known = {each.id: each for each in offered}
    if wanted == "none":
        return ()
    if wanted in ("auto", []):
        inner = [each for each in known.values() if not each.is_external]
        if len(inner) > 1:
            raise Rejected(
                409,
                "Multiple possible networks found, use a Network ID to be more specific.",
            )
        if wanted == "auto" and not inner:
            raise Rejected(400, "Unable to automatically allocate a network for project 1b2c")
        return inner
    for each in wanted:
        if each.get("uuid") not in known:
            raise Rejected(400, f"Network {each.get('uuid')} could not be found.")
    return [known[each["uuid"]] for each in wanted]


def addresses_on(number: int, networks: Iterable[Network]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of the server of this number, by network."""
    return {
        network.name: tuple(
            f"{each}:{number:x}"
            if ":" in each
            else f"{each}.{number // 250 % 256}.{number % 250 + 1}"
            for each in network.prefixes
        )
        for network in networks
    }


def _check_text(field: str, value: Any) -> None:  # noqa: ANN401 - it comes from outside
    if not isinstance(value, str) or not 1 <= len(value) <= 255 or value != value.strip():
        _refuse(field, f"{value!r} has no valid length or form")


def _check_metadata(metadata: Any) -> None:  # noqa: ANN401 - see above
    if not isinstance(metadata, dict):
        _refuse("metadata", "it is not of type 'object'")
    for name, value in metadata.items():
        if not re.fullmatch(r"[a-zA-Z0-9-_:. ]{1,255}", name):
            _refuse("metadata", f"Additional properties are not allowed ({name!r} was unexpected)")
        if not isinstance(value, str):
            _refuse(name, f"{value!r} is not of type 'string'")
        if len(value) > 255:
            _refuse(name, f"{value!r} is too long")


def _check_user_data(text: Any) -> None:  # noqa: ANN401 - see above
    if text is None:
        return
    if not isinstance(text, str) or len(text) > MOST_USER_DATA:
        _refuse("user_data", "it is too long")
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        _refuse("user_data", f"{text[:20]!r} is not a 'base64'")


def _check_networks(networks: Any, version: tuple[int, int]) -> None:  # noqa: ANN401 - see above
    if networks is None or isinstance(networks, list):
        return
    if version < (2, 37) or networks not in ("auto", "none"):
        _refuse("networks", f"{networks!r} is not valid under any of the given schemas")


def _refuse(field: str, why: str) -> NoReturn:
    raise Rejected(400, f"Invalid input for field/attribute {field}. Value: given. {why}")
