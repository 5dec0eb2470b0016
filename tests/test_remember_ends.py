"""How a machine ended, from the best evidence: aborts, proofs of work, records, failed starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.remember_kit import (
    T0,
    asked,
    cycle,
    listed,
    machine,
    only,
    records,
    said,
    terms_with,
    with_times,
)
from vcycled.model import EndSource, MachineState, Reason
from vcycled.remember import LastWords, updated


@pytest.mark.parametrize("state", ["shutdown", "failed", "deleting"])
def test_a_stop_is_recorded_once(state: str) -> None:
    """The first listing that shows an end records it; later ones do not repeat it."""
    before = records(machine())
    changes = cycle(before, [listed(state=state, stopped_at=T0 + 980)])
    assert only(changes).stopped_at == T0 + 980
    assert len(changes.intervals) == 1
    again = cycle(updated(before, changes), [listed(state=state)], now=T0 + 1060)
    assert (again.machines, again.intervals, again.machinetypes) == ((), (), ())


@pytest.mark.parametrize(
    ("code", "ran", "is_aborted"),
    [
        (None, 599, True),
        (None, 600, False),
        (200, 10, False),
        (299, 10, False),
        (300, 5000, True),
        (699, 5000, True),
        (700, 10, False),
        (100, 10, False),
    ],
)
def test_what_counts_as_an_abort(code: int | None, ran: int, is_aborted: bool) -> None:
    """Codes 300-699, or none and less than fizzle_seconds (compat.md 3)."""
    end = T0 + 100 + ran
    words = said(code, at=end) if code else None
    before = records(machine())
    changes = cycle(before, [listed(state="shutdown", stopped_at=end)], now=end + 60, words=words)
    assert only(changes).is_aborted is is_aborted
    aborted_at = [each.last_abort_at for each in changes.machinetypes if each.last_abort_at]
    assert aborted_at == ([end] if is_aborted else [])


@pytest.mark.parametrize("option", ["abort_on_700", "abort_on_heartbeat"])
def test_options_make_more_of_an_abort(option: str) -> None:
    """700 codes and heartbeat deaths count only if the operator says so."""
    silent = {"delete_reason": Reason.SILENT} if option == "abort_on_heartbeat" else {}
    words = said(700) if option == "abort_on_700" else None
    for value in (False, True):
        ours = machine(terms=terms_with(option, value), **silent)
        changes = cycle(records(ours), [listed(state="deleting")], words=words)
        assert only(changes).is_aborted is value


@pytest.mark.parametrize("reason", [Reason.ORDERED, Reason.TOO_OLD, Reason.DRAINED, Reason.SILENT])
def test_our_own_delete_is_no_abort(reason: Reason) -> None:
    """Even within fizzle_seconds, and though we left the 700 message ourselves."""
    ours = machine(started_at=T0 + 900, delete_reason=reason)
    words = said(700, "700 Deleted by the operator")
    changes = cycle(records(ours), [listed(state="deleting")], words=words)
    assert not only(changes).is_aborted
    assert changes.machinetypes == ()


@pytest.mark.parametrize(
    ("code", "text", "told"),
    [
        (200, "200 Success", "ran 80 s, end as told by the cloud, it said '200 Success'"),
        (
            700,
            "700 Deleted by the operator",
            "ran 80 s, end as told by the cloud, the manager said '700 Deleted by the operator'",
        ),
    ],
)
def test_who_said_why_it_ended_is_told(code: int, text: str, told: str) -> None:
    """The manager leaves a message where a machine left none: that is no word of the machine."""
    ours = machine(started_at=T0 + 900, delete_reason=Reason.ORDERED)
    stopped = listed(state="deleting", stopped_at=T0 + 980)
    changes = cycle(records(ours), [stopped], words=said(code, text))
    details = [each.detail for each in changes.events if each.event == "machine-stopped"]
    assert details == [told]


def test_every_source_of_an_end_has_its_words() -> None:
    """Without a name that only the records know."""
    told = {each.in_words for each in EndSource}
    assert len(told) == len(EndSource)
    assert not told & {str(each) for each in EndSource}


@pytest.mark.parametrize(
    ("left", "code", "is_aborted"),
    [
        pytest.param(601, None, True, id="well before its end"),
        pytest.param(600, None, False, id="in the grace before it"),
        pytest.param(-100, None, False, id="after it"),
        pytest.param(0, 300, True, id="saying that there was no work"),
    ],
)
def test_a_machine_that_stops_as_it_was_told_has_not_fizzled(
    left: int, code: int | None, *, is_aborted: bool
) -> None:
    """That it ran for short says nothing of the queue, unless it says so itself."""
    end = T0 + 110
    leaving = machine(leave_by=end + left, leave_why="drained")
    words = said(code, at=end) if code else None
    listing = [listed(state="shutdown", stopped_at=end)]
    changes = cycle(records(leaving), listing, now=end + 60, words=words)
    assert only(changes).is_aborted is is_aborted


def test_last_abort_times_never_move_backwards() -> None:
    """A late report of an older abort does not shorten the backoff."""
    before = records(machine())
    first = cycle(before, [listed(state="shutdown", stopped_at=T0 + 500)])
    known = updated(before, first)
    known = replace(known, machines=(machine(2),))
    second = cycle(known, [listed(2, state="shutdown", stopped_at=T0 + 400)])
    (memory,) = second.machinetypes
    assert memory.last_abort_at == T0 + 500


@pytest.mark.parametrize("now", [T0 + 499, T0 + 500, T0 + 501])
def test_no_abort_lies_ahead_of_now(now: int) -> None:
    """What the cloud says of the end may, if its clock is ahead; we would wait for that."""
    shown = listed(state="shutdown", started_at=T0 + 100, stopped_at=T0 + 500)
    changes = cycle(records(machine()), [shown], now=now)
    (memory,) = changes.machinetypes
    assert only(changes).stopped_at == T0 + 500
    assert memory.last_abort_at == min(now, T0 + 500)


@pytest.mark.parametrize(
    ("ours", "shown", "words", "at", "source"),
    [
        ({}, {"stopped_at": T0 + 970}, said(200), T0 + 970, EndSource.CLOUD),
        ({}, {}, said(200, at=T0 + 960), T0 + 960, EndSource.MESSAGE),
        ({}, {}, said(200, at=T0 + 300), T0 + 940, EndSource.SIGHTING),
        ({}, {}, LastWords(heartbeat_at=T0 + 985), T0 + 985, EndSource.HEARTBEAT),
        ({}, {}, LastWords(heartbeat_at=T0 + 200), T0 + 940, EndSource.SIGHTING),
        (
            {"is_delete_acknowledged": True, "delete_attempt_at": T0 + 955},
            {},
            said(700, "700 Failed to start"),
            T0 + 955,
            EndSource.DELETED,
        ),
        ({}, {"stopped_at": T0 + 9999}, None, T0 + 1000, EndSource.CLOUD),
        ({}, {"stopped_at": T0 - 9999}, None, T0 + 100, EndSource.CLOUD),
    ],
)
def test_the_end_is_the_best_evidence(
    ours: dict[str, object],
    shown: dict[str, int],
    words: LastWords | None,
    at: int,
    source: EndSource,
) -> None:
    """The cloud's word, else the last sign of life; within reason."""
    changes = cycle(records(machine(**ours)), [with_times("shutdown", shown)], words=words)
    assert (only(changes).stopped_at, only(changes).end_source) == (at, source)


@pytest.mark.parametrize(
    ("absent_at", "at"), [(None, T0 + 990), (T0 + 991, T0 + 990), (T0 + 970, T0 + 970)]
)
def test_a_second_deletion_is_no_sign_of_a_later_end(absent_at: int | None, at: int) -> None:
    """It ended by the first listing that omitted it, whatever was asked for after that."""
    ours = machine(
        is_delete_acknowledged=True,
        delete_attempt_at=T0 + 990,
        missing_since=T0 + 940,
        missing_first_at=absent_at,
        missing_listings=1,
    )
    changes = cycle(records(ours), [], found={})
    assert (only(changes).stopped_at, only(changes).end_source) == (at, EndSource.DELETED)


@pytest.mark.parametrize("state", ["shutdown", "failed", "deleting"])
@pytest.mark.parametrize(
    ("now", "said_at", "at"),
    [
        pytest.param(T0 + 99, None, None, id="it has yet to begin"),
        pytest.param(T0 + 100, None, T0 + 100, id="it began now"),
        pytest.param(T0 + 99, T0 + 900, T0 + 900, id="the cloud knows"),
    ],
)
def test_what_by_the_clock_has_yet_to_begin_has_not_ended(
    state: str, now: int, said_at: int | None, at: int | None
) -> None:
    """The clock was set back, so all that we know of its end would lie before its start."""
    shown = listed(state=state, created_at=T0 + 100, stopped_at=said_at)
    changes = cycle(records(machine(), listed_at=now), [shown], now=now)
    assert (only(changes).state, only(changes).stopped_at) == (MachineState(state), at)


@pytest.mark.parametrize(
    ("absent_at", "at"),
    [
        (None, T0 + 1000),
        (T0 + 1001, T0 + 1000),
        (T0 + 700, T0 + 700),
        (T0 + 99, T0 + 100),
    ],
)
def test_without_any_sign_it_ended_when_it_was_first_absent(
    absent_at: int | None, at: int
) -> None:
    """A clock behind wrote all the rest; not before it began, nor after now."""
    ours = machine(
        is_delete_acknowledged=True,
        delete_attempt_at=T0 - 3000,
        missing_since=T0 - 3060,
        missing_first_at=absent_at,
        missing_listings=3,
    )
    changes = cycle(records(ours), [], found={})
    assert (only(changes).stopped_at, only(changes).end_source) == (at, EndSource.SIGHTING)


def test_a_machine_that_ran_between_two_listings_is_accounted() -> None:
    """First seen shut down: it ran since the cloud made it."""
    shown = listed(state="shutdown", created_at=T0 + 10, stopped_at=T0 + 900)
    changes = cycle(records(asked()), [shown])
    (interval,) = changes.intervals
    assert (interval.started_at, interval.ended_at) == (T0 + 10, T0 + 900)


@pytest.mark.parametrize(
    ("seen_at", "at"), [(None, T0 + 1000), (T0 + 939, T0 + 940), (T0 + 1001, T0 + 940)]
)
def test_only_what_was_seen_before_was_sighted(seen_at: int | None, at: int) -> None:
    """The last listing tells nothing of a machine that it did not show; a clock may be ahead."""
    ours = machine(seen_at=seen_at) if seen_at else asked(started_at=T0 + 900)
    assert only(cycle(records(ours), [listed(state="shutdown")])).stopped_at == at


@pytest.mark.parametrize(("ran", "count"), [(599, 0), (600, 1), (601, 1)])
def test_a_record_needs_fizzle_seconds(ran: int, count: int) -> None:
    """The boundary of accounting is the boundary of fizzling."""
    end = T0 + 100 + ran
    changes = cycle(records(machine()), [listed(state="shutdown", stopped_at=end)], now=end + 1)
    assert len(changes.intervals) == count


def test_an_error_before_it_ran_is_a_failed_creation_not_an_abort() -> None:
    """The machinetype backs off for failures; several in one cycle are one failure."""
    starting = [machine(n, started_at=None, state=MachineState.STARTING) for n in (1, 2)]
    shown = [listed(n, state="failed", fault="No such image") for n in (1, 2)]
    changes = cycle(records(*starting), shown)
    (memory,) = changes.machinetypes
    assert (memory.creation_failures, memory.creation_error) == (1, "No such image")
    assert memory.last_abort_at is None
    assert changes.intervals == ()


def test_an_error_for_want_of_room_makes_only_the_flavor_unfit() -> None:
    """The machinetype is not to blame; the next flavor or zone may do."""
    starting = machine(started_at=None, state=MachineState.STARTING, zone="z1")
    shown = listed(state="failed", fault="No valid host", lacks_capacity=True)
    changes = cycle(records(starting), [shown])
    assert changes.machinetypes == ()
    assert changes.memory is not None
    (unfit,) = changes.memory.unfit
    assert (unfit.flavor, unfit.zone, unfit.until) == ("large", "z1", T0 + 1300)


@pytest.mark.parametrize(("asked_zone", "shown_zone"), [("", "nova"), ("z1", "z1")])
def test_a_flavor_is_unfit_where_it_was_asked_for(asked_zone: str, shown_zone: str) -> None:
    """A cloud that chose the zone itself was asked for any, and would be asked for any again."""
    building = listed(state="starting", zone=shown_zone)
    first = cycle(records(asked(zone=asked_zone)), [building])
    failed = replace(building, state=MachineState.FAILED, fault="No room", lacks_capacity=True)
    changes = cycle(records(*first.machines), [failed])
    assert changes.memory is not None
    (unfit,) = changes.memory.unfit
    assert (unfit.flavor, unfit.zone) == ("large", asked_zone)


def test_a_machine_is_in_the_zone_where_it_runs() -> None:
    """As the cloud says, once it does."""
    changes = cycle(records(asked(zone="")), [listed(zone="nova", started_at=T0 + 50)])
    (running,) = changes.machines
    assert running.zone == "nova"


def test_a_machine_that_we_gave_up_starting_is_a_failed_creation() -> None:
    """700 Failed to start backs the machinetype off."""
    late = machine(started_at=None, state=MachineState.STARTING, delete_reason=Reason.NOT_STARTED)
    changes = cycle(records(late), [listed(state="deleting")])
    assert changes.machinetypes[0].creation_failures == 1


def test_a_start_ends_the_failures_of_its_machinetype() -> None:
    """Only a machine asked for after the last failure proves that creations work again."""
    failing = cycle(
        records(machine(started_at=None)), [listed(state="failed", fault="x")], now=T0 + 200
    )
    before = updated(records(), failing)
    for created_at, failures in ((T0 + 200, 1), (T0 + 201, 0)):
        young = machine(2, created_at=created_at, started_at=None)
        changes = cycle(replace(before, machines=(young,)), [listed(2)])
        known = updated(before, changes).machinetypes
        assert known[0].creation_failures == failures


@pytest.mark.parametrize(
    ("ran", "words", "is_proof"),
    [(600, None, True), (599, None, False), (10, said(200), True), (5000, said(300), False)],
)
def test_what_proves_that_there_is_work(ran: int, words: LastWords | None, is_proof: bool) -> None:
    """It survived fizzle_seconds or ended, in its own words, without abort."""
    end = T0 + 100 + ran
    shown = listed(state="shutdown", stopped_at=end)
    changes = cycle(records(machine()), [shown], now=end + 60, words=words)
    proven = [each.proven_at for each in changes.machinetypes if each.proven_at]
    assert proven == ([T0] if is_proof else [])


def test_words_of_an_earlier_run_say_nothing_of_this_one() -> None:
    """The old shutdown message still lies in joboutputs when a machine runs a second time."""
    again = machine(interval=1, started_at=T0 + 900)
    old = LastWords(message=said(300, at=T0 + 400).message, heartbeat_at=T0 + 410)
    changed = only(cycle(records(again), [listed(state="shutdown")], words=old))
    assert (changed.message, changed.stopped_at) == (None, T0 + 940)
    fresh = said(200, at=T0 + 950)
    changed = only(cycle(records(again), [listed(state="shutdown")], words=fresh))
    assert (changed.message, changed.stopped_at) == (fresh.message, T0 + 950)


def test_a_machine_that_never_ran_has_no_duration_and_no_record() -> None:
    """Deleted before it started, by order: no abort, no failure, no record."""
    young = machine(started_at=None, state=MachineState.STARTING, delete_reason=Reason.ORDERED)
    changes = cycle(records(young), [listed(state="deleting")])
    assert (changes.intervals, changes.machinetypes) == ((), ())
    assert only(changes).started_at is None


@pytest.mark.parametrize(
    ("shown", "words", "began"),
    [
        ({"started_at": T0 + 30}, LastWords(), T0 + 30),
        ({"created_at": T0 + 5000, "started_at": T0 + 5030}, LastWords(), T0 + 30),
        ({}, said(200), T0),
        ({}, LastWords(heartbeat_at=T0 + 700), T0),
        ({"created_at": T0 + 20}, LastWords(heartbeat_at=T0 + 700), T0 + 20),
        ({}, said(700, "700 Failed to start"), None),
        ({}, LastWords(), None),
    ],
)
def test_what_shows_that_a_failed_machine_had_run(
    shown: dict[str, int], words: LastWords, began: int | None
) -> None:
    """The cloud's start, or anything the machine itself wrote; not what we wrote for it."""
    ours = machine(started_at=None, state=MachineState.STARTING)
    changes = cycle(records(ours), [with_times("failed", shown)], words=words)
    assert only(changes).started_at == began
