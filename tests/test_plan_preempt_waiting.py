"""Who waits for room that preemptible machines hold, since when, and who does not."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import NOW, drain, drains, facts, kind, machine, plan
from tests.plan_kit import held, made
from tests.preempt_kit import ALL, BACK, TEN, among, backfill, full, giving_way, told, waiting
from vcycled.model import Cause, Limits, Machine, Wait


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


def test_a_machinetype_that_drains_does_not_wait() -> None:
    """Nobody gives way to it."""
    given = full(drains=drains(drain(machinetype="prod")))
    assert plan(given).waits == ()
    assert told(plan(given)) == {}


def test_a_space_that_is_held_lets_nobody_wait() -> None:
    """Room would be made for nothing."""
    assert plan(full(drains=drains(drain()))).waits == ()
    assert told(plan(full(drains=drains(drain())))) == {}


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
