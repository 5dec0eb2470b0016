"""The facts that the manager reasons about. No clock, no I/O, no decisions.

Every time is an instant in whole Unix seconds (`*_at`) or a span in seconds (`*_seconds`, named as
the option). Processors are logical CPUs, memory is in MB (2**20 bytes, as Nova's flavors).
"""

from vcycled.model.cloud import (
    FATE,
    Fate,
    Flavor,
    Limits,
    ListedMachine,
    MachineState,
)
from vcycled.model.memory import (
    Changes,
    Drain,
    EndSource,
    Event,
    Machine,
    MachinetypeMemory,
    Order,
    OrderKind,
    Records,
    RunInterval,
    ShutdownMessage,
    SpaceMemory,
    Stage,
    Terms,
    Unfit,
)
from vcycled.model.planning import (
    MESSAGES,
    Cause,
    Create,
    Deferred,
    Delete,
    Hold,
    Machinetype,
    Plan,
    Reason,
    Share,
    SpaceFacts,
)

__all__ = [
    "FATE",
    "MESSAGES",
    "Cause",
    "Changes",
    "Create",
    "Deferred",
    "Delete",
    "Drain",
    "EndSource",
    "Event",
    "Fate",
    "Flavor",
    "Hold",
    "Limits",
    "ListedMachine",
    "Machine",
    "MachineState",
    "Machinetype",
    "MachinetypeMemory",
    "Order",
    "OrderKind",
    "Plan",
    "Reason",
    "Records",
    "RunInterval",
    "Share",
    "ShutdownMessage",
    "SpaceFacts",
    "SpaceMemory",
    "Stage",
    "Terms",
    "Unfit",
]
