"""What Nova's words mean: the table of states and the sentences of faults."""

from __future__ import annotations

import pytest

from vcycled.model import MachineState
from vcycled.spaces.openstack.faults import lacks_capacity, lacks_quota
from vcycled.spaces.openstack.states import (
    BY_STATUS,
    DELETING_TASKS,
    REVIVING_TASKS,
    state_of,
)

_STATUSES = (
    "ACTIVE BUILD DELETED ERROR HARD_REBOOT MIGRATING PASSWORD PAUSED REBOOT REBUILD RESCUE"
    " RESIZE REVERT_RESIZE SHELVED SHELVED_OFFLOADED SHUTOFF SOFT_DELETED SUSPENDED UNKNOWN"
    " VERIFY_RESIZE"
)
STATUSES = _STATUSES.split()
"""The statuses of "Server concepts" in the Compute API guide, and the two of shelved servers."""

_TASKS = (
    "scheduling block_device_mapping networking spawning image_snapshot image_snapshot_pending"
    " image_pending_upload image_uploading image_backup updating_password resize_prep"
    " resize_migrating resize_migrated resize_finish resize_reverting resize_confirming rebooting"
    " reboot_pending reboot_started rebooting_hard reboot_pending_hard reboot_started_hard pausing"
    " unpausing suspending resuming powering-off powering-on rescuing unrescuing rebuilding"
    " rebuild_block_device_mapping rebuild_spawning migrating deleting soft-deleting restoring"
    " shelving shelving_image_pending_upload shelving_image_uploading shelving_offloading"
    " unshelving"
)
TASKS = _TASKS.split()
"""Every constant of nova/compute/task_states.py."""

STARTING, RUNNING, SHUTDOWN, DELETING, FAILED, UNKNOWN = MachineState

ALONE = {
    "BUILD": STARTING,
    "ACTIVE": RUNNING,
    "REBOOT": RUNNING,
    "HARD_REBOOT": RUNNING,
    "PASSWORD": RUNNING,
    "REBUILD": RUNNING,
    "MIGRATING": RUNNING,
    "RESIZE": RUNNING,
    "VERIFY_RESIZE": RUNNING,
    "REVERT_RESIZE": RUNNING,
    "PAUSED": UNKNOWN,
    "SUSPENDED": UNKNOWN,
    "SHELVED": UNKNOWN,
    "SHELVED_OFFLOADED": UNKNOWN,
    "RESCUE": UNKNOWN,
    "UNKNOWN": UNKNOWN,
    "SHUTOFF": SHUTDOWN,
    "ERROR": FAILED,
    "SOFT_DELETED": DELETING,
    "DELETED": DELETING,
}


def test_the_table_holds_every_status_of_nova() -> None:
    """None more and none less: a new release of Nova is a new row here and there."""
    assert sorted(BY_STATUS) == sorted(STATUSES)
    assert {status: state_of(status, "") for status in STATUSES} == ALONE


def test_every_task_that_matters_is_one_of_nova() -> None:
    """A task that is misspelled would never be met."""
    assert set(TASKS) >= DELETING_TASKS | REVIVING_TASKS
    assert not DELETING_TASKS & REVIVING_TASKS


@pytest.mark.parametrize("task", ["deleting", "soft-deleting", "Deleting", "SOFT-DELETING"])
def test_a_server_that_is_being_deleted_is_going(task: str) -> None:
    """Whatever it was, and however the word is written: Vcycle 3 took it for running."""
    assert {state_of(status, task) for status in [*STATUSES, "NEW_IN_2030", ""]} == {DELETING}


@pytest.mark.parametrize("status", STATUSES)
def test_other_tasks_only_keep_an_end_from_being_one(status: str) -> None:
    """A server that somebody is about to start again is left alone; all else is as without."""
    alone = ALONE[status]
    revived = UNKNOWN if alone in {SHUTDOWN, FAILED, DELETING} else alone
    tasks = set(TASKS) - DELETING_TASKS
    expected = {task: revived if task in REVIVING_TASKS else alone for task in tasks}
    assert {task: state_of(status, task) for task in tasks} == expected


@pytest.mark.parametrize(
    ("status", "task", "state"),
    [
        ("SHUTOFF", "powering-on", UNKNOWN),
        ("SHUTOFF", "rebooting_hard", UNKNOWN),
        ("SHUTOFF", "powering-off", SHUTDOWN),
        ("SHUTOFF", "image_snapshot", SHUTDOWN),
        ("ERROR", "rebooting_hard", UNKNOWN),
        ("ERROR", "spawning", FAILED),
        ("SOFT_DELETED", "restoring", UNKNOWN),
        ("ACTIVE", "powering-off", RUNNING),
        ("BUILD", "spawning", STARTING),
    ],
)
def test_what_is_done_to_a_server_counts(status: str, task: str, state: MachineState) -> None:
    """Some pairs as they come up in practice."""
    assert state_of(status, task) is state


@pytest.mark.parametrize(("status", "task"), [("NEW_IN_2030", ""), ("", ""), ("", "powering-on")])
def test_what_nova_may_say_one_day_is_unknown(status: str, task: str) -> None:
    """Such a machine counts and ages; it neither leaks nor breaks the listing."""
    assert state_of(status, task) is UNKNOWN


def test_the_case_of_a_status_does_not_matter() -> None:
    """Some front ends of Nova write it their own way."""
    assert state_of("Active", "") is RUNNING


QUOTA = [
    "Quota exceeded for cores, instances: Requested 8, 1, but already used 96, 12 of 100, 12",
    "Quota exceeded for resources: ['port'].",
    "Maximum number of ports exceeded",
    "Maximum number of volumes allowed (10) exceeded for quota 'volumes'.",
    "Build of instance 1b-2c aborted: VolumeLimitExceeded: Maximum number of volumes allowed (10)"
    " exceeded",
    "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 20G, quota is 1000G"
    " and 990G has been consumed.",
    "Failed to create block device for instance due to exceeding volume related resource quota.",
    "Build of instance 1b-2c aborted: Failed to allocate the network(s) with error No fixed IP"
    " addresses available for network: 7f-9a, not rescheduling.",
    "No more IP addresses available on network 7f-9a.",
    "Exceeded maximum number of retries. Exceeded max scheduling attempts 3 for instance 1b-2c."
    " Last exception: Maximum number of ports exceeded",
]
CAPACITY = [
    "No valid host was found. There are not enough hosts available.",
    "No valid host was found.",
    "Exceeded maximum number of retries. Exceeded max scheduling attempts 3 for instance 1b-2c."
    " Last exception: Insufficient compute resources: Free vcpu 0.00 VCPU < requested 8 VCPU.",
    "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures"
    " for instance 1b-2c.",
    "Build of instance 1b-2c was re-scheduled: Insufficient compute resources: Free memory 12 MB.",
    "Failed to create allocations for instance 1b-2c against resource provider 7f-9a.",
]
NEITHER = [
    "",
    "Build of instance 1b-2c aborted: Volume 7f-9a did not finish being created even after we"
    " waited 187 seconds or 61 attempts. And its status is error.",
    "Image 7f-9a is unacceptable: Image is not raw format",
    "Build of instance 1b-2c aborted: Failed to allocate the network(s), not rescheduling.",
    "The server has either erred or is incapable of performing the requested operation.",
]


@pytest.mark.parametrize(
    ("fault", "quota", "capacity"),
    [
        *((fault, True, False) for fault in QUOTA),
        *((fault, False, True) for fault in CAPACITY),
        *((fault, False, False) for fault in NEITHER),
    ],
)
def test_a_fault_tells_what_was_lacking(fault: str, quota: bool, capacity: bool) -> None:
    """Quota stops creation, want of room means another flavor, the rest is the machinetype's."""
    assert (lacks_quota(fault), lacks_capacity(fault)) == (quota, capacity)
    assert (lacks_quota(fault.upper()), lacks_capacity(fault.upper())) == (quota, capacity)
