"""A server as Nova shows it, in our words.

# Note [What a listing leaves out]

Nova does not list soft-deleted servers to users, and a listing in pages passes over servers of a
cell that does not answer, without a word. Neither is a reason to hold a machine for gone: both are
still found by their id, as soft-deleted, or as an error of the cloud. So it is `find` that proves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from vcycled.model import Flavor, ListedMachine, MachineState
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.faults import lacks_capacity, lacks_quota
from vcycled.spaces.openstack.states import state_of

INSTALLATION = "vcycle_installation"
UUID = "vcycle_uuid"

_UNTAGGED: Mapping[str, str] = MappingProxyType({})
_ENDED = {MachineState.SHUTDOWN, MachineState.FAILED}


def listed_of(
    server: Doc, flavor_of: Callable[[Doc], Flavor], networks: Sequence[str] = ()
) -> ListedMachine:
    """Return the machine that a server is.

    Args:
        server: as `GET /servers/detail` and `GET /servers/ID` show it. One of a cell that does
            not answer may have little more than its id.
        flavor_of: returns the flavor that a server shows.
        networks: names of the networks whose addresses are preferred.
    """
    state = state_of(server.text("status", ""), server.text("OS-EXT-STS:task_state", ""))
    flavor = flavor_of(server.doc("flavor")) if "flavor" in server else _UNKNOWN
    created_at = instant(server.text("created", ""))
    started_at = _not_before(created_at, instant(server.text("OS-SRV-USG:launched_at", "")))
    fault = fault_of(server) if state is MachineState.FAILED else ""
    return ListedMachine(
        name=server.text("name", ""),
        cloud_id=server.text("id"),
        state=state,
        processors=flavor.processors,
        memory_mb=flavor.memory_mb,
        flavor=flavor.name,
        zone=server.text("OS-EXT-AZ:availability_zone", ""),
        address=_address(server.doc("addresses", {}), networks),
        created_at=created_at,
        started_at=started_at,
        stopped_at=_stopped_at(server, state, started_at or created_at),
        fault=fault,
        lacks_capacity=lacks_capacity(fault),
        lacks_quota=lacks_quota(fault),
        tags=_tags(server),
    )


_UNKNOWN = Flavor(name="", processors=0, memory_mb=0)
"""Of a server of which Nova shows no flavor; what is remembered of the machine then counts."""


def fault_of(server: Doc) -> str:
    """Return what went wrong, in one line; "" if the server does not say."""
    return " ".join(server.doc("fault", {}).text("message", "").split())


def instant(text: str) -> int | None:
    """Return the Unix time of one of Nova's, which are UTC whether they say so or not.

    None if there is none, or none that can be read: a machine is not lost sight of because of it.
    """
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())


def _not_before(earliest: int | None, at: int | None) -> int | None:
    return at if at is None or earliest is None else max(earliest, at)


def _stopped_at(server: Doc, state: MachineState, began_at: int | None) -> int | None:
    """Return when it ended, as far as Nova tells: its last change, if it has ended."""
    if state not in _ENDED:
        return None
    changed_at = instant(server.text("updated", ""))
    is_sane = changed_at is not None and (began_at is None or changed_at >= began_at)
    return changed_at if is_sane else None


def _tags(server: Doc) -> Mapping[str, str]:
    """Return the metadata of a machine of Vcycle's; what others keep there is dropped.

    Vcycle 3 named the machinetype too, and such machines can be adopted.
    """
    metadata = server.doc("metadata", {})
    if INSTALLATION not in metadata and "machinetype" not in metadata:
        return _UNTAGGED
    return server.mapping("metadata")


def _address(addresses: Doc, networks: Sequence[str]) -> str:
    """Return the best address, or "" if there is none yet."""
    names = [name for name in networks if name in addresses] if networks else []
    for name in (*names, *addresses):
        shown = addresses.docs(name)
        if shown:
            return (shown[0] if len(shown) == 1 else min(shown, key=_rank)).text("addr")
    return ""


def _rank(address: Doc) -> int:
    """Return how little an address is wanted: other machines of the space use it."""
    is_floating = address.text("OS-EXT-IPS:type", "fixed") == "floating"
    return 10 * is_floating + address.whole("version", 4)
