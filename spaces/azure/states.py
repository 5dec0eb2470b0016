"""What Azure's words for the state of a virtual machine mean to us.

It has a *provisioning state*, that of the last thing that was asked of it, and a *power state*,
which listings give apart from the rest and sometimes not at all. A word that is not here is
UNKNOWN: such a machine counts and ages, but nothing follows from its state.

Source: "States and billing status of Azure Virtual Machines" of Microsoft's documentation, and
the 2026-04-01 API.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vcycled.model import MachineState

BY_POWER: Mapping[str, MachineState] = MappingProxyType(
    {
        # Resources for it are being found; then it is being powered up.
        "creating": MachineState.STARTING,
        "starting": MachineState.STARTING,
        "running": MachineState.RUNNING,
        # It may be on its way to either of the next two, or to another start.
        "stopping": MachineState.UNKNOWN,
        "deallocating": MachineState.UNKNOWN,
        # It powered itself off: what a machine does at its end. It keeps its host and costs as
        # if it ran, until it is deleted.
        "stopped": MachineState.SHUTDOWN,
        # Somebody stopped it and gave the host back, or Azure took a spot machine back.
        "deallocated": MachineState.SHUTDOWN,
        "unknown": MachineState.UNKNOWN,
    }
)
"""By power state, while the provisioning state does not say more."""

BY_PROVISIONING: Mapping[str, Mapping[str, MachineState]] = MappingProxyType(
    {
        # Whatever its power: until the outcome is known it has not started.
        "creating": dict.fromkeys(("", *BY_POWER), MachineState.STARTING),
        # Deleted, and on its way: it may go on running for most of that.
        "deleting": dict.fromkeys(("", *BY_POWER), MachineState.DELETING),
        "succeeded": {**BY_POWER, "": MachineState.UNKNOWN},
        # Somebody changes it, or starts or stops it; what it does meanwhile counts.
        "updating": {**BY_POWER, "": MachineState.UNKNOWN},
        "migrating": {**BY_POWER, "": MachineState.UNKNOWN},
        # The last thing asked of it failed. That need not have been its creation, and a machine
        # whose image has no agent of Azure's fails for that alone: one that runs, runs.
        "failed": {
            **dict.fromkeys(("", *BY_POWER), MachineState.FAILED),
            "running": MachineState.RUNNING,
            "starting": MachineState.STARTING,
        },
        "canceled": {**BY_POWER, "": MachineState.FAILED},
    }
)
"""By provisioning state, then by power state; "" if that is not told."""


def state_of(provisioning: str, power: str) -> MachineState:
    """Return the state of a machine; both words in any case, `power` empty if not told."""
    by_power = BY_PROVISIONING.get(provisioning.lower())
    if by_power is None:
        return MachineState.UNKNOWN
    return by_power.get(power.lower(), MachineState.UNKNOWN)
