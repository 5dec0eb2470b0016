"""Addresses of machines in their subnet, which only their network interfaces tell.

An interface keeps its address, so the interfaces are asked for when there is a new machine.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from vcycled.errors import SpaceError
from vcycled.spaces.azure.interfaces import Interfaces


class Addresses:
    """What is known of the addresses in one resource group."""

    def __init__(self, interfaces: Interfaces) -> None:
        self._interfaces = interfaces
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
        with suppress(SpaceError):
            for each in self._interfaces.listed("machines"):
                if each.address and each.machine_id in wanted:
                    self._known[each.machine_id] = each.address
