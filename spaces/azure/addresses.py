"""Addresses of machines in their subnet, which only their network interfaces tell.

An interface keeps its address, so the interfaces are asked for when there is a new machine. The
request is sent by the client for machines: one call is not worth the SDK for networks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from vcycled.errors import SpaceError
from vcycled.spaces.azure.api import Api

if TYPE_CHECKING:
    from azure.mgmt.compute import ComputeManagementClient

_API_VERSION = "2022-11-01"


class Addresses:
    """What is known of the addresses in one resource group."""

    def __init__(self, api: Api, group_id: str) -> None:
        self._api = api
        self._path = f"{group_id}/providers/Microsoft.Network/networkInterfaces"
        self._known: dict[str, str] = {}

    def of(self, machine_id: str) -> str:
        """Return the address of a machine by the id of its resource; "" if it is not known."""
        return self._known.get(machine_id.lower(), "")

    def look(self, machine_ids: Collection[str]) -> None:
        """Learn the addresses of these machines and forget all others.

        Nobody is lost sight of because of an address: without an answer the next look asks again.
        """
        wanted = {each.lower() for each in machine_ids}
        self._known = {each: at for each, at in self._known.items() if each in wanted}
        if not wanted - self._known.keys():
            return
        with suppress(SpaceError), self._api.asking("machines") as client:
            found = dict(self._listed(client))
            self._known |= {each: found[each] for each in wanted & found.keys()}

    def _listed(self, client: ComputeManagementClient) -> Iterator[tuple[str, str]]:
        """Yield id and address of each machine of the group, page by page."""
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - slow to import

        url = f"{self._path}?api-version={_API_VERSION}"
        while url:
            response = client.send_request(HttpRequest("GET", url))
            response.raise_for_status()
            page: object = response.json()
            yield from filter(None, map(_owner, _members(page)))
            url = _next(page)


def _members(page: object) -> list[object]:
    match page:
        case {"value": list(members)}:
            return members
        case _:
            return []


def _owner(interface: object) -> tuple[str, str] | None:
    """Return id and address of the machine that an interface is on; None if it is on none."""
    match interface:
        case {
            "properties": {
                "virtualMachine": {"id": str(owner)},
                "ipConfigurations": [{"properties": {"privateIPAddress": str(address)}}, *_],
            }
        }:
            return owner.lower(), address
        case _:
            return None


def _next(page: object) -> str:
    match page:
        case {"nextLink": str(url)}:
            return url
        case _:
            return ""
