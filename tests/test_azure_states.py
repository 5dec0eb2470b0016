"""What Azure's words mean: the table of states and the codes of faults."""

from __future__ import annotations

import pytest

from vcycled.model import MachineState
from vcycled.spaces.azure.faults import CAPACITY_CODES, QUOTA_CODES, lacks_capacity, lacks_quota
from vcycled.spaces.azure.states import BY_POWER, BY_PROVISIONING, state_of

PROVISIONING = ["Canceled", "Creating", "Deleting", "Failed", "Migrating", "Succeeded", "Updating"]
"""The provisioning states of a virtual machine."""
_POWER = "creating deallocated deallocating running starting stopped stopping unknown"
POWER = _POWER.split()
"""The power states of "States and billing status of Azure Virtual Machines"."""

STARTING, RUNNING, SHUTDOWN, DELETING, FAILED, UNKNOWN = MachineState

SETTLED = {
    "": UNKNOWN,
    "creating": STARTING,
    "starting": STARTING,
    "running": RUNNING,
    "stopping": UNKNOWN,
    "stopped": SHUTDOWN,
    "deallocating": UNKNOWN,
    "deallocated": SHUTDOWN,
    "unknown": UNKNOWN,
}
BY_BOTH = {
    "Succeeded": SETTLED,
    "Updating": SETTLED,
    "Migrating": SETTLED,
    "Canceled": {**SETTLED, "": FAILED},
    "Creating": dict.fromkeys(SETTLED, STARTING),
    "Deleting": dict.fromkeys(SETTLED, DELETING),
    "Failed": {**dict.fromkeys(SETTLED, FAILED), "running": RUNNING, "starting": STARTING},
}


def test_the_table_holds_every_state_of_azure() -> None:
    """None more and none less: a new state of Azure's is a new row here and there."""
    assert sorted(BY_POWER) == POWER
    assert sorted(BY_PROVISIONING) == sorted(each.lower() for each in PROVISIONING)
    for by_power in BY_PROVISIONING.values():
        assert sorted(by_power) == ["", *POWER]


def test_every_pair_of_states_has_its_meaning() -> None:
    """Also a power state that Azure does not tell."""
    found = {each: {power: state_of(each, power) for power in SETTLED} for each in PROVISIONING}
    assert found == BY_BOTH


@pytest.mark.parametrize(
    ("provisioning", "power"),
    [("Resting", "running"), ("", ""), ("Succeeded", "dreaming"), ("Failed", "dreaming")],
)
def test_a_new_word_is_unknown(provisioning: str, power: str) -> None:
    """Such a machine counts and ages, and is not killed for the word."""
    assert state_of(provisioning, power) is UNKNOWN


def test_words_are_read_in_any_case() -> None:
    """The API writes them both ways."""
    assert state_of("SUCCEEDED", "Running") is RUNNING
    assert state_of("creating", "") is STARTING


OVER = "Operation could not be completed as it results in exceeding approved {} quota. Additional"


@pytest.mark.parametrize(
    ("code", "text", "capacity", "quota"),
    [
        ("SkuNotAvailable", "The requested VM size is currently not available", True, False),
        ("AllocationFailed", "", True, False),
        ("ZonalAllocationFailed", "", True, False),
        ("OverconstrainedAllocationRequest", "", True, False),
        ("OverconstrainedZonalAllocationRequest", "", True, False),
        ("SpotPriceGreaterThanProvidedMaxPrice", "", True, False),
        ("QuotaExceeded", "", False, True),
        ("SubnetIsFull", "Subnet workers does not have enough capacity", False, True),
        ("OperationNotAllowed", OVER.format("Total Regional Cores"), False, True),
        ("OperationNotAllowed", OVER.format("LowPriorityCores"), False, True),
        (
            "OperationNotAllowed",
            "Operation results in exceeding quota limits of Core",
            False,
            True,
        ),
        # The quota of one family: a size of another may fit.
        ("OperationNotAllowed", OVER.format("standardDASv5Family Cores"), True, False),
        ("QuotaExceeded", OVER.format("standardDASv5Family Cores"), True, False),
        ("OperationNotAllowed", "The server rejected it: the family is exceeding", False, False),
        ("InvalidParameter", OVER.format("Total Regional Cores"), False, False),
        ("", "", False, False),
    ],
)
def test_a_fault_is_of_capacity_or_of_quota(
    code: str, text: str, capacity: bool, quota: bool
) -> None:
    """Never both: the one means another size, the other no more machines."""
    assert (lacks_capacity(code, text), lacks_quota(code, text)) == (capacity, quota)


def test_codes_are_compared_in_lower_case() -> None:
    """So the tables must be in it."""
    assert all(each == each.lower() for each in CAPACITY_CODES | QUOTA_CODES)
