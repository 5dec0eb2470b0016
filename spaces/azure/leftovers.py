"""Disks that outlived their machines.

They are told to go with them, so there are none unless somebody detached one or Azure failed.
"""

from __future__ import annotations

import re
from contextlib import suppress

from vcycled.spaces.azure.api import Api
from vcycled.spaces.base import Leftover

_OURS = re.compile(r"vcycle-.+-os-([0-9a-f]{12})")


class Leavings:
    """What machines of ours left in a resource group."""

    def __init__(self, api: Api, group: str) -> None:
        self._api = api
        self._group = group

    def found(self) -> tuple[Leftover, ...]:
        """Return disks that are named as ours and belong to no machine."""
        with self._api.asking("leftovers") as client:
            names = [
                each.name or ""
                for each in client.disks.list_by_resource_group(self._group)
                if not each.managed_by
                and each.properties
                and each.properties.disk_state == "Unattached"
            ]
        return tuple(
            Leftover(kind="volume", id=name, name=name, owner_mark=ours[1])
            for name in names
            if (ours := _OURS.fullmatch(name))
        )

    def remove(self, name: str) -> None:
        """Delete a disk; one that is gone already is fine."""
        from vcycled.spaces.azure.errors import Missing  # noqa: PLC0415 - slow to import

        with suppress(Missing), self._api.asking("remove") as client:
            client.disks.begin_delete(self._group, name, polling=False)
