"""What EC2's words for the state of an instance, and for why it changed, mean to us.

Sources: "Instance lifecycle" of the EC2 user guide; `StateReason` of the API reference, whose list
is open: what is not here is judged by who is said to have done it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from vcycled.model import MachineState

TERMINATED = "terminated"
BY_STATE: Mapping[str, MachineState] = MappingProxyType(
    {
        "pending": MachineState.STARTING,
        "running": MachineState.RUNNING,
        # A machine of ours that powers off is terminated. Where somebody stopped one instead, it
        # does nothing more but cost the price of its volume.
        "stopping": MachineState.SHUTDOWN,
        "stopped": MachineState.SHUTDOWN,
        "shutting-down": MachineState.DELETING,
        TERMINATED: MachineState.SHUTDOWN,
    }
)

CAPACITY_REASONS = frozenset({"Server.InsufficientInstanceCapacity"})
QUOTA_REASONS = frozenset({"Client.VolumeLimitExceeded", "Client.InstanceLimitExceeded"})
SPOT_REASONS = frozenset({"Server.SpotInstanceTermination", "Server.SpotInstanceShutdown"})
_BROKEN = re.compile(r"Server\.(?!ScheduledStop).+|Client\.(InternalError|Invalid.+|.+Exceeded)")
"""It was lost, or could not be made. `Server.` is what AWS did."""
_HAS_RUN = SPOT_REASONS | {"Client.InstanceInitiatedShutdown", "Server.ScheduledStop"}
_WHEN = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")


def state_of(name: str, reason: str) -> MachineState:
    """Return the state of an instance; `reason` is the code of its StateReason, if any."""
    state = BY_STATE.get(name, MachineState.UNKNOWN)
    return MachineState.FAILED if state is MachineState.SHUTDOWN and is_broken(reason) else state


def is_broken(reason: str) -> bool:
    """Return whether an instance with this reason was lost, or could not be made."""
    return bool(_BROKEN.fullmatch(reason))


def has_run(name: str, reason: str) -> bool:
    """Return whether an instance surely came to run."""
    return name in {"running", "stopping", "stopped"} or reason in _HAS_RUN


def ended_at(transition: str) -> int | None:
    """Return the Unix time in a StateTransitionReason, `User initiated (2026-01-02 …)`, if any."""
    found = _WHEN.search(transition)
    if not found:
        return None
    try:
        return int(datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
