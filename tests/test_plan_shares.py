"""What the plan says of shares and of when to look again."""

from typing import Any

import pytest

from tests.builders import NOW, facts, kind, machine, machines, plan, starting
from vcycled.model import Limits, MachineState, Share


def test_a_share_says_what_is_wanted_and_had() -> None:
    """Parts of 1, by name; machinetypes of no section are left out."""
    given = facts(
        kind("b", target_share=3),
        kind("a", target_share=1),
        kind("c", target_share=0),
        machines=(
            *machines(2, machinetype="a"),
            starting("b1", machinetype="b", processors=4),
            machine("b2", machinetype="b", state=MachineState.SHUTDOWN),
            machine("c1", machinetype="c", processors=2),
            machine("d1", machinetype="d"),
        ),
    )
    assert plan(given).shares == (
        Share(machinetype="a", wanted=0.25, had=0.25, processors=2, machines=2),
        Share(machinetype="b", wanted=0.75, had=0.5, processors=4, machines=1),
        Share(machinetype="c", wanted=0.0, had=0.25, processors=2, machines=1),
    )


def test_shares_are_weighed_by_power_if_all_state_it() -> None:
    """A processor of ten weighs as much as ten of one."""
    given = facts(
        kind("a", power_per_processor=10.0),
        kind("b", power_per_processor=1.0),
        machines=(*machines(1, machinetype="a"), *machines(30, machinetype="b")),
    )
    assert [share.had for share in plan(given).shares] == [0.25, 0.75]


def test_without_shares_and_machines_all_parts_are_0() -> None:
    """There is nothing to divide by."""
    assert plan(facts(kind(target_share=0))).shares == (
        Share(machinetype="prod", wanted=0.0, had=0.0, processors=0, machines=0),
    )


FULL = Limits(processors=1)


@pytest.mark.parametrize(
    ("changes", "wake_at"),
    [
        pytest.param({"machines": machines(1)}, NOW + 60, id="a cycle if nothing is due"),
        pytest.param({"cycle_seconds": 1}, NOW + 1, id="a short cycle"),
        pytest.param({"cycle_seconds": 0}, NOW + 1, id="never at once"),
        pytest.param(
            {"machines": (machine(started_at=NOW - 86_400),)}, NOW + 1, id="wallclock at once"
        ),
        pytest.param(
            {"machines": (machine(started_at=NOW - 86_341),)}, NOW + 60, id="wallclock in a cycle"
        ),
        pytest.param(
            {"machines": (machine(started_at=NOW - 86_342),)}, NOW + 59, id="wallclock before"
        ),
        pytest.param(
            {"machines": (starting(created_at=NOW - 3560),)}, NOW + 41, id="start timeout"
        ),
        pytest.param(
            {
                "machines": machines(1, leave_by=NOW + 20, leave_why="shutdown-time"),
                "shutdown_time": NOW + 20,
            },
            NOW + 21,
            id="shutdown time",
        ),
        pytest.param(
            {"machines": machines(3, started_at=NOW - 90_000)}, NOW + 60, id="deletion cap"
        ),
    ],
)
def test_looks_again_when_something_is_due(changes: dict[str, Any], wake_at: int) -> None:
    """A cycle from now at the latest, a second at the earliest."""
    assert plan(facts(**{"limits": FULL, **changes})).wake_at == wake_at


@pytest.mark.parametrize(
    ("changes", "wake_at"),
    [
        ({"last_abort_at": NOW - 870}, NOW + 30),
        ({"last_abort_at": NOW - 899}, NOW + 1),
        ({"creation_failures": 1, "creation_failed_at": NOW - 15}, NOW + 45),
        ({"last_abort_at": NOW - 10}, NOW + 60),
    ],
)
def test_looks_again_when_a_hold_is_over(changes: dict[str, Any], wake_at: int) -> None:
    """What a machinetype waits for wakes the planner too."""
    assert plan(facts(kind(**changes))).wake_at == wake_at


def test_room_beside_ten_thousand_machines_is_filled() -> None:
    """To the last processor; what that costs is measured by bench/steady.py."""
    kinds = [kind(f"k{each}", heartbeat_file="hb", heartbeat_seconds=600) for each in range(10)]
    many = tuple(
        machine(f"m{each}", machinetype=f"k{each % 10}", heartbeat_at=NOW - 100)
        for each in range(10_000)
    )
    given = facts(*kinds, machines=many, limits=Limits(processors=11_000))
    assert len(plan(given).creates) == 1000
