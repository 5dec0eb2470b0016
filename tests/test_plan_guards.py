"""What holds back a deletion that is due: the clock, the listing, the cap."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import NOW, drains, facts, kind, machine, machines, memory, plan
from tests.plan_kit import reason, reasons, whys
from vcycled.model import Drain, MachineState, Reason, SpaceFacts, Stage
from vcycled.options import Amount

BEATING = kind(heartbeat_file="heartbeat", heartbeat_seconds=300, fizzle_seconds=600)

DUE: dict[Reason, dict[str, Any]] = {
    Reason.ORDERED: {"is_delete_ordered": True},
    Reason.DOUBLE: {"delete_reason": "double"},
    Reason.FINISHED: {"state": MachineState.SHUTDOWN},
    Reason.FAILED: {"state": MachineState.FAILED},
    Reason.DELETING: {"state": MachineState.DELETING},
    Reason.SHUTDOWN_TIME: {},
    Reason.DRAINED: {},
    Reason.PREEMPTED: {"delete_attempts": 1, "delete_attempt_at": NOW - 60},
    Reason.TOO_OLD: {"started_at": NOW - 90_000},
    Reason.NOT_STARTED: {"started_at": None},
    Reason.SILENT: {"heartbeat_at": None},
}
"""What makes a machine of BEATING due for each reason, given what `due_for` adds."""


def due_for(why: Reason, *, count: int = 1, **changes: Any) -> SpaceFacts:  # noqa: ANN401
    """Return facts in which `count` machines are due for `why` at NOW and for nothing before."""
    change = {"started_at": NOW - 5000, "heartbeat_at": NOW, **DUE[why]}
    if why in TOLD:
        change |= {"leave_by": NOW - 1, "leave_why": why.value}
    more: dict[str, Any] = {}
    if why is Reason.SHUTDOWN_TIME:
        more["shutdown_time"] = NOW - 1
    if why is Reason.DRAINED:
        ordered = Drain(space="", machinetype="", since=NOW - 100, by=NOW - 1)
        more["drains"] = drains(ordered)
    beating = replace(BEATING, preemptible=why is Reason.PREEMPTED)
    return facts(beating, machines=machines(count, **change), **{**more, **changes})


TOLD = {Reason.SHUTDOWN_TIME, Reason.DRAINED, Reason.PREEMPTED}
ENDED_OR_WANTED = {
    Reason.ORDERED,
    Reason.DOUBLE,
    Reason.FINISHED,
    Reason.FAILED,
    Reason.DELETING,
    Reason.SHUTDOWN_TIME,
    Reason.DRAINED,
}
BY_AGE = {
    Reason.SHUTDOWN_TIME,
    Reason.DRAINED,
    Reason.PREEMPTED,
    Reason.TOO_OLD,
    Reason.NOT_STARTED,
    Reason.SILENT,
}


def test_every_reason_is_tried_here() -> None:
    """A reason added to the model must be given its guards."""
    assert set(DUE) == set(Reason)


@pytest.mark.parametrize("why", DUE)
def test_is_due(why: Reason) -> None:
    """Each example is deleted for its reason when nothing guards it."""
    assert reason(due_for(why)) is why


@pytest.mark.parametrize("why", DUE)
@pytest.mark.parametrize(
    ("since", "is_held"), [(-50, True), (0, True), (599, True), (600, False), (601, False)]
)
def test_after_a_jump_of_the_clock_nothing_goes_by_age(
    why: Reason, since: int, is_held: bool
) -> None:
    """For ten minutes after a jump (also one back) what a clock decides is deferred."""
    jumped_at = NOW - since
    made = plan(due_for(why, memory=memory(clock_jumped_at=jumped_at)))
    assert bool(made.deferred) is (is_held and why in BY_AGE)
    assert bool(made.deletes) is not bool(made.deferred)
    for _, told, until in whys(made):
        assert told == f"the clock jumped at {jumped_at}; nothing is deleted by age for 600 s"
        assert until == jumped_at + 600


def test_wakes_when_the_clock_is_trusted_again() -> None:
    """The end of the hold is worth waking for."""
    given = due_for(Reason.TOO_OLD, memory=memory(clock_jumped_at=NOW - 580))
    assert plan(given).wake_at == NOW + 20


@pytest.mark.parametrize("why", DUE)
def test_while_listings_are_suspect_only_the_ended_and_the_wanted_go(why: Reason) -> None:
    """A listing that shrank may lie about the rest."""
    made = plan(due_for(why, memory=memory(suspect_since=NOW - 30)))
    assert bool(made.deletes) is (why in ENDED_OR_WANTED)
    told = f"listings have shown far too few machines since {NOW - 30}"
    assert whys(made) == ([] if why in ENDED_OR_WANTED else [(why, told, None)])


@pytest.mark.parametrize("why", DUE)
@pytest.mark.parametrize(
    ("cap", "most"), [(Amount(count=2), 2), (Amount(percent=50.0), 3), (Amount(percent=1.0), 1)]
)
def test_deletions_in_a_cycle_are_capped_but_for_the_ended_and_the_wanted(
    why: Reason, cap: Amount, most: int
) -> None:
    """Of five machines due, no more go than the cap says, at least one; the rest next cycle."""
    made = plan(due_for(why, count=5, deletion_cap=cap))
    if why in ENDED_OR_WANTED:
        assert (len(made.deletes), made.deferred) == (5, ())
        return
    told = f"no more than {most} machines are deleted in one cycle (deletion cap)"
    assert len(made.deletes) == most
    assert whys(made) == [(why, told, NOW + 60)] * (5 - most)


def test_the_cap_is_a_part_of_the_machines_that_are_not_gone() -> None:
    """Gone ones do not count, ended ones do; every machine of the space counts."""
    due = machines(4, started_at=NOW - 90_000)
    rest = machines(4, machinetype="other", state=MachineState.DELETING)
    gone = machines(40, machinetype="past", stage=Stage.GONE)
    made = plan(facts(machines=(*gone, *due, *rest), deletion_cap=Amount(percent=25.0)))
    assert list(reasons(made).values()).count(Reason.TOO_OLD) == 2


def test_what_is_held_or_exempt_does_not_use_up_the_cap() -> None:
    """Only deletes that are made count."""
    absent = machine("absent", started_at=NOW - 90_000, missing_since=NOW - 60, created_at=1)
    ended = machine("ended", state=MachineState.SHUTDOWN, created_at=1)
    due = machine("due", started_at=NOW - 90_000)
    made = plan(facts(machines=(absent, ended, due), deletion_cap=Amount(count=1)))
    assert reasons(made) == {"ended": Reason.FINISHED, "due": Reason.TOO_OLD}


def test_the_oldest_problem_goes_first() -> None:
    """By the time of the intent, then by name, then by uuid, however they are listed."""
    old = {"started_at": NOW - 90_000}
    listed = (
        machine("b", created_at=NOW - 95_000, uuid="0", **old),
        machine("c", created_at=NOW - 96_000, **old),
        machine("a", created_at=NOW - 95_000, uuid="2", **old),
        machine("a", created_at=NOW - 95_000, uuid="1", **old),
    )
    made = plan(facts(machines=listed, deletion_cap=Amount(count=3)))
    assert [each.machine.name for each in made.deletes] == ["c", "a", "a"]
    assert [each.machine.uuid for each in made.deletes][1:] == ["1", "2"]
    assert [each.machine.name for each in made.deferred] == ["b"]
