"""Preemptible machinetypes: they get what is left over, and as few as will do give way."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import LARGE, NOW, SMALL, drain, facts, intent, kind, machine, memory, plan
from tests.plan_kit import held, made, reasons
from vcycled.model import (
    GRACE_SECONDS,
    Cause,
    Limits,
    Machine,
    MachineState,
    Machinetype,
    Plan,
    Reason,
    Share,
    SpaceFacts,
    Stage,
    Wait,
)
from vcycled.options import Amount

GRACE_AT = NOW + GRACE_SECONDS
TEN = Limits(processors=10)
ALL = Amount(percent=100.0)
ONE = Amount(count=1)
BACK = kind("back", preemptible=True)


def backfill(count: int, /, **changes: Any) -> tuple[Machine, ...]:  # noqa: ANN401 - replace() refuses wrong names
    """Return preemptible machines of one processor: b0 is the oldest."""
    return tuple(
        machine(f"b{each}", machinetype="back", **{"created_at": NOW - 5000 + each, **changes})
        for each in range(count)
    )


def waiting(name: str = "prod", *, seconds: int = 600, **changes: Any) -> Machinetype:  # noqa: ANN401 - as above
    """Return a machinetype of small machines that has waited for so long."""
    return kind(name, **{"flavor_names": ("small",), "waiting_since": NOW - seconds, **changes})


def full(*kinds: Machinetype, **changes: Any) -> SpaceFacts:  # noqa: ANN401 - as above
    """Return a space of ten processors full of preemptible machines; one may be made a cycle."""
    usual = {"machines": backfill(10), "limits": TEN, "creation_cap": ONE}
    return facts(*(kinds or (waiting(),)), BACK, **{**usual, **changes})


def told(given: Plan) -> dict[str, int | None]:
    """Return who is told to leave by when, or (None) that it may stay."""
    return {each.machine.name: each.by for each in given.tells}


def giving_way(one: Machine, *, by: int = GRACE_AT - 60) -> Machine:
    """Return `one` as it was told to make room."""
    return replace(one, leave_by=by, leave_why="preempted")


def among(machines: tuple[Machine, ...], *changed: Machine) -> tuple[Machine, ...]:
    """Return `machines` with those of the same names changed."""
    new = {each.name: each for each in changed}
    return tuple(new.get(each.name, each) for each in machines)


# What is left over


def test_preemptible_machines_get_what_nobody_else_can_use() -> None:
    """Whatever their share and however much the others have already."""
    prod = kind(flavor_names=("small",), processors_limit=3)
    back = replace(BACK, target_share=1000.0, flavor_names=("small",))
    given = facts(back, prod, machines=(machine(),), limits=TEN, creation_cap=ALL)
    assert made(plan(given)) == {"back": 7, "prod": 2}
    assert made(plan(replace(given, creation_cap=Amount(count=2)))) == {"prod": 2}


def test_among_preemptible_ones_shares_decide() -> None:
    """As among others."""
    kinds = [
        kind(name, preemptible=True, target_share=share, flavor_names=("small",))
        for name, share in (("a", 4.0), ("b", 1.0))
    ]
    assert made(plan(facts(*kinds, limits=TEN, creation_cap=ALL))) == {"a": 8, "b": 2}


def test_room_is_kept_for_others_that_need_more_than_there_is() -> None:
    """A large machine of another is not kept out by small preemptible ones."""
    wide = kind("wide", flavor_names=("large",))
    given = plan(facts(wide, BACK, limits=TEN, machines=backfill(4)))
    assert made(given) == {}
    assert held(given) == {"back": Cause.RESERVED, "wide": Cause.SPACE_LIMIT}
    assert given.holds[0].detail == (
        "what is free is kept for wide, to which this one gives way:"
        " one more large would make 12 of 10 processors of the space"
    )


def test_one_that_is_preemptible_too_is_only_further_below_its_share() -> None:
    """The sentence does not speak of giving way where nobody does."""
    wide = kind("wide", preemptible=True, flavor_names=("large",))
    given = plan(facts(wide, BACK, limits=TEN, machines=backfill(4)))
    assert "kept for wide, further below its share" in given.holds[0].detail


def test_shares_of_the_others_are_counted_without_them() -> None:
    """And what a preemptible machinetype has is told as a part of everything."""
    mine = (machine("m1"), machine("m2", machinetype="other", processors=3))
    given = facts(kind(), kind("other", target_share=3.0), BACK, machines=(*mine, *backfill(4)))
    assert plan(given).shares == (
        Share(
            machinetype="back", wanted=0.0, had=0.5, processors=4, machines=4, is_preemptible=True
        ),
        Share(machinetype="other", wanted=0.75, had=0.75, processors=3, machines=1),
        Share(machinetype="prod", wanted=0.25, had=0.25, processors=1, machines=1),
    )


# Waiting


def test_a_machinetype_below_its_share_that_lacks_room_waits() -> None:
    """From now on, in the order of names, also those for whom only the room is kept."""
    wide = kind("wide", flavor_names=("large",))
    has = (machine("m1", machinetype="a"), machine("m2", machinetype="b"))
    given = full(wide, kind("b"), kind("a"), machines=(*has, *backfill(7)))
    assert held(plan(given)) == {
        "a": Cause.RESERVED,
        "b": Cause.RESERVED,
        "back": Cause.RESERVED,
        "wide": Cause.SPACE_LIMIT,
    }
    waits = tuple(Wait(machinetype=name, since=NOW) for name in ("a", "b", "wide"))
    assert plan(given).waits == waits
    assert told(plan(given)) == {}


@pytest.mark.parametrize(("since", "kept"), [(NOW - 50, NOW - 50), (NOW + 50, NOW)])
def test_the_wait_is_remembered(since: int, kept: int) -> None:
    """But a clock that was set back cannot make it begin in the future."""
    given = full(kind(waiting_since=since))
    assert plan(given).waits == (Wait(machinetype="prod", since=kept),)


def test_who_has_its_share_does_not_wait() -> None:
    """Its share of all, as if preemptible machines were not there."""
    others = tuple(machine(f"m{each}") for each in range(5))
    given = facts(waiting(), waiting("other"), BACK, limits=TEN, machines=(*others, *backfill(5)))
    assert [wait.machinetype for wait in plan(given).waits] == ["other"]
    fewer = replace(given, machines=(*others[1:], *backfill(6)))
    assert [wait.machinetype for wait in plan(fewer).waits] == ["other", "prod"]


def owned(**counts: int) -> tuple[Machine, ...]:
    """Return so many machines of one processor of each machinetype."""
    return tuple(
        machine(f"{name}{each}", machinetype=name)
        for name, count in counts.items()
        for each in range(count)
    )


@pytest.mark.parametrize(
    ("limits", "counts", "expected"),
    [
        pytest.param(Limits(machines=10), {"a": 5, "b": 1}, ["b"], id="half of ten"),
        pytest.param(Limits(machines=10), {"a": 3, "b": 3, "c": 1}, ["a", "b", "c"], id="below"),
        pytest.param(TEN, {"a": 4, "b": 5, "c": 1}, ["a", "c"], id="four of thirteen"),
        pytest.param(TEN, {"a": 5, "b": 5, "c": 0}, ["c"], id="five of thirteen"),
    ],
)
def test_the_whole_is_what_there_is_and_what_is_free(
    limits: Limits, counts: dict[str, int], expected: list[str]
) -> None:
    """Where processors have no limit nothing is known to be free; nor where it is passed."""
    has = owned(**counts)
    size = 13 if limits is TEN else 10
    given = facts(
        *(waiting(name) for name in counts),
        BACK,
        limits=limits,
        machines=(*has, *backfill(size - len(has))),
    )
    assert [wait.machinetype for wait in plan(given).waits] == expected


def test_what_is_free_weighs_as_much_as_it_would_for_who_wants_it() -> None:
    """A machinetype that needs more than is free is below its share of all that there is."""
    wide = waiting("wide", flavor_names=("large",), power_per_processor=10.0)
    other = kind("other", held="no", power_per_processor=10.0)
    back = replace(BACK, power_per_processor=10.0)
    has = owned(wide=4)
    given = facts(wide, other, back, limits=TEN, machines=(*has, *backfill(3)))
    assert [wait.machinetype for wait in plan(given).waits] == ["wide"]


def test_power_counts_in_shares_of_the_whole() -> None:
    """A machinetype of strong processors has its share with fewer of them."""
    strong = waiting("strong", power_per_processor=30.0)
    weak = waiting("weak", power_per_processor=10.0)
    back = replace(BACK, power_per_processor=10.0)
    has = (machine("m1", machinetype="strong", processors=3),)
    given = facts(strong, weak, back, limits=TEN, machines=(*has, *backfill(7)))
    assert [wait.machinetype for wait in plan(given).waits] == ["weak"]


def test_what_is_made_now_weighs_in_the_whole_too() -> None:
    """Four of ten are below a half, though four of the ten are only being asked for."""
    kinds = [waiting(name, power_per_processor=10.0) for name in ("a", "b")]
    back = replace(BACK, power_per_processor=10.0)
    has = (*owned(a=4), *backfill(2))
    given = plan(facts(*kinds, back, limits=TEN, machines=has, creation_cap=ALL))
    assert made(given) == {"b": 4}
    assert [wait.machinetype for wait in given.waits] == ["a", "b"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"held": "broken"}, id="held"),
        pytest.param({"drain": drain(machinetype="prod")}, id="drained"),
        pytest.param({"target_share": 0.0}, id="without a share"),
        pytest.param({"last_abort_at": NOW - 10}, id="backed off"),
        pytest.param({"creation_failures": 1, "creation_failed_at": NOW - 10}, id="failing"),
        pytest.param({"processors_limit": 0}, id="at its own limit"),
        pytest.param({"max_starting_processors": 0}, id="starting"),
    ],
)
def test_who_may_not_grow_does_not_wait_and_nobody_gives_way(change: dict[str, Any]) -> None:
    """Who was told so already may stay."""
    leaving = giving_way(backfill(10)[9])
    other = kind("other", held="too")
    given = full(waiting(**change), other, machines=among(backfill(10), leaving))
    assert plan(given).waits == ()
    assert told(plan(given)) == {"b9": None}


def test_a_space_that_is_held_lets_nobody_wait() -> None:
    """Room would be made for nothing."""
    assert plan(full(drain=drain())).waits == ()
    assert told(plan(full(drain=drain()))) == {}


@pytest.mark.parametrize("since", [None, NOW - 700])
def test_the_creation_cap_begins_no_wait_and_ends_none(since: int | None) -> None:
    """There is room, and more machines follow in the next cycles."""
    given = full(kind(waiting_since=since), machines=backfill(4))
    made_one = plan(given)
    assert held(made_one)["prod"] is Cause.CREATION_CAP
    assert made_one.waits == (() if since is None else (Wait(machinetype="prod", since=since),))
    assert told(made_one) == {}


def test_where_nothing_is_preemptible_nobody_waits() -> None:
    """Only what could give way is worth remembering a wait for."""
    others = tuple(machine(f"m{each}", machinetype="other") for each in range(10))
    given = plan(facts(waiting(), kind("other"), limits=TEN, machines=others))
    assert held(given)["prod"] is Cause.SPACE_LIMIT
    assert given.waits == ()


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


# Afterwards


@pytest.mark.parametrize(
    ("ago", "is_held"), [(0, True), (1499, True), (1500, False), (1501, False)]
)
def test_room_that_was_made_is_not_given_back_at_once(ago: int, *, is_held: bool) -> None:
    """For the longest fizzle_seconds of the others and preempt_after_seconds together."""
    others = (kind(fizzle_seconds=900, held="no"), kind("b", fizzle_seconds=800, held="no"))
    back = replace(BACK, fizzle_seconds=5000)
    given = facts(*others, back, memory=memory(preempted_at=NOW - ago))
    result = plan(given)
    assert bool(result.creates) is not is_held
    assert result.preempted_at == NOW - ago
    if is_held:
        (hold,) = (each for each in result.holds if each.machinetype == "back")
        assert (hold.cause, hold.until) == (Cause.MAKING_ROOM, NOW - ago + 1500)
        assert hold.detail == f"preemptible machines made room for others {ago} s ago"
        assert result.wake_at == min(NOW + 60, NOW - ago + 1500)


def test_while_machines_make_room_it_is_said_by_when() -> None:
    """Without an end, which moves on with each cycle until they are gone."""
    leaving = [giving_way(machine(f"b{by}", machinetype="back"), by=NOW + by) for by in (60, 90)]
    others = (
        machine("drained", leave_by=NOW + 500, leave_why="drained"),
        giving_way(machine("gone", stage=Stage.GONE), by=NOW + 600),
    )
    recent = memory(preempted_at=NOW - 60)
    given = facts(kind(held="no"), BACK, machines=(*leaving, *others), memory=recent)
    (hold,) = (each for each in plan(given).holds if each.machinetype == "back")
    assert (hold.cause, hold.until) == (Cause.MAKING_ROOM, None)
    expected = f"preemptible machines are making room for others, the last by {NOW + 90}"
    assert hold.detail == expected


def test_others_take_it_meanwhile() -> None:
    """Only preemptible machinetypes wait; where there are no others, by the option alone."""
    recent = memory(preempted_at=NOW - 10)
    assert made(plan(facts(kind(), BACK, memory=recent, creation_cap=ONE))) == {"prod": 1}
    alone = facts(BACK, memory=recent)
    assert [hold.until for hold in plan(alone).holds] == [NOW + 590]


def test_a_machinetype_says_first_what_keeps_itself_from_growing() -> None:
    """That room was made for others is the least telling reason."""
    back = replace(BACK, held="broken")
    assert held(plan(facts(back, memory=memory(preempted_at=NOW))))["back"] is Cause.HELD


def test_intents_of_a_preemptible_machinetype_count_like_its_machines() -> None:
    """One that was asked for and is not listed yet is the youngest, and can be told."""
    young = intent("b9", machinetype="back", stage=Stage.ASKED)
    assert told(plan(full(machines=among(backfill(10), young)))) == {"b9": GRACE_AT}
