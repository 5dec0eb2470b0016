"""Room in a cloud that is full by its own word; and waits while something holds the space."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import NOW, drain, drains, facts, kind, machine, memory, plan
from tests.plan_kit import held, made
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
from vcycled.model import Cause, Hold, Machine, Machinetype, SpaceFacts, Unfit, Wait


def unfit(until: int = NOW + 60, flavor: str = "small") -> tuple[Unfit, ...]:
    """Return that the cloud had no capacity for a flavor."""
    return (Unfit(flavor=flavor, zone="", until=until),)


NO_CAPACITY = {"unfit": unfit()}
NO_QUOTA = {"quota_failures": 1, "quota_failed_at": NOW - 59}
ASKED_AGAIN = ({"unfit": unfit(NOW)}, {"quota_failures": 1, "quota_failed_at": NOW - 60})


def crowded(*kinds: Machinetype, remembered: dict[str, Any], **changes: Any) -> SpaceFacts:  # noqa: ANN401 - replace() refuses wrong names
    """Return a cloud of unknown size that preemptible machines have filled."""
    usual = {"machines": backfill(10), "creation_cap": ALL, "memory": memory(**remembered)}
    return facts(*(kinds or (waiting(),)), BACK, **{**usual, **changes})


@pytest.mark.parametrize("remembered", [NO_CAPACITY, NO_QUOTA])
@pytest.mark.parametrize(("seconds", "expected"), [(599, {}), (600, {"b9": GRACE_AT})])
def test_room_is_made_where_only_the_cloud_has_none(
    remembered: dict[str, Any], seconds: int, expected: dict[str, int]
) -> None:
    """For one machine, as it is not known yet whether that helps, whatever the cap allows."""
    result = plan(crowded(waiting(seconds=seconds), remembered=remembered))
    assert told(result) == expected
    assert result.waits == (Wait(machinetype="prod", since=NOW - seconds),)


@pytest.mark.parametrize("remembered", [NO_CAPACITY, NO_QUOTA])
def test_a_refusal_begins_a_wait(remembered: dict[str, Any]) -> None:
    """For who lacks only that."""
    others = (kind("off", held="no"), kind("huge", flavor_names=("huge",)))
    small = kind(flavor_names=("small",))
    result = plan(crowded(small, *others, remembered=remembered))
    assert result.waits == (Wait(machinetype="prod", since=NOW),)


@pytest.mark.parametrize("remembered", ASKED_AGAIN)
@pytest.mark.parametrize("since", [None, NOW - 700])
def test_a_cloud_that_is_asked_again_begins_nothing_and_ends_nothing(
    remembered: dict[str, Any], since: int | None
) -> None:
    """It may have room; who was told stays told, until that is known."""
    leaving = among(backfill(10), giving_way(backfill(10)[9]))
    mine = kind(flavor_names=("small",), waiting_since=since)
    given = crowded(mine, remembered=remembered, machines=leaving)
    assert [wait.since for wait in plan(given).waits] == ([] if since is None else [since])
    assert told(plan(given)) == ({"b9": None} if since is None else {})
    fresh = crowded(mine, remembered=remembered)
    assert told(plan(fresh)) == {}


@pytest.mark.parametrize(("ago", "is_kept"), [(3599, True), (3600, False)])
def test_what_the_cloud_said_is_forgotten(ago: int, *, is_kept: bool) -> None:
    """An hour after it could be asked again."""
    leaving = among(backfill(10), giving_way(backfill(10)[9]))
    remembered = {"unfit": unfit(NOW - ago)}
    given = crowded(remembered=remembered, machines=leaving, creation_cap=ONE)
    assert told(plan(given)) == ({} if is_kept else {"b9": None})
    assert (held(plan(given))["back"] is Cause.RESERVED) is is_kept


def test_what_becomes_free_is_kept_for_who_waits() -> None:
    """Preemptible machines of another flavor would take it."""
    back = kind("back", preemptible=True, flavor_names=("large",))
    given = facts(waiting(), back, machines=backfill(2), memory=memory(unfit=unfit()))
    (hold,) = (each for each in plan(given).holds if each.machinetype == "back")
    detail = (
        "what becomes free is kept for prod, to which this one gives way: the cloud had no room"
        " for it"
    )
    assert hold == Hold(machinetype="back", cause=Cause.RESERVED, detail=detail)
    assert made(plan(given)) == {}


@pytest.mark.parametrize(("ago", "is_over"), [(3599, False), (3600, True)])
def test_after_room_that_brought_nothing_there_is_peace_for_an_hour(
    ago: int, *, is_over: bool
) -> None:
    """Nobody waits then, and preemptible machines are made again."""
    remembered = {"unfit": unfit(flavor="large"), "preempted_at": NOW - ago}
    wide = waiting(flavor_names=("large",))
    result = plan(crowded(wide, remembered=remembered))
    assert bool(result.waits) is is_over
    assert len(told(result)) == (8 if is_over else 0)
    assert ("back" in made(result)) is not is_over


@pytest.mark.parametrize(
    ("newest", "count"),
    [
        pytest.param({"created_at": NOW - 99, "started_at": NOW - 90}, 9, id="it runs"),
        pytest.param({"created_at": NOW - 100, "started_at": NOW - 90}, 0, id="from before"),
        pytest.param({"created_at": NOW - 99, "started_at": None}, 0, id="it may fail yet"),
    ],
)
def test_room_that_brought_a_machine_is_followed_by_more(
    newest: dict[str, Any], count: int
) -> None:
    """As much as the cap allows at once, up to the share of all that is there."""
    given = crowded(
        remembered={"unfit": unfit(), "preempted_at": NOW - 100},
        machines=(machine("m", **newest), *backfill(9)),
        limits=TEN if count else facts().limits,
    )
    room = {each.machine.name for each in plan(given).tells}
    assert len(room) == count


def test_nobody_else_is_told_while_machines_make_room() -> None:
    """What the cloud has by then is not known; and those who were told all go."""
    leaving = [giving_way(each) for each in backfill(10)[8:]]
    machines = among(backfill(10), *leaving)
    assert told(plan(crowded(remembered=NO_CAPACITY, machines=machines))) == {}
    few = plan(crowded(remembered=NO_CAPACITY, machines=machines, creation_cap=ONE))
    assert told(few) == {}
    recent = {**NO_CAPACITY, "preempted_at": NOW - 60}
    fresh = plan(crowded(kind(flavor_names=("small",)), remembered=recent, machines=machines))
    assert told(fresh) == {"b8": None, "b9": None}
    assert fresh.waits == ()


def test_who_only_begins_to_wait_sends_nobody_back() -> None:
    """Room is being made for another."""
    leaving = among(backfill(10), giving_way(backfill(10)[9]))
    kinds = (waiting(), waiting("other", seconds=10))
    assert told(plan(crowded(*kinds, remembered=NO_CAPACITY, machines=leaving))) == {}


@pytest.mark.parametrize(("attempts", "expected"), [(1, set()), (0, {"b9"})])
def test_room_that_becomes_free_by_itself_is_counted(attempts: int, expected: set[str]) -> None:
    """As one is being deleted already, nobody else is told."""
    one = backfill(1, delete_attempts=attempts, delete_attempt_at=NOW)[0]
    machines = among(backfill(10), one)
    assert set(told(plan(crowded(remembered=NO_CAPACITY, machines=machines)))) == expected


def test_who_waits_goes_on_waiting_while_machines_leave_one_by_one() -> None:
    """What is there is less meanwhile, and so its share of that."""
    mine = tuple(machine(f"m{each}") for each in range(5))
    other = tuple(machine(f"o{each}", machinetype="other") for each in range(5))
    leaving = giving_way(backfill(1)[0])
    kinds = (waiting(), kind("other", held="no"))
    given = crowded(*kinds, remembered=NO_CAPACITY, machines=(*mine, *other, leaving))
    assert told(plan(given)) == {}
    done = crowded(*kinds, remembered=NO_CAPACITY, machines=(*mine, *other))
    assert plan(done).waits == ()


@pytest.mark.parametrize(("count", "room"), [(7, 0), (8, 8)])
def test_nobody_waits_for_more_than_there_is_to_give(count: int, room: int) -> None:
    """Preemptible machines would be kept from growing for ever."""
    kinds = (waiting(flavor_names=("large",)), kind("other", held="no"))
    remembered = {"unfit": unfit(flavor="large")}
    machines = (machine("o", machinetype="other"), *backfill(count))
    result = plan(crowded(*kinds, remembered=remembered, machines=machines))
    assert len(told(result)) == room
    assert bool(result.waits) is bool(room)


@pytest.mark.parametrize(("mine", "expected"), [(4, {"b5"}), (5, set())])
def test_its_share_is_one_of_what_is_there(mine: int, expected: set[str]) -> None:
    """Half of ten, though the limit is a hundred; whatever processors weigh."""
    has: tuple[Machine, ...] = tuple(machine(f"m{each}") for each in range(mine))
    rest = backfill(10 - mine)
    kinds = (waiting(), kind("other", held="no"), BACK)
    for power in (None, 10.0):
        each = [replace(one, power_per_processor=power) for one in kinds]
        given = facts(*each, machines=(*has, *rest), memory=memory(**NO_CAPACITY))
        assert set(told(plan(given))) == expected


def test_a_limit_that_is_passed_is_kept_too() -> None:
    """One for the limit, one for the machine."""
    given = crowded(remembered=NO_CAPACITY, limits=TEN, machines=backfill(11))
    assert set(told(plan(given))) == {"b9", "b10"}


def test_room_in_the_cloud_is_not_given_to_who_lacks_room_in_the_limits() -> None:
    """One for prod, eight more for the large one."""
    wide = waiting("wide", flavor_names=("large",))
    given = crowded(waiting(), wide, remembered=NO_CAPACITY, limits=TEN)
    result = plan(given)
    assert len(told(result)) == 9
    assert [wait.machinetype for wait in result.waits] == ["prod", "wide"]


def test_who_leaves_for_room_in_the_cloud_makes_none_in_the_limits() -> None:
    """Eight others are told for the large one."""
    leaving = among(backfill(10), giving_way(backfill(10)[9]))
    wide = waiting("wide", flavor_names=("large",))
    given = crowded(waiting(), wide, remembered=NO_CAPACITY, limits=TEN, machines=leaving)
    assert set(told(plan(given))) == {f"b{each}" for each in range(1, 9)}


def test_where_the_limits_are_full_only_as_many_leave_as_they_require() -> None:
    """Also of those that were told when the cloud was full."""
    leaving = [giving_way(each) for each in backfill(10)[8:]]
    given = crowded(
        remembered={"unfit": unfit(NOW)},
        limits=TEN,
        machines=among(backfill(10), *leaving),
        creation_cap=ONE,
    )
    assert list(told(plan(given)).values()) == [None]


def test_where_the_limits_are_full_what_the_cloud_said_before_matters_not() -> None:
    """As many give way as ever."""
    given = crowded(remembered={"unfit": unfit(NOW)}, limits=TEN)
    assert len(told(plan(given))) == 10


def test_a_probe_is_given_one_machine() -> None:
    """Also where room was made for others before."""
    probing = waiting(last_abort_at=NOW - 1000)
    before = machine("m", created_at=NOW - 4900)
    recent = {**NO_CAPACITY, "preempted_at": NOW - 5000}
    given = crowded(probing, remembered=recent, machines=(before, *backfill(10)))
    assert set(told(plan(given))) == {"b9"}


# While something holds the space

PASSING: tuple[dict[str, Any], ...] = (
    {"held": "disk: low"},
    {"drains": drains(drain(is_hold=True))},
    {"memory": memory(suspect_since=NOW - 60)},
    {"memory": memory(paused_until=NOW + 60)},
)


@pytest.mark.parametrize("change", PASSING)
@pytest.mark.parametrize(("by", "news"), [(NOW - 1, {"b9": None}), (NOW, {}), (NOW + 60, {})])
def test_a_wait_outlives_what_holds_the_space_for_a_while(
    change: dict[str, Any], by: int, news: dict[str, None]
) -> None:
    """Nobody is told anew, nobody goes; who was told keeps its end until that has come."""
    machines = among(backfill(10), giving_way(backfill(10)[9], by=by))
    others = (kind("new"), waiting("ahead", seconds=-50), waiting("b", preemptible=True))
    given = full(waiting(), *others, machines=machines, **change)
    result = plan(given)
    assert result.waits == (
        Wait(machinetype="ahead", since=NOW),
        Wait(machinetype="prod", since=NOW - 600),
    )
    assert told(result) == news
    assert result.deletes == ()


@pytest.mark.parametrize("change", [{"drains": drains(drain())}, {"shutdown_time": NOW - 5}])
def test_a_space_that_is_to_be_empty_ends_waits(change: dict[str, Any]) -> None:
    """Nothing will be made there."""
    assert plan(full(**change)).waits == ()
    assert plan(crowded(remembered=NO_CAPACITY, **change)).waits == ()
