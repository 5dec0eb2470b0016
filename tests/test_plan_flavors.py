"""Which flavor in which zone is asked for."""

from typing import Any

import pytest

from tests.builders import LARGE, NOW, SMALL, facts, kind, memory, plan
from vcycled.model import Cause, Create, Flavor, Hold, Limits, SpaceFacts, Unfit

TINY = Flavor(name="tiny", processors=1, memory_mb=512)
MEDIUM = Flavor(name="medium", processors=4, memory_mb=8192)
FLAVORS = (LARGE, SMALL, MEDIUM, TINY)


def first(given: SpaceFacts) -> Create | Hold:
    """Return the first machine made of the only machinetype, or why there is none."""
    made = plan(given)
    return made.creates[0] if made.creates else made.holds[0]


def place(given: SpaceFacts) -> tuple[str, str]:
    """Return the flavor and zone of the first machine made."""
    create = first(given)
    assert isinstance(create, Create)
    return create.flavor.name, create.zone


def hold(given: SpaceFacts) -> Hold:
    """Return why no machine is made."""
    found = first(given)
    assert isinstance(found, Hold)
    return found


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "tiny"),
        ({"flavor_names": ("large", "small")}, "large"),
        ({"flavor_names": ("gone", "small")}, "small"),
        ({"min_processors": 2}, "medium"),
        ({"min_processors": 4}, "medium"),
        ({"min_processors": 5}, "large"),
        ({"flavor_names": ("large", "medium"), "max_processors": 4}, "medium"),
        ({"flavor_names": ("large", "medium"), "max_processors": 8}, "large"),
        ({"flavor_names": ("large", "medium"), "max_processors": 7}, "medium"),
        ({"flavor_names": ("large", "medium"), "processors_limit": 7}, "medium"),
        ({"flavor_names": ("large", "medium"), "processors_limit": 8}, "large"),
        ({"flavor_names": ("large", "medium"), "max_starting_processors": 7}, "medium"),
        ({"flavor_names": ("large", "medium"), "max_starting_processors": 8}, "large"),
    ],
)
def test_the_first_flavor_that_suits_is_used(changes: dict[str, Any], name: str) -> None:
    """In the order they are named, or the smallest of all, within size and limits."""
    assert place(facts(kind(**changes), flavors=FLAVORS)) == (name, "")


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(processors=7), "medium"),
        (Limits(processors=8), "large"),
        (Limits(memory_mb=16383), "medium"),
        (Limits(memory_mb=16384), "large"),
        (Limits(), "large"),
    ],
)
def test_a_flavor_larger_than_the_space_is_passed_over(limits: Limits, name: str) -> None:
    """It would wait for room for ever."""
    named = kind(flavor_names=("large", "medium"))
    assert place(facts(named, flavors=FLAVORS, limits=limits)) == (name, "")


def test_a_flavor_that_others_leave_no_room_for_is_passed_over() -> None:
    """What is not ours does not end because we wait."""
    named = kind(flavor_names=("large", "medium"))
    for processors, name in [(92, "large"), (93, "medium")]:
        given = facts(named, flavors=FLAVORS, memory=memory(foreign_processors=processors))
        assert place(given) == (name, "")


def test_of_flavors_of_one_size_the_smaller_memory_then_the_name_decides() -> None:
    """Whatever the order in which the cloud lists them."""
    twin = Flavor(name="a-twin", processors=1, memory_mb=512)
    for flavors in [(SMALL, TINY, twin), (twin, TINY, SMALL)]:
        assert place(facts(flavors=flavors)) == ("a-twin", "")


def test_a_flavor_without_processors_is_never_used() -> None:
    """It would fit any limit any number of times."""
    none = Flavor(name="none", processors=0, memory_mb=1)
    assert place(facts(kind(min_processors=0), flavors=(none, SMALL))) == ("small", "")


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"min_processors": 9}, "no flavor of this space has 9 or more processors"),
        (
            {"min_processors": 2, "max_processors": 3},
            "no flavor of this space has 2 to 3 processors",
        ),
        (
            {"flavor_names": ("huge", "vast"), "max_processors": 8},
            "none of huge, vast of this space has 1 to 8 processors",
        ),
        (
            {"flavor_names": ("large", "medium"), "processors_limit": 3},
            "medium (4 processors, 8192 MB) can never fit the limits (100 processors, 900000 MB,"
            " 50 machines, 3 processors of prod) beside the 5 processors, 70 MB and 2 machines of"
            " others",
        ),
        (
            {"flavor_names": ("large", "medium"), "max_starting_processors": 3},
            "medium (4 processors, 8192 MB) can never fit the limits (100 processors, 900000 MB,"
            " 50 machines, 3 starting processors of prod) beside the 5 processors, 70 MB and 2"
            " machines of others",
        ),
    ],
)
def test_without_a_flavor_the_machinetype_is_held(changes: dict[str, Any], detail: str) -> None:
    """The sentence names what was looked for and what is in the way."""
    others = memory(foreign_processors=5, foreign_machines=2, foreign_memory_mb=70)
    limits = Limits(processors=100, machines=50, memory_mb=900_000)
    given = facts(kind(**changes), flavors=FLAVORS, limits=limits, memory=others)
    assert hold(given) == Hold(machinetype="prod", cause=Cause.NO_FLAVOR, detail=detail)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(machines=2), "2 machines"),
        (Limits(processors=0), "0 processors"),
        (Limits(memory_mb=100), "100 MB"),
    ],
)
def test_where_nothing_can_ever_fit_no_flavor_does(limits: Limits, told: str) -> None:
    """A space closed by its limit or filled by others yields the machinetype's share."""
    others = memory(foreign_machines=2)
    given = facts(kind(min_processors=2), flavors=FLAVORS, limits=limits, memory=others)
    assert hold(given).cause is Cause.NO_FLAVOR
    assert hold(given).detail.startswith(
        f"medium (4 processors, 8192 MB) can never fit the limits ({told}) beside"
    )


def test_of_a_space_without_others_none_are_told() -> None:
    """A limit of 0 is the reason alone."""
    given = facts(kind(), flavors=FLAVORS, limits=Limits(processors=0), memory=memory())
    assert hold(given).detail.endswith("can never fit the limits (0 processors)")


# Flavors and zones for which the cloud had no room

NAMED = kind(flavor_names=("large", "medium"), zones=("north", "south"))


def unfit(*known: tuple[str, str, int], of: Any = NAMED) -> SpaceFacts:  # noqa: ANN401
    """Return facts in which these flavors in these zones are unfit until some time."""
    remembered = tuple(
        Unfit(flavor=flavor, zone=zone, until=NOW + left) for flavor, zone, left in known
    )
    return facts(of, flavors=FLAVORS, memory=memory(unfit=remembered))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], ("large", "north")),
        ([("large", "north", 1)], ("large", "south")),
        ([("large", "north", 0)], ("large", "north")),
        ([("large", "north", -1)], ("large", "north")),
        ([("large", "", 9)], ("large", "north")),
        ([("small", "north", 9)], ("large", "north")),
        ([("large", "north", 9), ("large", "south", 9)], ("medium", "north")),
        (
            [("large", "north", 9), ("large", "south", 9), ("medium", "north", 9)],
            ("medium", "south"),
        ),
        ([("large", "north", 9), ("large", "north", -9)], ("large", "south")),
        ([("large", "north", -9), ("large", "north", 9)], ("large", "south")),
    ],
)
def test_each_zone_is_tried_before_the_next_flavor(
    known: list[tuple[str, str, int]], expected: tuple[str, str]
) -> None:
    """Until its time is over, a flavor is not asked for in a zone without capacity."""
    assert place(unfit(*known)) == expected


def test_without_capacity_anywhere_the_machinetype_waits_for_the_first() -> None:
    """The hold ends when one of its flavors may be tried again in one of its zones."""
    everywhere = [
        ("large", "north", 50),
        ("large", "south", 40),
        ("medium", "north", 55),
        ("medium", "south", 58),
        ("small", "north", 10),
    ]
    given = unfit(*everywhere)
    assert hold(given) == Hold(
        machinetype="prod",
        cause=Cause.NO_CAPACITY,
        detail="the cloud said that it has no capacity for large, medium in north, south",
        until=NOW + 40,
    )
    assert plan(given).wake_at == NOW + 40


def test_without_zones_the_cloud_chooses_and_may_have_no_capacity() -> None:
    """The empty zone is remembered like any other."""
    plain = kind(flavor_names=("large",))
    assert place(unfit(("large", "north", 9), of=plain)) == ("large", "")
    found = hold(unfit(("large", "", 9), of=plain))
    assert found.detail == "the cloud said that it has no capacity for large"
    assert found.until == NOW + 9


def test_of_two_memories_of_one_place_the_later_counts() -> None:
    """In whatever order they are remembered."""
    plain = kind(flavor_names=("large",))
    for known in [(("large", "", 9), ("large", "", 5)), (("large", "", 5), ("large", "", 9))]:
        assert hold(unfit(*known, of=plain)).until == NOW + 9
