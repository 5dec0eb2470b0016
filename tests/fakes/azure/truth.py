"""Every machine there is or was, as Azure truly knows it, and what becomes of it by itself."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.fakes.azure.settings import Settings, Size
from tests.fakes.openstack.messages import Json
from vcycled.clock import Clock


@dataclass(slots=True, kw_only=True)
class Machine:
    """A machine there is or was; times are Unix seconds of the cloud's clock."""

    number: int
    """In order of creation."""
    id: str
    """Its vmId."""
    name: str
    size: Size
    created_at: int
    request: Json | None = None
    """Body of the PUT; None if a test added it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    is_spot: bool = False
    location: str = ""
    provisioning: str = "Creating"
    power: str = ""
    """Empty while Azure does not tell it."""
    fault_code: str = ""
    fault: str = ""
    launched_at: int | None = None
    ended_at: int | None = None
    """When it ceased to run; Azure does not show that."""
    gone_at: int | None = None
    deletes: int = 0
    forced: int = 0
    """How many of these were by force."""
    due_at: int | None = None
    """When the next thing happens to it by itself."""

    @property
    def address(self) -> str:
        """In the subnet."""
        return f"10.1.{self.number // 250 % 256}.{self.number % 250 + 4}"

    @property
    def processors(self) -> int:
        """That it has."""
        return self.size.vcpus

    @property
    def is_ours(self) -> bool:
        """True if some manager asked for it."""
        return "vcycle_installation" in self.tags

    @property
    def machinetype(self) -> str:
        """Of its tags; empty for a foreign machine."""
        return self.tags.get("machinetype", "") if self.is_ours else ""

    @property
    def uuid(self) -> str:
        """What we gave it; empty for a foreign machine."""
        return self.tags.get("vcycle_uuid", "")


@dataclass(slots=True, kw_only=True)
class Listing:
    """How listings differ from the truth; asking for one machine always shows the truth."""

    omitted: set[str] = field(default_factory=set)
    """Names that are left out."""
    lag_seconds: int = 0
    """A machine is listed only so long after it was made."""
    no_status: set[str] = field(default_factory=set)
    """Names that the listing of states leaves out."""


class Machines:
    """All of them, with their disks and interfaces. Whoever calls holds the cloud's lock."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.clock = clock
        self.truth: list[Machine] = []
        """Every one that ever was, in order of creation."""
        self.by_name: dict[str, Machine] = {}
        """Those there are, by name in lower case."""
        self.disks: dict[str, str] = {}
        """Name of each disk, with that of its machine in lower case, or "" if it is on none."""
        self.interfaces: dict[str, str] = {}
        """The same of interfaces."""
        self.interface_tags: dict[str, Mapping[str, str]] = {}
        """Tags of each interface, by its name; it outlives the interface."""
        self.peak_processors: Counter[str] = Counter()
        """Most processors there were at once, by machinetype; all together under `*`."""
        self._settings = settings
        self._numbers = itertools.count(1)

    @property
    def here(self) -> tuple[Machine, ...]:
        """Those there are."""
        return tuple(self.by_name.values())

    def add(self, name: str, size: Size, *, is_spot: bool = False) -> Machine:
        """Put a machine there."""
        number = next(self._numbers)
        machine = Machine(
            number=number,
            id=f"{number:08x}-0000-4000-8000-000000000000",
            name=name,
            size=size,
            is_spot=is_spot,
            created_at=self.clock.now(),
            location=self._settings.location,
        )
        self.truth.append(machine)
        self.by_name[name.lower()] = machine
        return machine

    def count(self) -> None:
        """Note how many processors there are."""
        now = Counter({"*": self.cores(is_spot=False) + self.cores(is_spot=True)})
        for each in self.by_name.values():
            now[each.machinetype] += each.size.vcpus
        for key, value in now.items():
            self.peak_processors[key] = max(self.peak_processors[key], value)

    def cores(self, *, is_spot: bool, family: str = "") -> int:
        """Return the processors that there are in the region, by kind and family of size."""
        return sum(
            each.size.vcpus
            for each in self.by_name.values()
            if each.is_spot == is_spot
            and family in ("", each.size.family)
            and each.location == self._settings.location
        )

    def later(self, machine: Machine, seconds: int | None) -> None:
        """Let the next thing happen to a machine after so long; None leaves it to a test."""
        machine.due_at = None if seconds is None else self.clock.now() + seconds

    def run(self, machine: Machine, *, at: int) -> None:
        """Let a machine run."""
        machine.provisioning, machine.power = "Succeeded", "running"
        machine.launched_at, machine.due_at = at, None

    def fail(self, machine: Machine, code: str, message: str) -> None:
        """Let the making of a machine fail."""
        machine.provisioning, machine.power = "Failed", ""
        machine.fault_code, machine.fault, machine.due_at = code, message, None

    def remove(self, machine: Machine, *, at: int, leaves_all: bool = False) -> None:
        """Let a machine be gone, with what was to go with it, unless it leaves that."""
        machine.gone_at, machine.due_at = at, None
        machine.ended_at = at if machine.ended_at is None else machine.ended_at
        del self.by_name[machine.name.lower()]
        goes = set() if leaves_all else _goes_with(machine.request or {})
        for parts in (self.disks, self.interfaces):
            for name, owner in tuple(parts.items()):
                if owner == machine.name.lower():
                    parts[name] = ""
                    if name in goes:
                        del parts[name]

    def catch_up(self) -> None:
        """Let happen what is due."""
        for machine in tuple(self.by_name.values()):
            at = machine.due_at
            if at is None or at > self.clock.now():
                continue
            if machine.provisioning == "Deleting":
                self.remove(machine, at=at)
            elif machine.size.name in self._settings.no_room:
                text = f"Allocation failed. We do not have sufficient capacity for {machine.size}."
                self.fail(machine, "AllocationFailed", text)
            else:
                self.run(machine, at=at)

    def listed(self, listing: Listing) -> list[Machine]:
        """Return what a listing shows."""
        newest = self.clock.now() - listing.lag_seconds
        return [
            each
            for each in self.by_name.values()
            if each.name not in listing.omitted and each.created_at <= newest
        ]


def _goes_with(request: Json) -> set[str]:
    """Return the names of disks and interfaces whose delete option is Delete."""
    properties = request.get("properties", {})
    disk = properties.get("storageProfile", {}).get("osDisk", {})
    interfaces = properties.get("networkProfile", {}).get("networkInterfaceConfigurations", [])
    parts = [disk, *({"name": each["name"], **each["properties"]} for each in interfaces)]
    return {each["name"] for each in parts if each.get("deleteOption") == "Delete"}
