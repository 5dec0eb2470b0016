"""How far a space and its machinetypes grow: limits and the creation cap."""

from typing import Any

import pytest

from tests.builders import (
    LARGE,
    NOW,
    SMALL,
    facts,
    intent,
    kind,
    machine,
    machines,
    memory,
    plan,
    starting,
)
from tests.plan_kit import held, made
from vcycled.model import (
    Cause,
    Flavor,
    Hold,
    Limits,
    MachineState,
    Stage,
)
from vcycled.options import Amount

FREELY = Amount(count=1000)
"""A creation cap that does not matter."""


def large(name: str = "large", **changes: Any) -> Any:  # noqa: ANN401 - see builders
    """Return a machinetype whose machines have 8 processors."""
    return kind(name, **{"flavor_names": ("large",), **changes})


# Limits of the space


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        (Limits(processors=0), 0),
        (Limits(processors=1), 1),
        (Limits(processors=7), 7),
        (Limits(machines=3), 3),
        (Limits(memory_mb=2047), 0),
        (Limits(memory_mb=2048), 1),
        (Limits(memory_mb=4096), 2),
        (Limits(processors=5, machines=9, memory_mb=8 * 2048), 5),
        (Limits(processors=9, machines=5, memory_mb=8 * 2048), 5),
        (Limits(processors=9, machines=8, memory_mb=5 * 2048), 5),
    ],
)
def test_a_space_is_filled_to_its_limit_and_not_beyond(limits: Limits, count: int) -> None:
    """The tightest of processors, machines and memory decides."""
    assert len(plan(facts(limits=limits, creation_cap=FREELY)).creates) == count


@pytest.mark.parametrize(("used", "count"), [(91, 1), (92, 1), (93, 0), (100, 0), (120, 0)])
def test_a_large_flavor_never_passes_the_limit(used: int, count: int) -> None:
    """Current and new together must fit in 100, also if there is too much already."""
    given = facts(large(), machines=machines(used, machinetype="past"), creation_cap=FREELY)
    assert len(plan(given).creates) == count


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        (Limits(processors=10), "one more large would make 14 of 10 processors of the space"),
        (Limits(machines=2), "one more large would make 3 of 2 machines of the space"),
        (Limits(memory_mb=20_000), "one more large would make 24384 of 20000 MB of the space"),
    ],
)
def test_a_full_space_is_the_reason_with_its_numbers(limits: Limits, detail: str) -> None:
    """The neediest is told what its next machine would make."""
    others = machines(2, processors=3, memory_mb=4000, machinetype="past")
    assert plan(facts(large(), machines=others, limits=limits)).holds == (
        Hold(machinetype="large", cause=Cause.SPACE_LIMIT, detail=detail),
    )


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        (Limits(processors=10), "11 of 10 processors of the space, 5 of which others have"),
        (Limits(machines=4), "5 of 4 machines of the space, 2 of which others have"),
        (Limits(memory_mb=9000), "10100 of 9000 MB of the space, 100 of which others have"),
    ],
)
def test_of_a_full_space_it_is_told_what_others_have(limits: Limits, detail: str) -> None:
    """It is they whom a person must ask for room."""
    ours = machines(2, processors=2, memory_mb=4000, machinetype="past")
    others = memory(foreign_processors=5, foreign_machines=2, foreign_memory_mb=100)
    small = (Flavor(name="small", processors=2, memory_mb=2000),)
    given = facts(kind(), machines=ours, limits=limits, memory=others, flavors=small)
    (hold,) = plan(given).holds
    assert hold.detail == f"one more small would make {detail}"


@pytest.mark.parametrize(
    "one",
    [
        machine(),
        intent(),
        intent(stage=Stage.ASKED),
        machine(machinetype="past"),
        machine(missing_since=NOW - 60),
        machine(state=MachineState.SHUTDOWN),
        machine(state=MachineState.DELETING),
        machine(state=MachineState.UNKNOWN),
        machine(is_delete_ordered=True),
    ],
)
def test_whatever_is_not_gone_counts_against_the_limits(one: Any) -> None:  # noqa: ANN401
    """In any state and of any machinetype; a planned delete frees nothing yet."""
    for limits in (Limits(processors=3), Limits(machines=3), Limits(memory_mb=3 * 2048)):
        assert len(plan(facts(machines=(one,), limits=limits, creation_cap=FREELY)).creates) == 2


def test_what_is_gone_does_not_count() -> None:
    """Its processors are free."""
    gone = machine(stage=Stage.GONE)
    given = facts(machines=(gone,), limits=Limits(processors=3), creation_cap=FREELY)
    assert len(plan(given).creates) == 3


@pytest.mark.parametrize(
    ("remembered", "limits"),
    [
        ({"foreign_processors": 2}, Limits(processors=3)),
        ({"foreign_machines": 2}, Limits(machines=3)),
        ({"foreign_memory_mb": 2 * 2048}, Limits(memory_mb=3 * 2048)),
    ],
)
def test_what_others_have_counts_too(remembered: dict[str, int], limits: Limits) -> None:
    """In each unit."""
    given = facts(limits=limits, memory=memory(**remembered), creation_cap=FREELY)
    assert len(plan(given).creates) == 1


def test_no_limit_at_all_is_legal() -> None:
    """Then only the creation cap stops it."""
    grown = plan(facts(limits=Limits(), creation_cap=FREELY))
    assert len(grown.creates) == 1000
    assert held(grown) == {"prod": Cause.CREATION_CAP}


# Limits of a machinetype


@pytest.mark.parametrize(("limit", "count"), [(11, 0), (12, 1), (19, 1), (20, 2), (27, 2)])
def test_a_machinetype_grows_to_its_own_limit_and_yields(limit: int, count: int) -> None:
    """Everything of it that is not gone counts; the others take its share."""
    mine = (
        machine("a", machinetype="large", processors=3),
        machine("b", machinetype="large", processors=1, state=MachineState.SHUTDOWN),
    )
    given = facts(large(processors_limit=limit), kind("other"), machines=mine, creation_cap=FREELY)
    grown = plan(given)
    assert made(grown).get("large", 0) == count
    assert made(grown)["other"] == 96 - 8 * count
    assert held(grown)["large"] is Cause.MACHINETYPE_LIMIT


def test_the_own_limit_is_told_with_its_numbers() -> None:
    """What one more would make, and the limit."""
    mine = machine(machinetype="large", processors=3)
    hold = plan(facts(large(processors_limit=10), machines=(mine,))).holds[0]
    assert hold.detail == "one more large would make 11 processors of it; its limit is 10"
    assert hold.until is None


@pytest.mark.parametrize(("limit", "count"), [(11, 0), (12, 1), (19, 1), (20, 2)])
def test_starting_processors_are_limited(limit: int, count: int) -> None:
    """Starting, asked for, intended and unknown ones that never ran count, and new ones once."""
    mine = (
        starting("a", machinetype="large"),
        intent("b", machinetype="large"),
        intent("c", machinetype="large", stage=Stage.ASKED),
        starting("d", machinetype="large", state=MachineState.UNKNOWN),
        machine("e", machinetype="large", processors=30),
        machine("f", machinetype="large", processors=30, state=MachineState.UNKNOWN),
        starting("g", machinetype="large", processors=30, state=MachineState.FAILED),
    )
    given = facts(
        large(max_starting_processors=limit),
        machines=mine,
        limits=Limits(processors=1000),
        creation_cap=FREELY,
    )
    grown = plan(given)
    assert len(grown.creates) == count
    detail = f"one more large would make {4 + 8 * (count + 1)} starting processors"
    assert grown.holds == (
        Hold(
            machinetype="large",
            cause=Cause.STARTING_LIMIT,
            detail=f"{detail}; the limit is {limit}",
        ),
    )


def test_one_that_starts_again_counts_as_starting() -> None:
    """A machine that the cloud shows as starting has yet to start, whatever it did before."""
    again = machine(state=MachineState.STARTING)
    given = facts(kind(max_starting_processors=3), machines=(again,), creation_cap=FREELY)
    assert len(plan(given).creates) == 2


def test_by_default_only_the_own_limit_bounds_the_starting_ones() -> None:
    """max_starting_processors is processors_limit unless it is set."""
    given = facts(kind(processors_limit=5), machines=(starting(),), creation_cap=FREELY)
    assert len(plan(given).creates) == 4


# The creation cap


@pytest.mark.parametrize(
    ("cap", "limit", "count"),
    [
        (Amount(percent=10.0), 100, 10),
        (Amount(percent=10.0), 101, 11),
        (Amount(percent=10.0), 9, 1),
        (Amount(count=1), 100, 1),
        (Amount(count=3), 100, 3),
        (Amount(percent=100.0), 20, 20),
    ],
)
def test_creations_in_a_cycle_are_capped_in_processors(
    cap: Amount, limit: int, count: int
) -> None:
    """A number, or a part of the space's limit rounded up."""
    grown = plan(facts(creation_cap=cap, limits=Limits(processors=limit)))
    assert len(grown.creates) == count


@pytest.mark.parametrize(
    ("cap", "held_by_us", "foreign", "count"),
    [
        (Amount(percent=10.0), 0, 0, 10),
        (Amount(percent=10.0), 60, 40, 10),
        (Amount(percent=10.0), 60, 41, 11),
        (Amount(percent=10.0), 61, 40, 11),
        (Amount(count=3), 60, 40, 3),
        (Amount(count=12), 0, 0, 12),
    ],
)
def test_without_a_limit_the_cap_is_a_part_of_what_the_space_holds(
    cap: Amount, held_by_us: int, foreign: int, count: int
) -> None:
    """At least ten processors if it is a percentage; a number means what it says."""
    given = facts(
        machines=machines(held_by_us),
        memory=memory(foreign_processors=foreign),
        limits=Limits(),
        creation_cap=cap,
    )
    assert len(plan(given).creates) == count


@pytest.mark.parametrize(("cap", "count"), [(1, 1), (8, 1), (15, 1), (16, 2), (17, 2), (24, 3)])
def test_one_machine_is_always_allowed_and_the_cap_never_passed_by_a_second(
    cap: int, count: int
) -> None:
    """A flavor larger than the cap is not blocked for ever."""
    grown = plan(facts(large(), creation_cap=Amount(count=cap)))
    assert len(grown.creates) == count


def test_the_creation_cap_is_told_with_its_numbers_until_the_next_cycle() -> None:
    """To all that could still grow, whose turn it would be; nothing smaller slips in."""
    grown = plan(facts(large(target_share=9), kind("other"), creation_cap=Amount(count=15)))
    assert made(grown) == {"large": 1, "other": 1}
    detail = (
        "9 new processors in this cycle; one more large of large, which is next, would pass the"
        " creation cap of 15"
    )
    assert grown.holds == tuple(
        Hold(machinetype=name, cause=Cause.CREATION_CAP, detail=detail, until=NOW + 60)
        for name in ("large", "other")
    )


def test_at_the_cap_everybody_is_told_the_most_telling_reason() -> None:
    """Its own limit, or a full space, before the cap; what is not a reason is not told."""
    given = facts(
        large("a", target_share=100),
        kind("b", processors_limit=1),
        large("c", flavor_names=("broad",)),
        kind("d"),
        machines=(machine("b1", machinetype="b"), machine("c1", machinetype="c", processors=20)),
        flavors=(SMALL, LARGE, Flavor(name="broad", processors=40, memory_mb=1)),
        limits=Limits(processors=64),
        creation_cap=Amount(count=15),
    )
    grown = plan(given)
    assert made(grown) == {"a": 1, "d": 1}
    assert held(grown) == {
        "a": Cause.CREATION_CAP,
        "b": Cause.MACHINETYPE_LIMIT,
        "c": Cause.SPACE_LIMIT,
        "d": Cause.CREATION_CAP,
    }
