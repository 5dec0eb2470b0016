"""The subscription's quotas in the region, and what others use of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcycled.model import Limits
from vcycled.spaces.azure.api import Api

if TYPE_CHECKING:
    from azure.mgmt.compute.models import Usage

REGULAR, SPOT, MACHINES = "cores", "lowPriorityCores", "virtualMachines"
"""Names of the quotas: processors of regular and of spot machines, and how many machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the machines of our resource group in the region hold of the quotas."""

    regular: int = 0
    spot: int = 0
    machines: int = 0


class Quotas:
    """Limits for a resource group out of quotas of a subscription.

    Others in the subscription use them too, in other resource groups and in scale sets. What they
    use is the difference between what Azure counts and what we list, taken in one and the same
    look; the next look's limits are less by that much.
    """

    def __init__(self, api: Api, location: str, *, is_spot: bool) -> None:
        self._api = api
        self._location = location
        self._processors = SPOT if is_spot else REGULAR
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}
        self._others: dict[str, int] = {}

    def limits(self) -> Limits:
        """Return what the group may hold, asked of Azure."""
        with self._api.asking("limits") as client:
            usages = {_name(each): each for each in client.usage.list(self._location)}
        with self._lock:
            self._used = {name: usage.current_value for name, usage in usages.items()}
            others = dict(self._others)

        def left(name: str) -> int | None:
            if name not in usages:
                return None
            return max(0, usages[name].limit - others.get(name, 0))

        return Limits(processors=left(self._processors), machines=left(MACHINES))

    def note(self, held: Held) -> None:
        """Learn what we hold, listed just after `limits`."""
        ours = {REGULAR: held.regular, SPOT: held.spot, MACHINES: held.machines}
        with self._lock:
            used, self._used = self._used, {}
            if used:
                self._others = {
                    name: max(0, used.get(name, 0) - count) for name, count in ours.items()
                }


def _name(usage: Usage) -> str:
    return usage.name.value or ""
