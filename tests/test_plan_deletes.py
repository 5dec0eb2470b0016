"""Why a machine is deleted: every rule one second before, at and after."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    NOW,
    facts,
    intent,
    kind,
    machine,
    plan,
    starting,
    terms,
)
from tests.plan_kit import reason, whys
from vcycled.model import (
    MachineState,
    Reason,
    Stage,
)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (MachineState.STARTING, None),
        (MachineState.RUNNING, None),
        (MachineState.UNKNOWN, None),
        (MachineState.SHUTDOWN, Reason.FINISHED),
        (MachineState.FAILED, Reason.FAILED),
        (MachineState.DELETING, Reason.DELETING),
    ],
)
def test_what_has_ended_goes_and_what_lives_stays(
    state: MachineState, expected: Reason | None
) -> None:
    """A listed machine within its limits is deleted if its state says that it is over."""
    assert reason(facts(machines=(machine(state=state),))) is expected


@pytest.mark.parametrize(
    "state", [MachineState.STARTING, MachineState.RUNNING, MachineState.UNKNOWN]
)
@pytest.mark.parametrize(
    ("age", "expected"), [(86_399, None), (86_400, None), (86_401, Reason.TOO_OLD)]
)
def test_goes_when_it_ran_longer_than_max_wallclock_seconds(
    state: MachineState, age: int, expected: Reason | None
) -> None:
    """The wallclock limit holds from the start, in whatever state the machine is."""
    old = machine(state=state, started_at=NOW - age, created_at=NOW - 200_000)
    assert reason(facts(machines=(old,))) is expected


@pytest.mark.parametrize(
    "state", [MachineState.STARTING, MachineState.RUNNING, MachineState.UNKNOWN]
)
@pytest.mark.parametrize(
    ("age", "expected"), [(3599, None), (3600, None), (3601, Reason.NOT_STARTED)]
)
def test_goes_when_it_has_not_started_in_time(
    state: MachineState, age: int, expected: Reason | None
) -> None:
    """One that never started has start_timeout_seconds from its intent."""
    late = starting(state=state, created_at=NOW - age)
    assert reason(facts(machines=(late,))) is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"machinetype": "gone", "started_at": NOW - 100}, None),
        ({"machinetype": "gone", "started_at": NOW - 101}, Reason.TOO_OLD),
        ({"started_at": NOW - 101}, None),
        ({"machinetype": "gone", "started_at": None, "created_at": NOW - 20}, None),
        ({"machinetype": "gone", "started_at": None, "created_at": NOW - 21}, Reason.NOT_STARTED),
        ({"started_at": None, "created_at": NOW - 21}, None),
    ],
)
def test_what_was_promised_holds_only_where_the_section_is_gone(
    change: dict[str, Any], expected: Reason | None
) -> None:
    """The section's values as they are now win over those of the time of creation."""
    promised = terms(max_wallclock_seconds=100, start_timeout_seconds=20)
    assert reason(facts(machines=(machine(terms=promised, **change),))) is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"is_delete_ordered": True, "state": MachineState.FAILED}, Reason.ORDERED),
        ({"is_delete_ordered": True, "delete_reason": "double"}, Reason.ORDERED),
        ({"delete_reason": "double", "state": MachineState.FAILED}, Reason.DOUBLE),
        ({"state": MachineState.FAILED}, Reason.FAILED),
        ({"state": MachineState.DELETING}, Reason.DELETING),
        ({}, Reason.SHUTDOWN_TIME),
    ],
)
def test_the_most_telling_reason_is_given(change: dict[str, Any], expected: Reason) -> None:
    """An order before an end, an end before what it was told, and that before its age."""
    given = facts(
        kind(max_wallclock_seconds=0),
        machines=(machine(leave_by=NOW - 1, leave_why="shutdown-time", **change),),
        shutdown_time=NOW - 1,
    )
    assert reason(given) is expected


def test_a_machine_too_old_is_not_called_silent() -> None:
    """The wallclock comes before the heartbeat."""
    beating = kind(heartbeat_file="hb", heartbeat_seconds=60, max_wallclock_seconds=1000)
    assert reason(facts(beating, machines=(machine(),))) is Reason.TOO_OLD


def test_of_two_rules_to_come_the_first_wakes() -> None:
    """The plan looks again when the nearest rule falls due, whichever that is."""
    beating = kind(heartbeat_file="hb", heartbeat_seconds=60, max_wallclock_seconds=3620)
    one = machine(heartbeat_at=NOW - 60)
    assert plan(facts(beating, machines=(one,))).wake_at == NOW + 1
    assert (
        plan(facts(beating, machines=(replace(one, heartbeat_at=NOW - 10),))).wake_at == NOW + 21
    )


# Not listed yet, or not any more


@pytest.mark.parametrize(
    ("stage", "age", "is_ordered", "expected"),
    [
        (Stage.INTENDED, 99_999, False, None),
        (Stage.INTENDED, 0, True, Reason.ORDERED),
        (Stage.ASKED, 3600, False, None),
        (Stage.ASKED, 3601, False, Reason.NOT_STARTED),
        (Stage.ASKED, 0, True, Reason.ORDERED),
        (Stage.GONE, 99_999, True, None),
    ],
)
def test_before_it_is_listed(
    stage: Stage, age: int, is_ordered: bool, expected: Reason | None
) -> None:
    """There may be nothing to delete yet: an order or, once asked for, the start timeout."""
    young = intent(stage=stage, created_at=NOW - age, is_delete_ordered=is_ordered)
    given = facts(machines=(young,), shutdown_time=NOW - 1)
    assert reason(given) is expected
    assert not plan(given).deferred


def test_an_asked_machine_without_a_section_has_the_promised_start_timeout() -> None:
    """Its terms stand in for the section that is gone."""
    asked = intent(
        stage=Stage.ASKED,
        machinetype="gone",
        created_at=NOW - 21,
        terms=terms(start_timeout_seconds=20),
    )
    assert reason(facts(machines=(asked,))) is Reason.NOT_STARTED


def test_absent_from_the_last_listing_it_is_not_deleted_on_old_knowledge() -> None:
    """What is due waits until the machine is seen or confirmed absent; an order does not."""
    old = machine(started_at=NOW - 90_000, missing_since=NOW - 60)
    made = plan(facts(machines=(old,)))
    assert not made.deletes
    assert whys(made) == [(Reason.TOO_OLD, "it was absent from the last listing", None)]
    assert reason(facts(machines=(replace(old, is_delete_ordered=True),))) is Reason.ORDERED


def test_absent_and_not_due_it_is_not_mentioned() -> None:
    """Only what is due can be deferred."""
    made = plan(facts(machines=(machine(missing_since=NOW - 60),)))
    assert (made.deletes, made.deferred) == ((), ())


# Asking again


@pytest.mark.parametrize(
    ("attempts", "delay"),
    [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (8, 3600), (100, 3600)],
)
def test_asks_again_after_a_growing_delay(attempts: int, delay: int) -> None:
    """The delay doubles from 60 s up to an hour; meanwhile the machine is not even deferred."""
    one = machine(state=MachineState.DELETING, delete_attempts=attempts)
    for since, is_asked in [(delay - 1, False), (delay, True), (delay + 1, True)]:
        made = plan(facts(machines=(replace(one, delete_attempt_at=NOW - since),)))
        assert bool(made.deletes) is is_asked
        assert not made.deferred


def test_wakes_to_ask_again() -> None:
    """A retry due within the cycle wakes the planner."""
    one = machine(state=MachineState.FAILED, delete_attempts=1, delete_attempt_at=NOW - 35)
    assert plan(facts(machines=(one,))).wake_at == NOW + 25


def test_asks_at_once_whoever_began_the_deletion() -> None:
    """A machine that others are deleting, so that we never asked, is asked for once."""
    one = machine(state=MachineState.DELETING, delete_attempts=0, delete_attempt_at=None)
    assert reason(facts(machines=(one,))) is Reason.DELETING
