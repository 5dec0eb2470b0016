"""A virtual machine as Azure shows it, in our words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from vcycled.model import Flavor, ListedMachine, MachineState
from vcycled.spaces.azure.faults import lacks_capacity, lacks_quota
from vcycled.spaces.azure.states import state_of

if TYPE_CHECKING:
    from azure.mgmt.compute.models import (
        InstanceViewStatus,
        VirtualMachine,
        VirtualMachineInstanceView,
    )

INSTALLATION = "vcycle_installation"
UUID = "vcycle_uuid"

_ENDED = {MachineState.SHUTDOWN, MachineState.FAILED}


def listed_of(
    machine: VirtualMachine,
    view: VirtualMachineInstanceView | None,
    flavor_of: Callable[[str], Flavor],
    address: str = "",
) -> ListedMachine:
    """Return the machine that one of Azure's is.

    Args:
        machine: what was asked for, and how far that has come.
        view: its instance view; None if Azure does not tell it just now.
        flavor_of: returns a size by its name.
        address: in the subnet, as far as it is known.
    """
    statuses = tuple((view.statuses if view else None) or ())
    provisioning = _newest(statuses, "ProvisioningState")
    power = _newest(statuses, "PowerState")
    model = machine.properties
    state = state_of((model and model.provisioning_state) or "", _word(power))
    size = _size(machine)
    flavor = flavor_of(size)
    created_at = _instant(model.time_created) if model else None
    code, fault = _fault(provisioning) if state is MachineState.FAILED else ("", "")
    return ListedMachine(
        name=machine.name or "",
        cloud_id=cloud_id_of(machine),
        state=state,
        processors=flavor.processors,
        memory_mb=flavor.memory_mb,
        flavor=flavor.name or size,
        zone=next(iter(machine.zones or ()), ""),
        address=address,
        created_at=created_at,
        started_at=_started_at(state, provisioning, created_at),
        stopped_at=_stopped_at(state, power, created_at),
        fault=fault,
        lacks_capacity=lacks_capacity(code, fault),
        lacks_quota=lacks_quota(code, fault),
        tags=_tags(machine),
    )


def cloud_id_of(machine: VirtualMachine) -> str:
    """Return the id of this one machine: one made later under its name has another.

    The id of the resource will not do, as it is made of names.
    """
    model = machine.properties
    return (model and model.vm_id) or ""


def _size(machine: VirtualMachine) -> str:
    """Return the size by its name; the SDK makes those it knows members of an enumeration."""
    model = machine.properties
    size = (model and model.hardware_profile and model.hardware_profile.vm_size) or ""
    return str(size.value) if isinstance(size, Enum) else size


def _newest(statuses: Iterable[InstanceViewStatus], kind: str) -> InstanceViewStatus | None:
    found = [each for each in statuses if (each.code or "").startswith(f"{kind}/")]
    return found[-1] if found else None


def _word(status: InstanceViewStatus | None) -> str:
    """Return the state in a code such as `PowerState/running`."""
    return ((status and status.code) or "/").split("/")[1]


def _fault(status: InstanceViewStatus | None) -> tuple[str, str]:
    """Return code and sentence of what went wrong.

    The code is behind the state, as in `ProvisioningState/failed/AllocationFailed`.
    """
    if status is None:
        return "", ""
    code = "/".join((status.code or "").split("/")[2:])
    words = " ".join((status.message or status.display_status or "").split())
    return code, f"{code}: {words}" if code else words


def _instant(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())


def _started_at(
    state: MachineState, status: InstanceViewStatus | None, created_at: int | None
) -> int | None:
    """Return when Azure was done with making it, if that is the last thing it did."""
    if state is not MachineState.RUNNING or _word(status) != "succeeded":
        return None
    return _sane(_instant(status.time) if status else None, created_at)


def _stopped_at(
    state: MachineState, power: InstanceViewStatus | None, created_at: int | None
) -> int | None:
    """Return when it ended, if Azure tells, which it seldom does."""
    if state not in _ENDED:
        return None
    return _sane(_instant(power.time) if power else None, created_at)


def _sane(at: int | None, created_at: int | None) -> int | None:
    return at if at is None or created_at is None or at >= created_at else created_at


def _tags(machine: VirtualMachine) -> dict[str, str]:
    """Return the tags of a machine of Vcycle's; what others keep there is dropped."""
    tags = machine.tags or {}
    return dict(tags) if INSTALLATION in tags or "machinetype" in tags else {}
