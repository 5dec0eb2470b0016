"""Disks and network interfaces that outlived their machines.

They are told to go with them. But Azure makes them before the machine: where that fails, or
somebody detached one, they stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from vcycled.spaces.azure.api import Api
from vcycled.spaces.azure.interfaces import Interfaces
from vcycled.spaces.azure.listing import INSTALLATION
from vcycled.spaces.base import Leftover

_OURS = re.compile(r"vcycle-.+-os-([0-9a-f]{12})")


class Leavings:
    """What machines of ours left in a resource group."""

    def __init__(self, api: Api, group: str, interfaces: Interfaces) -> None:
        self._api = api
        self._group = group
        self._interfaces = interfaces

    def found(self) -> tuple[Leftover, ...]:
        """Return what is ours and belongs to no machine."""
        return (*self._free_disks(), *self._free_interfaces())

    def remove(self, leftover: Leftover) -> None:
        """Delete a disk or an interface; one that is gone already is fine."""
        if leftover.kind == "interface":
            self._interfaces.remove(leftover.id)
        else:
            self._remove_disk(leftover.id)

    def _free_disks(self) -> Iterator[Leftover]:
        """Yield disks by the mark in their names: a request for a machine gives them no tags."""
        with self._api.asking("leftovers") as client:
            names = [
                each.name or ""
                for each in client.disks.list_by_resource_group(self._group)
                if not each.managed_by
                and each.properties
                and each.properties.disk_state == "Unattached"
            ]
        for name in names:
            if ours := _OURS.fullmatch(name):
                yield Leftover(kind="volume", id=name, name=name, owner_mark=ours[1])

    def _free_interfaces(self) -> Iterator[Leftover]:
        """Yield interfaces by their tags, since Azure may add to the names we give them."""
        for each in self._interfaces.listed("leftovers"):
            if not each.machine_id and INSTALLATION in each.tags:
                yield Leftover(kind="interface", id=each.name, name=each.name, tags=each.tags)

    def _remove_disk(self, name: str) -> None:
        from vcycled.spaces.azure.errors import Missing  # noqa: PLC0415 - slow to import

        with suppress(Missing), self._api.asking("remove") as client:
            client.disks.begin_delete(self._group, name, polling=False)
