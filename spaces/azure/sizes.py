"""The sizes of machines that a region offers, with their real processors and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vcycled.model import Flavor
from vcycled.spaces.azure.api import Api

if TYPE_CHECKING:
    from azure.mgmt.compute.models import ResourceSku

UNKNOWN = Flavor(name="", processors=0, memory_mb=0)
"""Stands for a size that Azure has forgotten, of which a machine is left: what is remembered of it
then counts, and of a foreign one what it takes of the quota."""


class Sizes:
    """The sizes of a region, as last listed."""

    def __init__(self, api: Api, location: str) -> None:
        self._api = api
        self._location = location
        self._by_name: Mapping[str, Flavor] = {}

    def listed(self) -> tuple[Flavor, ...]:
        """Return every size that the subscription may ask for, asked of Azure.

        The list has some thousand rows and takes seconds.
        """
        found: dict[str, Flavor] = {}
        offered: list[Flavor] = []
        with self._api.asking("flavors") as client:
            for sku in client.resource_skus.list(filter=f"location eq '{self._location}'"):
                flavor = _flavor(sku)
                if flavor is not None:
                    found[flavor.name.lower()] = flavor
                    offered += [flavor] if _is_offered(sku) else []
        self._by_name = found
        return tuple(offered)

    def of(self, name: str) -> Flavor:
        """Return a size by its name, in any case, as the machines write it."""
        if not self._by_name:
            self.listed()
        return self._by_name.get(name.lower(), UNKNOWN)


def _flavor(sku: ResourceSku) -> Flavor | None:
    """Return the size that a row stands for; None if it is something else, as a disk.

    A constrained size, such as Standard_E4-2s_v5, has fewer processors than its family name says.
    """
    if sku.resource_type != "virtualMachines" or not sku.name:
        return None
    has = {each.name: each.value or "" for each in sku.capabilities or ()}
    processors = int(has.get("vCPUsAvailable") or has.get("vCPUs") or 0)
    if processors < 1:
        return None
    memory_mb = round(float(has.get("MemoryGB") or 0) * 1024)
    return Flavor(name=sku.name, processors=processors, memory_mb=memory_mb)


def _is_offered(sku: ResourceSku) -> bool:
    """Return False for one that the subscription may not use anywhere in the region."""
    return not any(each.type == "Location" for each in sku.restrictions or ())
