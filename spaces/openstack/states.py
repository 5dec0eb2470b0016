"""What Nova's words for the state of a server mean to us.

A server has a `status`, and while something is being done to it a `task_state`. Both lists grow
with Nova's releases, and Nova promises neither to be complete; so a word that is not here is
UNKNOWN: such a server counts and ages, but nothing follows from its state.

Sources: "Server concepts" of the Compute API guide (status); nova/compute/task_states.py and the
table in nova/api/openstack/common.py of Nova 2026.1, which derives the status (task_state).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vcycled.model import MachineState

BY_STATUS: Mapping[str, MachineState] = MappingProxyType(
    {
        # It is being made: scheduled, given ports and a disk, spawned.
        "BUILD": MachineState.STARTING,
        # It runs. power_state is not asked: it is seldom brought up to date, and Vcycle 3, which
        # believed it, killed machines that worked.
        "ACTIVE": MachineState.RUNNING,
        # What an administrator of the cloud does to a running server; it runs on afterwards.
        "REBOOT": MachineState.RUNNING,
        "HARD_REBOOT": MachineState.RUNNING,
        "PASSWORD": MachineState.RUNNING,
        "REBUILD": MachineState.RUNNING,
        "MIGRATING": MachineState.RUNNING,
        # Also a cold migration, which comes back as VERIFY_RESIZE and runs while it waits for
        # somebody to confirm it.
        "RESIZE": MachineState.RUNNING,
        "VERIFY_RESIZE": MachineState.RUNNING,
        "REVERT_RESIZE": MachineState.RUNNING,
        # Somebody stopped it for a while, with its memory or disk kept, and may let it go on.
        "PAUSED": MachineState.UNKNOWN,
        "SUSPENDED": MachineState.UNKNOWN,
        "SHELVED": MachineState.UNKNOWN,
        "SHELVED_OFFLOADED": MachineState.UNKNOWN,
        # Booted from another disk by somebody who looks what is wrong with it.
        "RESCUE": MachineState.UNKNOWN,
        # Nova cannot reach the part of the cloud that knows.
        "UNKNOWN": MachineState.UNKNOWN,
        # It powered itself off: what a machine does at its end.
        "SHUTOFF": MachineState.SHUTDOWN,
        # It could not be made, or was lost with its host.
        "ERROR": MachineState.FAILED,
        # Deleted, but kept for a while by a cloud that lets its users change their mind.
        "SOFT_DELETED": MachineState.DELETING,
        # Gone; shown for a short time by some clouds.
        "DELETED": MachineState.DELETING,
    }
)
"""By status, while no task changes what it means."""

DELETING_TASKS = frozenset({"deleting", "soft-deleting"})
"""Whatever the status is: for most of a deletion it stays what it was before, ACTIVE or BUILD."""

REVIVING_TASKS = frozenset(
    {
        "powering-on",
        "rebooting",
        "reboot_pending",
        "reboot_started",
        "rebooting_hard",
        "reboot_pending_hard",
        "reboot_started_hard",
        "rebuilding",
        "rebuild_block_device_mapping",
        "rebuild_spawning",
        "resize_prep",
        "resize_migrating",
        "resize_migrated",
        "resize_finish",
        "resize_reverting",
        "resize_confirming",
        "migrating",
        "resuming",
        "unpausing",
        "unrescuing",
        "restoring",
        "unshelving",
    }
)
"""The server is off, in error or deleted, but somebody is about to change that: not an end."""

_ENDS = {MachineState.SHUTDOWN, MachineState.FAILED, MachineState.DELETING}


def state_of(status: str, task_state: str) -> MachineState:
    """Return the state of a server; both words in any case, an empty task_state for none."""
    task = task_state.lower()
    if task in DELETING_TASKS:
        return MachineState.DELETING
    state = BY_STATUS.get(status.upper(), MachineState.UNKNOWN)
    if task in REVIVING_TASKS and state in _ENDS:
        return MachineState.UNKNOWN
    return state
