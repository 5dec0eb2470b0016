"""The listing of a project: every machine, and what else of ours hangs on the servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vcycled.errors import SpaceError
from vcycled.model import ListedMachine, MachineState
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.faults import lacks_capacity, lacks_quota
from vcycled.spaces.openstack.listing import INSTALLATION, fault_of
from vcycled.spaces.openstack.servers import Servers

MOST_FAULTS = 20
"""How many servers in error are asked, in one listing, for what went wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A volume that goes with a machine of ours."""

    volume_id: str
    machine: str
    """Name of the machine."""
    installation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the last complete listing showed besides the machines themselves."""

    names: frozenset[str] = frozenset()
    """Of all machines."""
    image_ids: frozenset[str] = frozenset()
    key_names: frozenset[str] = frozenset()
    volumes: tuple[Attached, ...] = ()


class Inventory:
    """Lists the servers of a project; remembers the faults of those in error while they last.

    Args:
        servers: the calls.
        read: returns the machine that a server is.
    """

    def __init__(self, servers: Servers, read: Callable[[Doc], ListedMachine]) -> None:
        self._servers = servers
        self._read = read
        self._faults: dict[str, str] = {}
        self.seen: Seen | None = None
        """None until there was a complete listing."""

    def machines(self) -> tuple[ListedMachine, ...]:
        """Return every machine of the project.

        Raises:
            SpaceError: there is no complete listing; what was seen last stays as it is.
        """
        found: list[ListedMachine] = []
        notes = _Notes()
        for page in self._servers.listed():
            for server in page:
                machine = self._read(server)
                found.append(machine)
                notes.add(server, machine)
        self._ask_for_faults(found)
        self.seen = notes.seen()
        return tuple(found)

    def _ask_for_faults(self, found: list[ListedMachine]) -> None:
        """Fill in what went wrong with machines of ours, where the listing does not say.

        Servers that never came to a host, as for want of one, show it only when asked singly, and
        Nova notes it a moment after the error: those that did not tell are asked again, but last.
        """
        places = {each.cloud_id: n for n, each in enumerate(found) if _lacks_fault(each)}
        self._faults = {key: fault for key, fault in self._faults.items() if key in places}
        unknown = [key for key in places if not self._faults.get(key)]
        unknown.sort(key=self._faults.__contains__)
        for server_id in unknown[:MOST_FAULTS]:
            try:
                server = self._servers.shown("machines", server_id)
            except SpaceError:
                break  # the listing is complete without it; the next one asks again
            self._faults[server_id] = fault_of(server) if server else ""
        for server_id, fault in self._faults.items():
            place = places[server_id]
            found[place] = with_fault(found[place], fault)


def with_fault(machine: ListedMachine, fault: str) -> ListedMachine:
    """Return `machine` with what went wrong, and what that means."""
    return replace(
        machine,
        fault=fault,
        lacks_capacity=lacks_capacity(fault),
        lacks_quota=lacks_quota(fault),
    )


def _lacks_fault(machine: ListedMachine) -> bool:
    return (
        machine.state is MachineState.FAILED and not machine.fault and INSTALLATION in machine.tags
    )


@dataclass(slots=True)
class _Notes:
    """What is gathered on the way through the pages."""

    names: set[str] = field(default_factory=set)
    image_ids: set[str] = field(default_factory=set)
    key_names: set[str] = field(default_factory=set)
    volumes: list[Attached] = field(default_factory=list)

    def add(self, server: Doc, machine: ListedMachine) -> None:
        self.names.add(machine.name)
        self.key_names.add(server.text("key_name", ""))
        if isinstance(server.members.get("image"), dict):  # "" if it was made from a volume
            self.image_ids.add(server.doc("image").text("id"))
        if installation := machine.tags.get(INSTALLATION):
            self.volumes += _attached(server, machine.name, installation)

    def seen(self) -> Seen:
        return Seen(
            names=frozenset(self.names),
            image_ids=frozenset(self.image_ids),
            key_names=frozenset(self.key_names),
            volumes=tuple(self.volumes),
        )


def _attached(server: Doc, name: str, installation: str) -> Sequence[Attached]:
    """Return the volumes that were made for a machine, and are to go with it.

    What somebody attached to it by hand stays when it goes, and Nova says so.
    """
    key = "os-extended-volumes:volumes_attached"
    if key not in server:
        return ()
    return [
        Attached(volume_id=each.text("id"), machine=name, installation=installation)
        for each in server.docs(key)
        if each.flag("delete_on_termination", False)
    ]
