"""Preemptible machinetypes: they get what is left over, and not at once what they made free."""

from dataclasses import replace

import pytest

from tests.builders import NOW, facts, kind, machine, memory, plan
from tests.plan_kit import held, made
from tests.preempt_kit import ALL, BACK, ONE, TEN, backfill, giving_way
from vcycled.model import Cause, Share, Stage
from vcycled.options import Amount

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
