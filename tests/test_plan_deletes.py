"""Why a machine is deleted: every rule one second before, at and after."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    NOW,
    drain,
    facts,
    intent,
    kind,
    machine,
    machines,
    memory,
    plan,
    starting,
    terms,
)
from vcycled.model import Drain, Machine, MachineState, Plan, Reason, SpaceFacts, Stage
from vcycled.options import Amount


def reason(given: SpaceFacts) -> Reason | None:
    """Return why the only machine of these facts is deleted at NOW."""
    deletes = plan(given).deletes
    return deletes[0].reason if deletes else None


def reasons(made: Plan) -> dict[str, Reason]:
    """Return why which machine is deleted."""
    return {delete.machine.name: delete.reason for delete in made.deletes}


def whys(made: Plan) -> list[tuple[Reason, str, int | None]]:
    """Return what is deferred, why and until when."""
    return [(each.reason, each.why, each.until) for each in made.deferred]


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
    ("shutdown_time", "expected"),
    [(None, None), (NOW + 1, None), (NOW, None), (NOW - 1, Reason.SHUTDOWN_TIME)],
)
def test_goes_after_the_shutdown_time_of_the_space(
    shutdown_time: int | None, expected: Reason | None
) -> None:
    """Past shutdown_time every living machine goes, also those whose section is gone."""
    for name in ("prod", "gone"):
        given = facts(machines=(machine(machinetype=name),), shutdown_time=shutdown_time)
        assert reason(given) is expected


@pytest.mark.parametrize(
    ("by", "expected"), [(None, None), (NOW + 1, None), (NOW, None), (NOW - 1, Reason.DRAINED)]
)
def test_goes_after_the_end_of_a_drain_that_covers_it(
    by: int | None, expected: Reason | None
) -> None:
    """A drain of the space covers all its machines, one of a machinetype its own."""
    ordered = drain(by=by)
    for name in ("prod", "gone"):
        assert reason(facts(machines=(machine(machinetype=name),), drain=ordered)) is expected
    assert reason(facts(kind(drain=ordered), machines=(machine(),))) is expected


def test_a_drain_of_another_machinetype_does_not_touch_it() -> None:
    """Only the drained machinetype's machines must be gone."""
    other = kind("other", drain=drain(machinetype="other", by=NOW - 1))
    assert not plan(facts(kind(), other, machines=(machine(),))).deletes


@pytest.mark.parametrize(
    ("space_by", "own_by"), [(NOW - 1, NOW + 100), (NOW + 100, NOW - 1), (NOW - 1, None)]
)
def test_the_earlier_of_two_drains_decides(space_by: int, own_by: int | None) -> None:
    """A machine under a drain of the space and of its machinetype goes at the first end."""
    given = facts(kind(drain=drain(by=own_by)), machines=(machine(),), drain=drain(by=space_by))
    assert reason(given) is Reason.DRAINED


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"is_delete_ordered": True, "state": MachineState.FAILED}, Reason.ORDERED),
        ({"state": MachineState.FAILED}, Reason.FAILED),
        ({"state": MachineState.DELETING}, Reason.DELETING),
        ({}, Reason.SHUTDOWN_TIME),
    ],
)
def test_the_most_telling_reason_is_given(change: dict[str, Any], expected: Reason) -> None:
    """An order before an end, an end before a deadline, the space's before a drain's and age."""
    given = facts(
        kind(drain=drain(by=NOW - 1), max_wallclock_seconds=0),
        machines=(machine(**change),),
        shutdown_time=NOW - 1,
    )
    assert reason(given) is expected
    if expected is Reason.SHUTDOWN_TIME:
        assert reason(replace(given, shutdown_time=None)) is Reason.DRAINED


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


# Heartbeats

BEATING = kind(heartbeat_file="heartbeat", heartbeat_seconds=300, fizzle_seconds=600)
"""Judged once it ran longer than 600 s, by a heartbeat not older than 300 s."""


def beat(**changes: Any) -> Machine:  # noqa: ANN401 - see builders
    """Return a machine that ran long enough to be judged and beat just now."""
    return machine(**{"heartbeat_at": NOW, "started_at": NOW - 5000, **changes})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, None, id="beats"),
        pytest.param({"heartbeat_at": NOW - 299}, None, id="beat in time"),
        pytest.param({"heartbeat_at": NOW - 300}, None, id="beat just in time"),
        pytest.param({"heartbeat_at": NOW - 301}, Reason.SILENT, id="stopped beating"),
        pytest.param({"heartbeat_at": None}, Reason.SILENT, id="never beat"),
        pytest.param({"heartbeat_at": NOW + 50}, None, id="beats ahead of time"),
        pytest.param(
            {"heartbeat_at": None, "is_heartbeat_known": False}, None, id="folder unreadable"
        ),
        pytest.param({"heartbeat_at": None, "started_at": NOW - 599}, None, id="too young"),
        pytest.param({"heartbeat_at": None, "started_at": NOW - 600}, None, id="just too young"),
        pytest.param({"heartbeat_at": None, "started_at": NOW - 601}, Reason.SILENT, id="judged"),
        pytest.param(
            {"heartbeat_at": None, "started_at": None}, Reason.NOT_STARTED, id="never ran"
        ),
    ],
)
def test_goes_when_its_heartbeat_is_missing_or_stale(
    change: dict[str, Any], expected: Reason | None
) -> None:
    """The file must be there and fresh, from fizzle_seconds after the start on."""
    assert reason(facts(BEATING, machines=(beat(**change),))) is expected


@pytest.mark.parametrize(("age", "expected"), [(899, None), (900, None), (901, Reason.SILENT)])
def test_is_not_judged_before_heartbeat_seconds_either(age: int, expected: Reason | None) -> None:
    """The longer of fizzle_seconds and heartbeat_seconds must have passed since the start."""
    slow = replace(BEATING, heartbeat_seconds=900)
    young = beat(heartbeat_at=None, started_at=NOW - age)
    assert reason(facts(slow, machines=(young,))) is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"heartbeat_at": NOW - 90_000}, None), ({"heartbeat_at": None}, Reason.SILENT)],
)
def test_with_heartbeat_seconds_0_the_file_must_only_exist(
    change: dict[str, Any], expected: Reason | None
) -> None:
    """How old it is does not matter then."""
    lax = replace(BEATING, heartbeat_seconds=0)
    assert reason(facts(lax, machines=(beat(**change),))) is expected


def test_without_a_heartbeat_file_silence_means_nothing() -> None:
    """A machinetype that names no file is not judged by one, whatever the seconds."""
    mute = replace(BEATING, heartbeat_file="")
    assert reason(facts(mute, machines=(beat(heartbeat_at=None),))) is None


@pytest.mark.parametrize(
    ("heartbeat_seconds", "up_since", "expected"),
    [
        (300, None, None),
        (300, NOW - 299, None),
        (300, NOW - 300, Reason.SILENT),
        (300, NOW - 301, Reason.SILENT),
        (0, NOW - 599, None),
        (0, NOW - 600, Reason.SILENT),
        (0, NOW - 601, Reason.SILENT),
    ],
)
def test_silence_counts_only_while_somebody_listened(
    heartbeat_seconds: int, up_since: int | None, expected: Reason | None
) -> None:
    """The web site was up all of heartbeat_seconds or, if these are 0, of fizzle_seconds."""
    listened = replace(BEATING, heartbeat_seconds=heartbeat_seconds)
    given = facts(listened, machines=(beat(heartbeat_at=None),), receiver_up_since=up_since)
    assert reason(given) is expected


def test_a_machine_without_section_is_judged_by_its_promised_heartbeat() -> None:
    """Its terms stand in for the section that is gone."""
    promised = terms(heartbeat_file="hb", heartbeat_seconds=300)
    gone = beat(machinetype="gone", terms=promised, heartbeat_at=NOW - 301)
    assert reason(facts(machines=(gone,))) is Reason.SILENT


def silent(count: int, **changes: Any) -> tuple[Machine, ...]:  # noqa: ANN401 - see builders
    """Return machines whose heartbeat has just gone stale."""
    return tuple(
        beat(name=f"silent-{each}", heartbeat_at=NOW - 301, **changes) for each in range(count)
    )


TOGETHER = "all 3 heartbeats went stale together: suspect the network or the web site"


def test_heartbeats_that_go_stale_together_are_not_believed() -> None:
    """Three and none fresh: the fault is rather between us and them."""
    given = facts(BEATING, machines=silent(3), deletion_cap=Amount(count=10))
    made = plan(given)
    assert not made.deletes
    assert whys(made) == [(Reason.SILENT, TOGETHER, None)] * 3


def test_two_silent_machines_are_believed() -> None:
    """Two may well have died by themselves."""
    given = facts(BEATING, machines=silent(2), deletion_cap=Amount(count=10))
    assert set(reasons(plan(given)).values()) == {Reason.SILENT}


@pytest.mark.parametrize(
    ("other", "is_believed"),
    [
        pytest.param({}, True, id="a fresh one proves the way free"),
        pytest.param({"heartbeat_at": NOW - 300}, True, id="just fresh"),
        pytest.param({"heartbeat_at": NOW - 301}, False, id="stale too"),
        pytest.param({"heartbeat_at": None}, False, id="never beat, so tells nothing"),
        pytest.param({"started_at": NOW - 600}, False, id="too young to tell"),
        pytest.param({"started_at": NOW - 601}, True, id="just old enough to tell"),
        pytest.param({"started_at": None}, False, id="not started"),
        pytest.param({"state": MachineState.SHUTDOWN}, False, id="ended, so tells nothing"),
        pytest.param({"machinetype": "lax"}, False, id="need not be kept fresh"),
        pytest.param({"machinetype": "mute"}, False, id="has no heartbeat file"),
        pytest.param({"machinetype": "gone"}, False, id="was never to beat"),
    ],
)
def test_who_bears_witness_that_heartbeats_arrive(
    other: dict[str, Any], is_believed: bool
) -> None:
    """Only a living machine that has to keep its file fresh and is old enough to be judged."""
    lax = replace(BEATING, name="lax", heartbeat_seconds=0)
    mute = replace(BEATING, name="mute", heartbeat_file="")
    given = facts(
        BEATING,
        lax,
        mute,
        machines=(*silent(3), beat(name="other", **other)),
        deletion_cap=Amount(count=10),
    )
    assert (reasons(plan(given)).get("silent-0") is Reason.SILENT) is is_believed


def test_those_that_never_beat_go_by_the_normal_rule() -> None:
    """A missing file is not explained by a network that fails now."""
    never = beat(name="never", heartbeat_at=None)
    made = plan(facts(BEATING, machines=(*silent(3), never), deletion_cap=Amount(count=10)))
    assert reasons(made) == {"never": Reason.SILENT}
    assert len(made.deferred) == 3


def test_other_reasons_hold_while_heartbeats_are_doubted() -> None:
    """A machine that is stale and too old goes as too old."""
    old = beat(name="old", heartbeat_at=NOW - 301, started_at=NOW - 90_000)
    given = facts(BEATING, machines=(*silent(3), old), deletion_cap=Amount(count=10))
    assert reasons(plan(given)) == {"old": Reason.TOO_OLD}


# Guards

DUE: dict[Reason, dict[str, Any]] = {
    Reason.ORDERED: {"is_delete_ordered": True},
    Reason.FINISHED: {"state": MachineState.SHUTDOWN},
    Reason.FAILED: {"state": MachineState.FAILED},
    Reason.DELETING: {"state": MachineState.DELETING},
    Reason.SHUTDOWN_TIME: {},
    Reason.DRAINED: {},
    Reason.TOO_OLD: {"started_at": NOW - 90_000},
    Reason.NOT_STARTED: {"started_at": None},
    Reason.SILENT: {"heartbeat_at": None},
}
"""What makes a machine of BEATING due for each reason, given what `due_for` adds."""


def due_for(why: Reason, *, count: int = 1, **changes: Any) -> SpaceFacts:  # noqa: ANN401
    """Return facts in which `count` machines are due for `why` at NOW and for nothing before."""
    change = {"started_at": NOW - 5000, "heartbeat_at": NOW, **DUE[why]}
    more: dict[str, Any] = {}
    if why is Reason.SHUTDOWN_TIME:
        more["shutdown_time"] = NOW - 1
    if why is Reason.DRAINED:
        more["drain"] = Drain(space="", machinetype="", since=NOW - 100, by=NOW - 1)
    return facts(BEATING, machines=machines(count, **change), **{**more, **changes})


ENDED_OR_WANTED = {
    Reason.ORDERED,
    Reason.FINISHED,
    Reason.FAILED,
    Reason.DELETING,
    Reason.SHUTDOWN_TIME,
    Reason.DRAINED,
}
BY_AGE = {
    Reason.SHUTDOWN_TIME,
    Reason.DRAINED,
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
