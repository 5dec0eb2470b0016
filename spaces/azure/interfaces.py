"""Network interfaces of a resource group, which the API for machines does not show.

The requests are sent by the client for machines: two calls are not worth the SDK for networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from vcycled.spaces.azure.api import Api

NETWORK_API = "2022-11-01"
"""Version of the network API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface."""

    name: str
    machine_id: str
    """Of the machine that it is on, in lower case; empty if it is on none."""
    address: str
    """In the subnet; empty if it has none yet."""
    tags: Mapping[str, str]


class Interfaces:
    """The network interfaces of one resource group."""

    def __init__(self, api: Api, group_id: str) -> None:
        self._api = api
        self._path = f"{group_id}/providers/Microsoft.Network/networkInterfaces"

    def listed(self, operation: str) -> tuple[Interface, ...]:
        """Return every one that can be read, all pages."""
        return tuple(filter(None, map(_read, self._members(operation))))

    def remove(self, name: str) -> None:
        """Ask for one to be deleted; one that is gone already is fine."""
        from vcycled.spaces.azure.errors import Missing  # noqa: PLC0415 - slow to import

        with suppress(Missing):
            self._ask("remove", "DELETE", f"{self._path}/{name}?api-version={NETWORK_API}")

    def _members(self, operation: str) -> Iterator[object]:
        url = f"{self._path}?api-version={NETWORK_API}"
        while url:
            match self._ask(operation, "GET", url):
                case {"value": list(members), "nextLink": str(following)}:
                    url = following
                case {"value": list(members)}:
                    url = ""
                case _:
                    return
            yield from members

    def _ask(self, operation: str, method: str, url: str) -> object:
        """Return the answer to a GET; of others only the status counts."""
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - slow to import

        with self._api.asking(operation) as client:
            response = client.send_request(HttpRequest(method, url))
            response.raise_for_status()
            found: object = response.json() if method == "GET" else None
            return found


def _read(member: object) -> Interface | None:
    """Return an interface; None if it is not told as one, so that nothing follows from it."""
    match member:
        case {"name": str(name), "properties": dict(properties)}:
            machine_id = _machine_id(properties)
        case _:
            return None
    if machine_id is None:
        return None
    address = _address(properties)
    return Interface(name=name, machine_id=machine_id, address=address, tags=_tags(member))


def _machine_id(properties: Mapping[str, object]) -> str | None:
    match properties.get("virtualMachine"):
        case {"id": str(found)}:
            return found.lower()
        case None:
            return ""
        case _:
            return None


def _address(properties: Mapping[str, object]) -> str:
    match properties.get("ipConfigurations"):
        case [{"properties": {"privateIPAddress": str(address)}}, *_]:
            return address
        case _:
            return ""


def _tags(member: object) -> dict[str, str]:
    match member:
        case {"tags": dict(tags)}:
            return {str(name): str(value) for name, value in tags.items()}
        case _:
            return {}
