"""Whose turn it is to grow, and for whom room is kept."""

import random
from typing import Any

import pytest

from tests.builders import (
    NOW,
    facts,
    intent,
    kind,
    machine,
    machines,
    plan,
    starting,
)
from tests.plan_kit import held, made
from vcycled.model import (
    Cause,
    MachineState,
    SpaceFacts,
    Stage,
)
from vcycled.options import Amount
from vcycled.plan import plan_space

FREELY = Amount(count=1000)
"""A creation cap that does not matter."""


def large(name: str = "large", **changes: Any) -> Any:  # noqa: ANN401 - see builders
    """Return a machinetype whose machines have 8 processors."""
    return kind(name, **{"flavor_names": ("large",), **changes})


def test_the_least_weight_for_its_share_is_served_first() -> None:
    """Each new machine counts at once."""
    mine = (*machines(6, machinetype="a"), *machines(1, machinetype="b"))
    given = facts(
        kind("a", target_share=3), kind("b", target_share=1), machines=mine, creation_cap=FREELY
    )
    grown = plan(given, seed=3)
    order = "".join(create.machinetype for create in grown.creates)
    assert order.startswith("b")
    assert made(grown) == {"a": 75 - 6, "b": 25 - 1}


def test_a_create_says_why() -> None:
    """What the machinetype has, its share, and against how many it stood."""
    grown = plan(facts(kind(target_share=0.25), kind("no", held="broken"), machines=machines(3)))
    assert [create.why for create in grown.creates[:2]] == [
        "3 processors for a share of 0.25 is the least of the 1 that may grow",
        "4 processors for a share of 0.25 is the least of the 1 that may grow",
    ]


@pytest.mark.parametrize(
    "state", [MachineState.SHUTDOWN, MachineState.FAILED, MachineState.DELETING]
)
def test_what_has_ended_does_not_count_in_shares(state: MachineState) -> None:
    """Its machinetype gets the replacement."""
    mine = (machine("a1", machinetype="a", state=state), machine("b1", machinetype="b"))
    grown = plan(facts(kind("a"), kind("b"), machines=mine, creation_cap=Amount(count=1)))
    assert made(grown) == {"a": 1}


@pytest.mark.parametrize(
    "one",
    [
        intent(machinetype="a"),
        intent(machinetype="a", stage=Stage.ASKED),
        starting(machinetype="a"),
        machine(machinetype="a", state=MachineState.UNKNOWN),
        machine(machinetype="a", is_delete_ordered=True),
    ],
)
def test_what_lives_or_may_live_counts_in_shares(one: Any) -> None:  # noqa: ANN401
    """Intents, starting ones, unknown ones, and those whose delete is only planned."""
    grown = plan(facts(kind("a"), kind("b"), machines=(one,), creation_cap=Amount(count=1)))
    assert made(grown) == {"b": 1}


@pytest.mark.parametrize(
    ("powers", "winner"), [((10.0, 4.0), "b"), ((None, 4.0), "a"), ((0.0, 4.0), "a")]
)
def test_power_weighs_only_if_every_machinetype_states_it(
    powers: tuple[float | None, float], winner: str
) -> None:
    """2 processors of 10 weigh more than 3 of 4; without one of the powers 2 are less than 3."""
    mine = (
        machine("a1", machinetype="a", processors=2),
        machine("b1", machinetype="b", processors=3),
    )
    given = facts(
        kind("a", power_per_processor=powers[0]),
        kind("b", power_per_processor=powers[1]),
        machines=mine,
        creation_cap=Amount(count=1),
    )
    assert made(plan(given)) == {winner: 1}


def test_a_machinetype_without_share_takes_part_in_whether_power_weighs() -> None:
    """Every machinetype of the space must state it, also one that is never created."""
    mine = (
        machine("a1", machinetype="a", processors=2),
        machine("b1", machinetype="b", processors=3),
    )
    given = facts(
        kind("a", power_per_processor=10.0),
        kind("b", power_per_processor=4.0),
        kind("c", target_share=0.0),
        machines=mine,
        creation_cap=Amount(count=1),
    )
    assert made(plan(given)) == {"a": 1}


def test_ties_are_broken_by_chance_and_by_nothing_else() -> None:
    """Each of three equal machinetypes is first about as often as the others."""
    kinds = [kind(name) for name in "abc"]
    firsts = [plan(facts(*kinds), seed=seed).creates[0].machinetype for seed in range(300)]
    assert all(firsts.count(name) > 60 for name in "abc")
    for seed in range(20):
        turned = plan(facts(*reversed(kinds)), seed=seed)
        assert turned == plan(facts(*kinds), seed=seed)


def test_a_tie_is_broken_the_same_way_all_through_a_plan() -> None:
    """The order is drawn once, so that machinetypes take turns."""
    grown = plan(facts(*(kind(name) for name in "abc")))
    order = [create.machinetype for create in grown.creates]
    assert order[:3] == order[3:6] == order[6:9]
    assert sorted(order[:3]) == ["a", "b", "c"]


@pytest.mark.parametrize("given", [facts(), facts(held="closed"), facts(kind("a"), kind("b"))])
def test_chance_is_used_as_much_whatever_is_held(given: SpaceFacts) -> None:
    """What follows with the same source of chance does not depend on holds."""
    rng = random.Random(1)
    plan_space(given, now=NOW, rng=rng)
    other = random.Random(1)
    other.shuffle([each.name for each in given.machinetypes])
    assert rng.getstate() == other.getstate()


# Room that is kept


def test_what_is_free_is_kept_for_the_neediest_large_flavor() -> None:
    """Small ones that would fit are told for whom; those at their own limit say that instead."""
    given = facts(
        large(),
        kind("small"),
        kind("own", processors_limit=1),
        kind("no", target_share=0.0),
        machines=(
            *machines(94, machinetype="small"),
            machine("own-1", machinetype="own"),
        ),
    )
    grown = plan(given)
    assert not grown.creates
    why = "one more large would make 103 of 100 processors of the space"
    assert {hold.machinetype: (hold.cause, hold.detail) for hold in grown.holds} == {
        "large": (Cause.SPACE_LIMIT, why),
        "no": (Cause.NO_SHARE, "target_share is 0"),
        "own": (
            Cause.MACHINETYPE_LIMIT,
            "one more small would make 2 processors of it; its limit is 1",
        ),
        "small": (
            Cause.RESERVED,
            f"what is free is kept for large, further below its share: {why}",
        ),
    }
    assert all(hold.until is None for hold in grown.holds)


def test_in_a_full_space_the_limit_is_the_reason_for_all() -> None:
    """Nothing is kept where nothing is free."""
    given = facts(large(), kind("small"), machines=machines(100, machinetype="small"))
    assert held(plan(given)) == {"large": Cause.SPACE_LIMIT, "small": Cause.SPACE_LIMIT}


def test_the_neediest_small_one_grows_though_a_large_flavor_does_not_fit() -> None:
    """Room is kept only for who comes first."""
    given = facts(
        large(),
        kind("small"),
        machines=machines(12, machinetype="large", processors=8),
        creation_cap=FREELY,
    )
    grown = plan(given)
    assert made(grown) == {"small": 4}
    assert held(grown) == {"large": Cause.SPACE_LIMIT, "small": Cause.SPACE_LIMIT}


def test_room_is_not_kept_for_one_at_its_own_limit() -> None:
    """It yields before it is asked whether there is room."""
    given = facts(
        large(processors_limit=8),
        kind("small"),
        machines=(machine(machinetype="large", processors=8), *machines(90, machinetype="small")),
        creation_cap=FREELY,
    )
    assert made(plan(given)) == {"small": 2}


def test_room_is_not_kept_for_one_that_is_held() -> None:
    """It yields its share."""
    given = facts(
        large(last_abort_at=NOW - 10),
        kind("small"),
        machines=machines(94, machinetype="small"),
        creation_cap=FREELY,
    )
    assert made(plan(given)) == {"small": 6}


def test_nothing_to_plan_is_a_plan() -> None:
    """A space without machinetypes only looks again."""
    empty = facts(machinetypes=())
    grown = plan(empty)
    assert (grown.creates, grown.holds, grown.shares) == ((), (), ())
    assert grown.wake_at == NOW + 60
