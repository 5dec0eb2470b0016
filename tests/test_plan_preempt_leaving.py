"""Which preemptible machines give way to who waits: as few as will do, and for how long."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import LARGE, NOW, SMALL, facts, intent, kind, machine, plan
from tests.plan_kit import made, reasons
from tests.preempt_kit import (
    ALL,
    BACK,
    GRACE_AT,
    ONE,
    TEN,
    among,
    backfill,
    full,
    giving_way,
    told,
    waiting,
)
from vcycled.model import GRACE_SECONDS, Limits, MachineState, Reason, Stage, Wait
from vcycled.options import Amount

# Giving way


@pytest.mark.parametrize(
    ("seconds", "expected"), [(599, {}), (600, {"b9": GRACE_AT}), (601, {"b9": GRACE_AT})]
)
def test_the_youngest_is_told_once_the_wait_was_long_enough(
    seconds: int, expected: dict[str, int | None]
) -> None:
    """With the promised grace; meanwhile nothing preemptible is created."""
    given = plan(full(waiting(seconds=seconds)))
    assert told(given) == expected
    assert given.creates == ()
    assert given.preempted_at == (NOW if expected else None)
    assert {each.why for each in given.tells} <= {Reason.PREEMPTED}


def test_how_long_is_an_option() -> None:
    """Also not at all."""
    given = full(waiting(seconds=59), preempt_after_seconds=60)
    assert told(plan(given)) == {}
    assert plan(given).wake_at == NOW + 1
    assert told(plan(full(kind(), preempt_after_seconds=0))) == {"b9": GRACE_AT}


def test_wakes_when_the_wait_is_long_enough() -> None:
    """And not again for it when that is over."""
    assert plan(full(waiting(seconds=570))).wake_at == NOW + 30
    assert plan(full(waiting(seconds=600))).wake_at == NOW + 60


def test_of_equal_age_the_first_by_name_and_uuid_goes() -> None:
    """However they are listed."""
    same = backfill(10, created_at=NOW - 50)
    twins = (replace(same[0], uuid="z"), replace(same[1], name="b0", uuid="a"), *same[2:])
    for machines in (twins, twins[::-1]):
        (tell,) = plan(full(machines=machines)).tells
        assert tell.machine.uuid == "a"
    renamed = (replace(same[0], uuid="z"), replace(same[1], uuid="a"), *same[2:])
    assert told(plan(full(machines=renamed))) == {"b0": GRACE_AT}


@pytest.mark.parametrize(
    ("cap", "names"),
    [(1, {"b9"}), (3, {"b9", "b8", "b7"}), (20, {f"b{each}" for each in range(10)})],
)
def test_no_more_than_the_creation_cap_lets_take_the_room(cap: int, names: set[str]) -> None:
    """The rest follows when that is done."""
    assert set(told(plan(full(creation_cap=Amount(count=cap))))) == names


def test_one_machine_larger_than_the_cap_is_made_room_for() -> None:
    """As one is always allowed; a second is not."""
    wide = waiting(flavor_names=("large",))
    assert len(told(plan(full(wide)))) == LARGE.processors


def test_no_more_than_its_share_is_made_room_for() -> None:
    """Of ten processors two machinetypes are due five each, whatever the cap would allow."""
    mine = tuple(machine(f"m{each}") for each in range(3))
    other = tuple(machine(f"o{each}", machinetype="other") for each in range(5))
    given = full(
        waiting(),
        waiting("other"),
        machines=(*mine, *other, *backfill(2)),
        creation_cap=ALL,
    )
    assert set(told(plan(given))) == {"b0", "b1"}
    given = replace(given, machines=(*mine, *other[:4], *backfill(3)))
    assert set(told(plan(given))) == {"b0", "b1", "b2"}
    given = replace(given, machines=(*mine, *other[:3], machine("x", machinetype="gone")))
    assert told(plan(given)) == {}


def test_its_own_limits_bound_what_is_made_room_for() -> None:
    """Nobody leaves for a machine that could not be made."""
    for limited in (waiting(processors_limit=2), waiting(max_starting_processors=2)):
        assert set(told(plan(full(limited, creation_cap=ALL)))) == {"b9", "b8"}


def test_a_probe_is_made_room_for_and_no_more() -> None:
    """What it shows decides whether others follow."""
    given = full(waiting(last_abort_at=NOW - 5000), creation_cap=ALL)
    assert set(told(plan(given))) == {"b9"}


def test_who_waits_longest_is_not_who_gets_the_room_but_the_neediest() -> None:
    """Only those count that have waited long enough."""
    needy = waiting("needy", seconds=10, flavor_names=("large",))
    patient = waiting("patient")
    has = (machine("m1", machinetype="patient"),)
    given = full(needy, patient, machines=(*has, *backfill(9)))
    assert set(told(plan(given))) == {"b8"}
    both = full(waiting("needy", flavor_names=("large",)), patient, machines=(*has, *backfill(9)))
    assert len(told(plan(both))) == LARGE.processors


def test_as_few_as_possible_leave() -> None:
    """The youngest first; but who is not needed beside a larger one stays."""
    large = machine("big", machinetype="back", processors=8, created_at=NOW - 6000)
    given = full(waiting(flavor_names=("large",)), machines=(large, *backfill(2)))
    assert set(told(plan(given))) == {"big"}
    small = replace(large, processors=7)
    given = full(waiting(flavor_names=("large",)), machines=(small, *backfill(3)))
    assert set(told(plan(given))) == {"big", "b0"}


@pytest.mark.parametrize(
    "limits",
    [Limits(machines=10), Limits(memory_mb=10 * SMALL.memory_mb), TEN],
)
def test_room_of_any_kind_is_made(limits: Limits) -> None:
    """Whatever the space is short of."""
    assert told(plan(full(limits=limits))) == {"b9": GRACE_AT}


def test_nobody_leaves_if_that_would_not_help() -> None:
    """Machines of others, and ours that are not preemptible, stay where they are."""
    mine = tuple(machine(f"m{each}", machinetype="other") for each in range(3))
    wide = waiting(flavor_names=("large",))
    given = full(wide, kind("other", held="no"), machines=(*mine, *backfill(7)))
    assert plan(given).waits == (Wait(machinetype="prod", since=NOW - 600),)
    assert told(plan(given)) == {}
    enough = replace(given, machines=(*mine[:2], *backfill(8)))
    assert len(told(plan(enough))) == LARGE.processors


def test_nobody_leaves_for_another_while_the_neediest_cannot_be_helped() -> None:
    """The room would be kept for the neediest, not taken."""
    has = tuple(machine(f"m{each}", machinetype="narrow") for each in range(3))
    rest = tuple(machine(f"r{each}", machinetype="rest") for each in range(2))
    kinds = (waiting("wide", flavor_names=("large",)), waiting("narrow"), kind("rest", held="no"))
    given = full(*kinds, machines=(*has, *rest, *backfill(5)), creation_cap=ALL)
    assert [wait.machinetype for wait in plan(given).waits] == ["narrow", "wide"]
    assert told(plan(given)) == {}
    alone = replace(given, machinetypes=(waiting("narrow"), kinds[2], BACK))
    assert told(plan(alone)) != {}


@pytest.mark.parametrize(
    "change",
    [
        {"missing_since": NOW - 60},
        {"stage": Stage.INTENDED, "state": MachineState.STARTING, "started_at": None},
        {"delete_attempts": 3, "delete_attempt_at": NOW - 10},
        {"machinetype": "gone"},
        {"machinetype": "prod"},
    ],
)
def test_who_may_be_gone_or_is_not_preemptible_is_not_told(change: dict[str, Any]) -> None:
    """The next one is."""
    given = full(machines=among(backfill(10), replace(backfill(10)[9], **change)))
    assert "b9" not in told(plan(given))
    assert "b8" in told(plan(given))


# What is on its way out already


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"state": MachineState.SHUTDOWN}, id="has ended"),
        pytest.param({"state": MachineState.DELETING}, id="being deleted"),
        pytest.param({"is_delete_ordered": True}, id="ordered to go"),
        pytest.param({"delete_attempts": 1, "delete_attempt_at": NOW - 10}, id="asked to go"),
        pytest.param({"delete_attempts": 2, "delete_attempt_at": NOW - 10}, id="asked twice"),
        pytest.param({"drain_by": NOW}, id="drained"),
        pytest.param({"started_at": NOW + GRACE_SECONDS - 86_400}, id="too old by then"),
    ],
)
@pytest.mark.parametrize("name", ["prod", "back"])
def test_what_goes_anyway_makes_room(change: dict[str, Any], name: str) -> None:
    """Whosever it is, nobody else needs to leave before it is gone."""
    going = replace(backfill(10)[0], machinetype=name, **change)
    given = full(machines=among(backfill(10), going))
    assert {who for who, by in told(plan(given)).items() if who != "b0"} == set()
    assert len(told(plan(replace(given, creation_cap=Amount(count=2))))) >= 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"started_at": NOW + GRACE_SECONDS - 86_399}, id="a second younger"),
        pytest.param({"started_at": None, "created_at": NOW - 3601}, id="may start yet"),
        pytest.param({"delete_attempts": 3, "delete_attempt_at": NOW - 10}, id="does not go"),
        pytest.param({"drain_by": GRACE_AT + 1}, id="later"),
    ],
)
def test_what_may_not_go_in_time_does_not_count(change: dict[str, Any]) -> None:
    """Somebody gives way."""
    going = replace(backfill(10)[0], machinetype="prod", **change)
    given = full(machines=among(backfill(10), going))
    assert "b9" in told(plan(given))


def test_a_silence_to_come_does_not_count() -> None:
    """The machine may yet give a sign of life."""
    beating = waiting(heartbeat_file="hb", heartbeat_seconds=60)
    silent = machine("m1", heartbeat_at=NOW - 10)
    given = full(beating, machines=(silent, *backfill(9)))
    assert told(plan(given)) == {"b8": GRACE_AT}


def test_what_goes_anyway_is_not_counted_twice() -> None:
    """Though it is preemptible and the youngest: the next one is needed, too."""
    going = replace(backfill(10)[9], drain_by=NOW)
    given = full(machines=among(backfill(10), going), creation_cap=Amount(count=2))
    tells = {each.machine.name: each.why for each in plan(given).tells}
    assert tells == {"b9": Reason.DRAINED, "b8": Reason.PREEMPTED}


def test_who_was_told_stays_told_and_nobody_else_is() -> None:
    """One need is met once; the end that was told does not move."""
    given = full(machines=among(backfill(10), giving_way(backfill(10)[3])))
    assert told(plan(given)) == {}
    assert plan(given).preempted_at == NOW
    assert plan(given, now=GRACE_AT - 60).deletes == ()
    assert reasons(plan(given, now=GRACE_AT - 59)) == {"b3": Reason.PREEMPTED}


def test_a_greater_need_adds_and_a_smaller_one_lets_the_last_stay() -> None:
    """Who must leave first is kept."""
    two = giving_way(backfill(10)[3], by=GRACE_AT - 120), giving_way(backfill(10)[5])
    given = full(machines=among(backfill(10), *two), creation_cap=Amount(count=3))
    assert told(plan(given)) == {"b9": GRACE_AT}
    assert told(plan(replace(given, creation_cap=ONE))) == {"b5": None}


def test_room_that_came_free_lets_them_stay() -> None:
    """Who waits takes it, so the need is gone."""
    given = full(machines=among(backfill(9), giving_way(backfill(9)[3])))
    here = plan(given)
    assert made(here) == {"prod": 1}
    assert told(plan(replace(given, creation_cap=ALL))) == {
        **{f"b{each}": GRACE_AT for each in (0, 1, 2, 4, 5, 6, 7, 8)}
    }
    enough = replace(given, limits=Limits(processors=99))
    assert told(plan(enough)) == {"b3": None}


def test_who_was_told_and_is_missing_counts_on() -> None:
    """It may be gone; nobody else is told for it."""
    leaving = replace(giving_way(backfill(10)[3]), missing_since=NOW - 60)
    assert told(plan(full(machines=among(backfill(10), leaving)))) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"delete_attempts": 1, "delete_attempt_at": NOW - 10},
        {"delete_attempts": 9, "delete_attempt_at": NOW - 10},
        {"state": MachineState.SHUTDOWN},
    ],
)
def test_who_gave_way_does_not_come_back(change: dict[str, Any]) -> None:
    """Though nobody waits any more it is not told that it may stay; it is on its way out."""
    leaving = replace(giving_way(backfill(10)[3], by=NOW - 60), **change)
    given = full(kind(held="broken"), machines=among(backfill(10), leaving))
    assert told(plan(given)) == {}
    assert plan(given).preempted_at == NOW


def test_who_is_not_preemptible_any_more_may_stay() -> None:
    """The configuration changed under it."""
    machines = among(backfill(10), giving_way(backfill(10)[3]))
    given = facts(waiting(), kind("back"), machines=machines, limits=TEN)
    assert told(plan(given)) == {"b3": None}
    assert plan(given).preempted_at is None


def test_who_must_leave_much_later_for_another_reason_does_not_come_first() -> None:
    """Only who was told to make room does; of the others the youngest."""
    drained = replace(
        backfill(10)[0], drain_by=NOW + 9000, leave_by=NOW + 9000, leave_why="drained"
    )
    assert told(plan(full(machines=among(backfill(10), drained)))) == {"b9": GRACE_AT}


def test_another_end_that_is_nearer_or_further() -> None:
    """Of several reasons to leave the nearest is told."""
    later = replace(backfill(10)[9], drain_by=GRACE_AT + 50)
    given = full(machines=among(backfill(10), later))
    (tell,) = plan(given).tells
    assert (tell.by, tell.why) == (GRACE_AT, Reason.PREEMPTED)
    known = replace(later, leave_by=GRACE_AT + 50, leave_why="drained")
    (tell,) = plan(replace(given, machines=among(backfill(10), known))).tells
    assert (tell.machine.name, tell.by, tell.why) == ("b9", GRACE_AT, Reason.PREEMPTED)
    gave_way = replace(giving_way(later), drain_by=GRACE_AT + 50)
    lifted = full(kind(held="broken"), machines=among(backfill(10), gave_way))
    (tell,) = plan(lifted).tells
    assert (tell.by, tell.why) == (GRACE_AT + 50, Reason.DRAINED)


def test_intents_of_a_preemptible_machinetype_count_like_its_machines() -> None:
    """One that was asked for and is not listed yet is the youngest, and can be told."""
    young = intent("b9", machinetype="back", stage=Stage.ASKED)
    assert told(plan(full(machines=among(backfill(10), young)))) == {"b9": GRACE_AT}
