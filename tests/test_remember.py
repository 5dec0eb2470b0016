"""What a listing makes us remember: starts, warnings, returns and whose a machine is."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.remember_kit import (
    OURS,
    T0,
    TERMS,
    asked,
    cycle,
    events,
    listed,
    machine,
    only,
    records,
)
from vcycled.model import EndSource, MachineState, Reason, Stage
from vcycled.remember import adopted, match, updated

# Steady state, starts


def test_an_unchanged_machine_changes_nothing() -> None:
    """A listing that shows what we know writes nothing but its own time."""
    changes = cycle(records(machine()), [listed()])
    assert changes.machines == ()
    assert changes.events == ()
    assert changes.memory is not None
    assert changes.memory.listed_at == T0 + 1000


def test_a_machine_that_starts_is_recorded_once_with_the_cloud_s_time() -> None:
    """The API's own start time counts, not when we looked."""
    starting = machine(started_at=None, state=MachineState.STARTING)
    changes = cycle(records(starting), [listed(started_at=T0 + 300)])
    assert only(changes).started_at == T0 + 300
    assert "machine-started" in events(changes)
    again = cycle(updated(records(starting), changes), [listed(started_at=T0 + 300)])
    assert again.machines == ()


@pytest.mark.parametrize(
    ("stated", "expected"),
    [(None, T0 + 1000), (T0 - 50, T0), (T0 + 5000, T0 + 1000), (T0 + 1, T0 + 1)],
)
def test_a_start_lies_between_the_intent_and_now(stated: int | None, expected: int) -> None:
    """A cloud whose clock differs cannot make a machine older than its request."""
    starting = machine(started_at=None, state=MachineState.STARTING)
    assert only(cycle(records(starting), [listed(started_at=stated)])).started_at == expected


@pytest.mark.parametrize(
    ("made", "stated", "expected"),
    [
        pytest.param(T0 + 500, T0 + 1000, T0 + 1000, id="it began now"),
        pytest.param(T0 + 500, T0 + 1001, T0 + 501, id="a second later"),
        pytest.param(T0 + 5000, T0 + 5040, T0 + 40, id="an hour and more"),
        pytest.param(T0 + 10, T0 + 1011, T0 + 1000, id="after it took longer than we know of"),
        pytest.param(None, T0 + 5040, T0 + 1000, id="and nobody knows when it was made"),
    ],
)
def test_a_start_to_come_tells_how_long_the_machine_took(
    made: int | None, stated: int, expected: int
) -> None:
    """Our clock is behind: else a run that was seen once would have been none."""
    starting = machine(started_at=None, state=MachineState.STARTING)
    shown = listed(created_at=made, started_at=stated)
    assert only(cycle(records(starting), [shown])).started_at == expected


@pytest.mark.parametrize(
    ("state", "interval", "stated", "began"),
    [
        ("unknown", 0, T0 + 30, T0 + 30),
        ("unknown", 0, None, None),
        ("unknown", 1, T0 + 30, None),
        ("starting", 0, T0 + 30, None),
        ("running", 1, T0 + 30, T0 + 1000),
    ],
)
def test_a_machine_has_started_though_the_cloud_has_lost_sight_of_it(
    state: str, interval: int, stated: int | None, began: int | None
) -> None:
    """Else one that is found so after the loss of a database would be too late to start."""
    found = machine(started_at=None, state=MachineState.UNKNOWN, interval=interval, seen_at=None)
    changes = cycle(records(found), [listed(state=state, started_at=stated, created_at=T0)])
    assert {each.started_at for each in changes.machines} <= {began}
    assert ("machine-started" in events(changes)) is (began is not None)


def test_an_asked_machine_is_known_by_its_tag_and_gets_its_cloud_id() -> None:
    """A creation whose answer was lost is found by its uuid."""
    changed = only(cycle(records(asked()), [listed(state="starting")]))
    assert (changed.stage, changed.cloud_id, changed.seen_at) == (Stage.LISTED, "id-1", T0 + 1000)


def test_an_asked_machine_without_tags_yet_is_known_by_its_name() -> None:
    """Clouds that tag after the launch show the bare name first."""
    changed = only(cycle(records(asked()), [listed(state="starting", tags={})]))
    assert changed.cloud_id == "id-1"


def test_an_asked_machine_without_tags_is_known_by_its_uuid() -> None:
    """Clouds that tag after the launch may still tell the token it was asked for with."""
    bare = replace(listed(), name="i-0", tags={"vcycle_uuid": "uuid-1"})
    assert only(cycle(records(asked()), [bare])).cloud_id == "id-1"
    stranger = replace(bare, tags={"vcycle_uuid": "uuid-2"})
    assert only(cycle(records(asked()), [stranger])).missing_listings == 1


# Warnings


def test_a_warning_is_told_once_and_holds() -> None:
    """Also if the cloud says it only once; a time that is told later is told as well."""
    spot = listed(warning="it may be reclaimed")
    first = cycle(records(machine()), [spot])
    assert (only(first).warning, only(first).ends_at) == ("it may be reclaimed", None)
    assert events(first) == ["machine-warned"]
    assert cycle(records(only(first)), [spot]).events == ()
    assert cycle(records(only(first)), [listed()]).machines == ()
    later = cycle(records(only(first)), [replace(spot, ends_at=T0 + 1120)])
    assert only(later).ends_at == T0 + 1120
    assert later.events[0].detail == "it may be reclaimed, in 120 s"


def test_an_end_needs_no_reason() -> None:
    """It is told in our words."""
    changes = cycle(records(machine()), [listed(ends_at=T0 + 900)])
    assert changes.events[0].detail == "the cloud will end it, in 0 s"


def test_a_machine_of_another_installation_is_foreign_even_under_our_name() -> None:
    """A name proves nothing."""
    tags = {"vcycle_installation": "other", "vcycle_uuid": "uuid-1"}
    changes = cycle(records(asked()), [listed(tags=tags)])
    assert changes.memory is not None
    assert changes.memory.foreign_processors == 8
    assert only(changes).stage is Stage.ASKED


def test_foreign_machines_are_counted() -> None:
    """Processors, machines and memory of others are remembered for the limits."""
    changes = cycle(records(), [listed(1, tags={}), listed(2, tags={}, processors=4)])
    memory = changes.memory
    assert memory is not None
    assert (memory.foreign_machines, memory.foreign_processors) == (2, 12)
    assert memory.foreign_memory_mb == 2 * 16384


def test_an_intent_that_was_never_asked_for_is_dropped() -> None:
    """The manager died before the call, so there is nothing to wait for."""
    changes = cycle(records(asked(stage=Stage.INTENDED)), [])
    assert only(changes).stage is Stage.GONE
    assert events(changes) == ["intent-dropped"]


# Returns, duplicates, adoption


def test_a_machine_that_runs_again_is_told_anew_when_to_leave() -> None:
    """What it was told was about the run that ended."""
    stopped = machine(
        stopped_at=T0 + 800, end_source=EndSource.CLOUD, leave_by=T0 + 700, leave_why="drained"
    )
    back = only(cycle(records(stopped), [listed()]))
    assert (back.leave_by, back.leave_why) == (None, "")


def test_a_machine_that_runs_again_before_its_record_left_has_one_interval() -> None:
    """A state that flickers is one run."""
    stopped = machine(stopped_at=T0 + 800, end_source=EndSource.CLOUD)
    back = only(cycle(records(stopped), [listed()]))
    assert (back.interval, back.stopped_at, back.started_at) == (0, None, T0 + 100)


def test_a_machine_that_runs_again_after_its_record_left_has_a_second_interval() -> None:
    """What was exported is not exported again."""
    stopped = machine(stopped_at=T0 + 800, end_source=EndSource.CLOUD, is_closed=True)
    back = only(cycle(records(stopped), [listed(started_at=T0 + 100)]))
    assert (back.interval, back.started_at, back.is_closed) == (1, T0 + 1000, False)
    end = [listed(state="shutdown", started_at=T0 + 100, stopped_at=T0 + 2000)]
    changes = cycle(records(back), end, now=T0 + 2000)
    (interval,) = changes.intervals
    assert (interval.interval, interval.started_at) == (1, T0 + 1000)


@pytest.mark.parametrize(("age", "is_final"), [(3599, False), (3600, True)])
def test_an_old_end_is_final_though_the_machine_is_still_listed(age: int, is_final: bool) -> None:
    """A cloud that cannot delete does not hold the record back for ever."""
    stopped = machine(
        state=MachineState.SHUTDOWN, stopped_at=T0 + 1000, end_source=EndSource.CLOUD
    )
    changes = cycle(records(stopped), [listed(state="shutdown")], now=T0 + 1000 + age)
    assert [interval.is_final for interval in changes.intervals] == ([True] if is_final else [])


def test_a_second_machine_of_one_request_is_adopted_to_be_deleted() -> None:
    """A client that repeated the request made two; the extra one is seen, counted and goes."""
    changes = cycle(records(machine()), [listed(), listed(cloud_id="id-other")])
    extra = only(changes)
    assert extra.uuid != "uuid-1"
    assert (extra.cloud_id, extra.delete_reason) == ("id-other", Reason.DOUBLE)
    assert not extra.is_delete_ordered
    again = cycle(updated(records(machine()), changes), [listed(), listed(cloud_id="id-other")])
    assert again.machines == ()


def test_a_second_machine_that_runs_again_is_still_to_go() -> None:
    """What it is does not change with its state."""
    double = machine(
        delete_reason=Reason.DOUBLE, state=MachineState.SHUTDOWN, stopped_at=T0 + 1000
    )
    back = only(cycle(records(double), [listed()]))
    assert (back.stopped_at, back.delete_reason) == (None, Reason.DOUBLE)


def test_of_two_machines_for_one_lost_answer_the_older_is_it() -> None:
    """Both were made by one request; which one we keep does not depend on their order."""
    shown = [listed(cloud_id="b", created_at=T0 + 2), listed(cloud_id="a", created_at=T0 + 1)]
    for order in (shown, shown[::-1]):
        kept = [m for m in cycle(records(asked()), order).machines if not m.delete_reason]
        assert [m.cloud_id for m in kept] == ["a"]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_second_machine_that_has_only_the_name_is_foreign(*, is_first: bool) -> None:
    """However old it is, the one that bears the request's uuid is it."""
    other = listed(cloud_id="a", created_at=T0 + (-1 if is_first else 1), tags={})
    matched = match(records(asked()), [other, listed(created_at=T0)], installation=OURS, now=T0)
    assert [each.cloud_id for _, each in matched.seen] == ["id-1"]
    assert (matched.strangers, matched.memory.foreign_machines) == ((), 1)


@pytest.mark.parametrize(
    ("told", "created_at"),
    [
        ({"created_at": T0 + 50, "started_at": T0 + 100}, T0 + 50),
        ({"created_at": None, "started_at": T0 + 100}, T0 + 100),
        ({"created_at": None, "started_at": None}, T0 + 2000),
        ({"created_at": T0 + 2001}, T0 + 2000),
    ],
)
def test_a_machine_the_store_lost_is_as_old_as_the_cloud_can_tell(
    told: dict[str, object], created_at: int
) -> None:
    """By its start, if its creation is not told; never younger than now."""
    stranger = replace(listed(), **told)  # type: ignore[arg-type] # tests name real fields
    found = adopted(stranger, space="a.example", known=None, terms=TERMS, now=T0 + 2000)
    assert found.created_at == created_at


def test_a_machine_the_store_lost_is_adopted_by_its_tags() -> None:
    """After a lost database everything is found again, and nothing is killed."""
    changes = cycle(records(), [listed(created_at=T0 - 500, started_at=T0 - 400)])
    found = only(changes)
    assert (found.uuid, found.machinetype, found.stage) == ("uuid-1", "prod", Stage.LISTED)
    assert (found.created_at, found.started_at) == (T0 - 500, T0 - 400)
    assert not found.delete_reason


def test_a_gone_machine_that_turns_up_late_is_taken_back() -> None:
    """It keeps its identity; what was accounted stays accounted."""
    gone = asked(stage=Stage.GONE, gone_at=T0 + 1900, is_closed=True)
    back = adopted(listed(), space="a.example", known=gone, terms=TERMS, now=T0 + 2000)
    assert (back.uuid, back.stage, back.gone_at) == ("uuid-1", Stage.LISTED, None)
    ran = machine(stage=Stage.GONE, stopped_at=T0 + 900, is_closed=True)
    again = adopted(listed(), space="a.example", known=ran, terms=TERMS, now=T0 + 2000)
    assert (again.interval, again.started_at) == (1, None)
    remains = adopted(
        listed(state="shutdown"), space="a.example", known=ran, terms=TERMS, now=T0 + 2000
    )
    assert (remains.interval, remains.stopped_at, remains.is_closed) == (0, T0 + 900, True)


def test_the_order_of_a_listing_changes_nothing() -> None:
    """Law 8: same facts, same conclusions."""
    known = records(*(machine(n) for n in range(6)), asked(6))
    shown = [listed(n, state=s) for n, s in enumerate(["running", "shutdown", "failed"] * 2)]
    shown += [listed(6, cloud_id="x"), listed(6, cloud_id="y"), listed(9)]
    first = cycle(known, shown)
    for seed in range(10):
        mixed = shown[:]
        random.Random(seed).shuffle(mixed)
        other = cycle(known, mixed)
        assert sorted(other.machines, key=lambda m: m.uuid) == sorted(
            first.machines, key=lambda m: m.uuid
        )
        assert other.memory == first.memory
