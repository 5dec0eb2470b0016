"""What a listing, an answer or an order makes us remember: each transition once, nothing lost."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.model import (
    Changes,
    Drain,
    EndSource,
    ListedMachine,
    Machine,
    MachineState,
    MachinetypeMemory,
    Order,
    OrderKind,
    Plan,
    Reason,
    Records,
    ShutdownMessage,
    SpaceMemory,
    Stage,
    Terms,
    Wait,
)
from vcycled.remember import (
    Answers,
    Attempt,
    LastWords,
    adopted,
    concluded,
    learn,
    match,
    noted,
    obey,
    paused,
    questions,
    updated,
)

OURS = "installation-1"
T0 = 1_800_000_000
"""When the machines of these tests were asked for."""
TERMS = Terms(fizzle_seconds=600, max_wallclock_seconds=86400, submit_host="a.example/vcycle-m")


def machine(number: int = 1, /, **changes: object) -> Machine:
    """Return a machine of ours that is listed and has run since T0 + 100."""
    usual = Machine(
        uuid=f"uuid-{number}",
        name=f"vcycle-prod-{number:010}",
        space="a.example",
        machinetype="prod",
        stage=Stage.LISTED,
        state=MachineState.RUNNING,
        processors=8,
        memory_mb=16384,
        flavor="large",
        terms=TERMS,
        created_at=T0,
        cloud_id=f"id-{number}",
        seen_at=T0 + 60,
        started_at=T0 + 100,
    )
    return replace(usual, **changes)  # type: ignore[arg-type] # tests name real fields


def asked(number: int = 1, /, **changes: object) -> Machine:
    """Return a machine that was asked for; the answer was lost."""
    started: dict[str, object] = {"seen_at": None, "started_at": None, "cloud_id": ""}
    usual = {"stage": Stage.ASKED, "state": MachineState.STARTING, **started}
    return machine(number, **{**usual, **changes})


def listed(number: int = 1, state: str = "running", **changes: object) -> ListedMachine:
    """Return what the cloud shows of `machine(number)`."""
    usual = ListedMachine(
        name=f"vcycle-prod-{number:010}",
        cloud_id=f"id-{number}",
        state=MachineState(state),
        processors=8,
        memory_mb=16384,
        flavor="large",
        tags={"vcycle_installation": OURS, "vcycle_uuid": f"uuid-{number}", "machinetype": "prod"},
    )
    return replace(usual, **changes)  # type: ignore[arg-type] # tests name real fields


def with_times(state: str, times: dict[str, int]) -> ListedMachine:
    """Return what the cloud shows of `machine()`, with times of its own."""
    return replace(listed(state=state), **times)  # type: ignore[arg-type] # times are integers


def records(*machines: Machine, **memory: object) -> Records:
    """Return records of a space last listed a minute before T0 + 1000."""
    known = SpaceMemory(space="a.example", listed_at=T0 + 940)
    return Records(memory=replace(known, **memory), machines=machines)  # type: ignore[arg-type]


def cycle(
    before: Records,
    listing: list[ListedMachine],
    *,
    now: int = T0 + 1000,
    words: LastWords | None = None,
    found: dict[str, ListedMachine | None] | None = None,
) -> Changes:
    """Let one listing teach us; every question is answered with `words` and `found` (or None)."""
    matched = match(before, listing, installation=OURS, now=now)
    asked_for = questions(matched, now=now)
    answers = Answers(
        words={each.uuid: words or LastWords() for each in asked_for.ended},
        found={each.uuid: (found or {}).get(each.uuid) for each in asked_for.doubtful},
        adopted=tuple(
            (
                adopted(
                    each,
                    space="a.example",
                    known=next(
                        (m for m in before.machines if m.uuid == each.tags["vcycle_uuid"]), None
                    ),
                    terms=TERMS,
                    now=now,
                ),
                each,
            )
            for each in matched.strangers
        ),
    )
    return learn(before, matched, answers, now=now)


def terms_with(option: str, value: bool) -> Terms:
    """Return the usual terms with one flag set."""
    return replace(TERMS, **{option: value})  # type: ignore[arg-type] # tests name real fields


def only(changes: Changes) -> Machine:
    """Return the one machine that changed."""
    (changed,) = changes.machines
    return changed


def events(changes: Changes) -> list[str]:
    """Return the names of what happened."""
    return [event.event for event in changes.events]


def said(code: int | None, text: str = "", at: int = T0 + 990) -> LastWords:
    """Return the last words of a machine that left a shutdown message."""
    line = text or f"{code} text"
    return LastWords(message=ShutdownMessage(code=code, text=line, written_at=at))


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


# Ends


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


def test_a_clock_set_back_leaves_what_was_seen_before() -> None:
    """Our deletion was at a time that cannot be true; that it was listed at T0 + 940 is."""
    ours = machine(
        is_delete_acknowledged=True, delete_attempt_at=T0 - 3000, missing_since=T0 + 940
    )
    changes = cycle(records(ours), [], now=T0 - 3000, found={})
    assert (only(changes).stopped_at, only(changes).end_source) == (T0 + 940, EndSource.SIGHTING)


def test_a_machine_that_ran_between_two_listings_is_accounted() -> None:
    """First seen shut down: it ran since the cloud made it."""
    shown = listed(state="shutdown", created_at=T0 + 10, stopped_at=T0 + 900)
    changes = cycle(records(asked()), [shown])
    (interval,) = changes.intervals
    assert (interval.started_at, interval.ended_at) == (T0 + 10, T0 + 900)


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


# Absence


def absent_for(listings: int, seconds: int, **changes: object) -> Records:
    """Return records of a machine that `listings - 1` listings before T0 + 1000 omitted."""
    missing: dict[str, object] = {}
    if listings > 1:
        first = T0 + 1000 - seconds
        missing = {
            "missing_since": T0 + 800,
            "missing_first_at": first,
            "missing_listings": listings - 1,
        }
    return records(machine(**{**missing, **changes}), machine(2), machine(3), machine(4))


OTHERS = [listed(2), listed(3), listed(4)]


@pytest.mark.parametrize(
    ("listings", "seconds", "is_gone"),
    [(3, 300, True), (2, 300, False), (3, 299, False), (1, 0, False), (9, 299, False)],
)
def test_vanished_needs_listings_and_time(listings: int, seconds: int, is_gone: bool) -> None:
    """Three complete listings over five minutes, then `find` confirms (law 3)."""
    changes = cycle(absent_for(listings, seconds), OTHERS)
    (changed,) = changes.machines
    assert (changed.stage is Stage.GONE) is is_gone
    assert len(changes.intervals) == is_gone


def test_a_vanished_machine_ended_when_it_was_last_seen() -> None:
    """Its record has the last sighting as its end, and is final."""
    (interval,) = cycle(absent_for(3, 300), OTHERS).intervals
    assert (interval.ended_at, interval.end_source) == (T0 + 800, EndSource.SIGHTING)
    assert interval.is_final


def test_a_machine_that_find_still_shows_is_not_gone() -> None:
    """A listing that omits it is the cloud's fault; counting begins anew."""
    changes = cycle(absent_for(3, 300), OTHERS, found={"uuid-1": listed()})
    changed = only(changes)
    assert (changed.stage, changed.missing_listings) == (Stage.LISTED, 0)
    assert "machine-found" in events(changes)


def test_a_machine_that_could_not_be_asked_for_stays_missing() -> None:
    """No answer is no proof."""
    before = absent_for(3, 300)
    matched = match(before, OTHERS, installation=OURS, now=T0 + 1000)
    changed = only(learn(before, matched, Answers(), now=T0 + 1000))
    assert (changed.stage, changed.missing_listings) == (Stage.LISTED, 3)


def test_a_deleted_machine_is_gone_when_find_confirms_it() -> None:
    """We asked for it, so one listing and `find` are enough to free its processors."""
    ours = {
        "is_delete_acknowledged": True,
        "delete_attempt_at": T0 + 950,
        "delete_reason": Reason.TOO_OLD,
    }
    changes = cycle(absent_for(1, 0, **ours), OTHERS)
    assert only(changes).stage is Stage.GONE
    (interval,) = changes.intervals
    assert (interval.ended_at, interval.end_source) == (T0 + 950, EndSource.DELETED)


@pytest.mark.parametrize(("age", "is_gone"), [(599, False), (600, True)])
def test_a_creation_of_unknown_outcome_counts_for_long(age: int, is_gone: bool) -> None:
    """The request may still be in some queue of the cloud."""
    lost = asked(created_at=T0 + 1000 - age, missing_first_at=T0 - 2000, missing_listings=20)
    assert (only(cycle(records(lost), [])).stage is Stage.GONE) is is_gone


@pytest.mark.parametrize(
    ("before", "now_shown", "is_suspect"),
    [(4, 2, False), (4, 1, True), (3, 0, False), (10, 4, True)],
)
def test_a_listing_that_shrank_is_suspect(before: int, now_shown: int, is_suspect: bool) -> None:
    """Losing more than half at once is more likely a cut listing than the truth."""
    known = records(*(machine(n) for n in range(before)))
    changes = cycle(known, [listed(n) for n in range(now_shown)])
    assert changes.memory is not None
    assert (changes.memory.suspect_since is not None) is is_suspect


def test_a_suspect_listing_does_not_lower_what_others_use() -> None:
    """Foreign machines that are not shown may still be there."""
    known = records(foreign_machines=10, foreign_processors=80)
    changes = cycle(known, [])
    assert changes.memory is not None
    assert changes.memory.foreign_processors == 80
    later = replace(known, memory=replace(changes.memory, suspect_since=T0 + 700))
    believed = cycle(later, []).memory
    assert believed is not None
    assert (believed.suspect_since, believed.foreign_processors) == (None, 0)


def test_machines_that_we_deleted_do_not_make_a_listing_suspect() -> None:
    """After a drain the space is empty, as it should be."""
    ours = [machine(n, is_delete_acknowledged=True, delete_attempt_at=T0) for n in range(10)]
    changes = cycle(records(*ours), [])
    assert changes.memory is not None
    assert changes.memory.suspect_since is None


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


# Creations and orders


@pytest.mark.parametrize(
    ("error", "stage", "event"),
    [
        (Unavailable("create", "timeout"), Stage.ASKED, "creation-unknown"),
        (Unavailable("create", "503", retry_after_s=9), Stage.ASKED, "creation-unknown"),
        (Unavailable("create", "refused", is_undone=True), Stage.GONE, "creation-undone"),
        (Refused("create", "no such image"), Stage.GONE, "creation-failed"),
        (QuotaExceeded("create", "cores"), Stage.GONE, "quota-exceeded"),
        (NoCapacity("create", "no host"), Stage.GONE, "no-capacity"),
        (None, Stage.GONE, "intent-dropped"),
    ],
)
def test_what_a_failed_creation_teaches(
    error: SpaceError | None, stage: Stage, event: str
) -> None:
    """Only an unknown outcome goes on counting."""
    attempt = Attempt(machine=asked(), error=error)
    changes = concluded(records(), [attempt], now=T0 + 5)
    assert only(changes).stage is stage
    assert events(changes) == [event]
    memory = changes.memory
    assert memory is not None
    assert (memory.quota_failures == 1) is isinstance(error, QuotaExceeded)
    assert bool(memory.unfit) is isinstance(error, NoCapacity)
    is_away = isinstance(error, Unavailable) and (error.is_undone or error.retry_after_s == 9)
    assert (memory.pauses == 1) is is_away
    failed = [each.creation_failures for each in changes.machinetypes]
    is_counted = event in {"creation-unknown", "creation-failed"}
    assert failed == ([1] if is_counted else [])


def test_the_quota_is_counted_once_however_many_machines_it_kept_away() -> None:
    """One cycle asks for many at once. That another was taken proves nothing yet."""
    made = Attempt(machine=asked(), cloud_id="id-1")
    over = Attempt(machine=asked(2), error=QuotaExceeded("create", "cores"))
    before = records(quota_failures=3, quota_failed_at=T0, quota_error="cores")
    memory = concluded(before, [made, over, over], now=T0 + 5).memory
    assert memory is not None
    assert (memory.quota_failures, memory.quota_failed_at) == (4, T0 + 5)
    taken = concluded(before, [made], now=T0 + 5).memory
    assert taken is not None
    assert taken.quota_failures == 3


@pytest.mark.parametrize(("created_at", "failures"), [(T0 + 4, 3), (T0 + 5, 3), (T0 + 6, 0)])
def test_a_later_machine_that_starts_ends_the_quota_backoff(
    created_at: int, failures: int
) -> None:
    """Only one that was asked for after the refusal shows that there is room again."""
    before = records(
        machine(created_at=created_at, started_at=None, state=MachineState.STARTING),
        quota_failures=3,
        quota_failed_at=T0 + 5,
        quota_error="cores",
    )
    memory = cycle(before, [listed()]).memory
    assert memory is not None
    assert (memory.quota_failures, bool(memory.quota_error)) == (failures, failures > 0)


def test_machines_that_fail_for_want_of_quota_hold_the_space_not_their_machinetype() -> None:
    """Ports and volumes run out only once the cloud has taken the request; seen once a cycle."""
    fault = "Maximum number of ports exceeded"
    ours = [machine(n, started_at=None, state=MachineState.STARTING) for n in (1, 2)]
    shown = [
        replace(listed(n, state="failed"), fault=fault, lacks_quota=True, lacks_capacity=True)
        for n in (1, 2)
    ]
    changes = cycle(records(*ours), shown)
    assert changes.memory is not None
    assert (changes.memory.quota_failures, changes.memory.quota_error) == (1, fault)
    assert (changes.memory.unfit, changes.machinetypes) == ((), ())
    assert events(changes).count("quota-exceeded") == 2


def test_a_cloud_that_turns_us_away_is_left_alone_ever_longer() -> None:
    """From a minute to a quarter of an hour; many at once are one time; success ends it."""
    before, now, waits = records(), T0, []
    away = Attempt(machine=asked(), error=Unavailable("create", "no route", is_undone=True))
    for _ in range(6):
        before = updated(before, concluded(before, [away, away], now=now))
        assert before.memory.paused_until is not None
        waits.append(before.memory.paused_until - now)
        now = before.memory.paused_until
    assert waits == [60, 120, 240, 480, 900, 900]
    made = Attempt(machine=asked(2), cloud_id="id-2")
    after = updated(before, concluded(before, [made], now=now)).memory
    assert (after.pauses, after.paused_until, after.pause_error) == (0, None, "")


@pytest.mark.parametrize(
    ("asked_for", "kept"),
    [((0,), 0), ((5,), 5), ((5, 70, 6), 70), ((3600,), 3600), ((9999,), 3600)],
)
def test_a_cloud_is_left_alone_for_as_long_as_it_asks(
    asked_for: tuple[int, ...], kept: int
) -> None:
    """The longest of its wishes, at most an hour."""
    errors = [Unavailable("delete", "429", retry_after_s=seconds) for seconds in asked_for]
    memory = paused(records().memory, errors, now=T0)
    assert memory.paused_until == T0 + kept


@pytest.mark.parametrize(("since", "pauses"), [(3600, 8), (3601, 1)])
def test_pauses_of_long_ago_are_forgotten(since: int, pauses: int) -> None:
    """Nothing needed to be made meanwhile, so that no success could end them."""
    before = records(pauses=7, paused_until=T0 - since).memory
    after = paused(before, [Unavailable("create", "429", is_undone=True)], now=T0)
    assert after.pauses == pauses


def test_a_pause_that_is_asked_for_never_shortens_another() -> None:
    """The later end counts; what asks for none changes nothing."""
    before = records(pauses=1, paused_until=T0 + 500).memory
    assert (
        paused(before, [Unavailable("x", "x", retry_after_s=5)], now=T0).paused_until == T0 + 500
    )
    assert paused(before, [Unavailable("x", "x"), Refused("x", "x"), None], now=T0) is before


def test_want_of_room_is_remembered_longer_each_time() -> None:
    """The wait doubles with each failure after the last wait was over, up to an hour."""
    before, now, waits = records(), T0, []
    for _ in range(6):
        attempt = Attempt(machine=asked(), error=NoCapacity("create", "x"))
        before = updated(before, concluded(before, [attempt, attempt], now=now))
        (unfit,) = before.memory.unfit
        waits.append(unfit.until - now)
        now = unfit.until
    assert waits == [300, 600, 1200, 2400, 3600, 3600]


def order(kind: OrderKind, **changes: object) -> Order:
    """Return an order given by ops at T0."""
    usual = Order(kind=kind, space="a.example", at=T0, who="ops", id=7)
    return replace(usual, **changes)  # type: ignore[arg-type] # tests name real fields


def planned(*waits: Wait, preempted_at: int | None = None) -> Plan:
    """Return a plan that says only who waits and when room was made."""
    empty = Plan(deletes=(), deferred=(), creates=(), holds=(), shares=(), wake_at=T0)
    return replace(empty, waits=waits, preempted_at=preempted_at)


def test_who_waits_is_remembered_until_nobody_does() -> None:
    """Of a machinetype that was known or not; nothing is written where nothing changed."""
    other = MachinetypeMemory(space="a.example", machinetype="other", last_abort_at=T0)
    before = replace(records(), machinetypes=(other,))
    waits = (Wait(machinetype="prod", since=T0 - 5), Wait(machinetype="other", since=T0 - 9))
    changes = noted(before, planned(*waits))
    assert changes is not None
    assert changes.machinetypes == (
        replace(other, waiting_since=T0 - 9),
        MachinetypeMemory(space="a.example", machinetype="prod", waiting_since=T0 - 5),
    )
    after = updated(before, changes)
    assert noted(after, planned(*waits)) is None
    over = noted(after, planned())
    assert over is not None
    assert {each.waiting_since for each in over.machinetypes} == {None}
    assert noted(updated(after, over), planned()) is None


def test_that_room_was_made_is_remembered() -> None:
    """Though nobody waits."""
    changes = noted(records(), planned(preempted_at=T0))
    assert changes is not None
    assert changes.memory is not None
    assert (changes.memory.preempted_at, changes.memory.listed_at) == (T0, T0 + 940)
    assert changes.machinetypes == ()


def test_no_orders_change_nothing() -> None:
    """A cycle without orders writes nothing for them."""
    assert obey(records(), now=T0) is None


def test_a_drain_is_set_replaced_and_lifted() -> None:
    """The last order for a machinetype holds."""
    drain = order(OrderKind.DRAIN, machinetype="prod", by=T0 + 6000)
    changes = obey(replace(records(), orders=(drain,)), now=T0)
    assert changes is not None
    assert changes.drains == (
        Drain(space="a.example", machinetype="prod", since=T0, by=T0 + 6000, who="ops"),
    )
    assert changes.done_orders == (7,)
    assert changes.drains is not None
    lift = order(OrderKind.UNDRAIN, machinetype="prod", id=8)
    lifted = obey(replace(records(), drains=changes.drains, orders=(lift,)), now=T0)
    assert lifted is not None
    assert lifted.drains == ()


@pytest.mark.parametrize(("by", "kept"), [(599, 600), (600, 600), (601, 601)])
def test_a_drain_keeps_the_promised_grace(by: int, kept: int) -> None:
    """Machines were told grace_secs = 600, so no order ends them sooner."""
    changes = obey(replace(records(), orders=(order(OrderKind.DRAIN, by=T0 + by),)), now=T0)
    assert changes is not None
    assert changes.drains is not None
    assert changes.drains[0].by == T0 + kept


@pytest.mark.parametrize(
    ("wanted", "by"), [(None, 600), (0, 600), (599, 600), (600, 600), (601, 601)]
)
def test_a_drain_of_a_machine_says_when_it_must_leave(wanted: int | None, by: int) -> None:
    """As soon as it may be promised, unless a later time is given; from when it is carried out."""
    when = None if wanted is None else T0 + wanted
    one = order(OrderKind.DRAIN, machine=machine().name, by=when, at=T0 - 5000)
    changes = obey(replace(records(machine()), orders=(one,)), now=T0)
    assert changes is not None
    assert only(changes).drain_by == T0 + by
    assert changes.drains == ()
    assert changes.events[0].detail == f"by ops: it must leave by {T0 + by}"


def test_the_last_order_for_a_machine_holds() -> None:
    """A later one finds what the earlier one left, also within one cycle."""
    name = machine().name
    orders = (
        order(OrderKind.DRAIN, machine=name),
        order(OrderKind.UNDRAIN, machine=name, id=8),
        order(OrderKind.UNDRAIN, machine=name, id=9),
        order(OrderKind.DELETE, machine=name, id=10),
    )
    changes = obey(replace(records(machine()), orders=orders), now=T0)
    assert changes is not None
    assert only(changes).drain_by is None
    assert only(changes).is_delete_ordered
    assert [each.detail for each in changes.events][1:3] == [
        "by ops: drain lifted",
        "by ops: was not drained",
    ]


@pytest.mark.parametrize("kind", [OrderKind.DRAIN, OrderKind.UNDRAIN, OrderKind.DELETE])
def test_an_order_for_a_machine_that_is_gone_is_told(kind: OrderKind) -> None:
    """And changes nothing, least of all its whole machinetype."""
    lost = order(kind, machine="vcycle-prod-nosuchone0", machinetype="prod")
    changes = obey(replace(records(), orders=(lost,)), now=T0)
    assert changes is not None
    assert (changes.machines, changes.drains) == ((), ())
    assert changes.events[0].detail == "by ops: no such machine now"


def test_a_delete_order_marks_the_machine() -> None:
    """An order for a machine that is not there is answered in the story, not forgotten."""
    here = order(OrderKind.DELETE, machine=machine().name)
    lost = order(OrderKind.DELETE, machine="vcycle-prod-nosuchone0", id=9)
    failing = machine(delete_attempts=5, delete_attempt_at=T0 - 1)
    changes = obey(replace(records(failing), orders=(here, lost)), now=T0)
    assert changes is not None
    assert only(changes).is_delete_ordered
    assert only(changes).delete_attempt_at is None
    assert changes.done_orders == (7, 9)
    assert "no such machine" in changes.events[1].detail


def test_records_after_changes_are_as_the_store_holds_them() -> None:
    """Machines that are GONE and orders that are done leave."""
    before = replace(
        records(machine(1), machine(2)),
        orders=(order(OrderKind.DRAIN), order(OrderKind.DRAIN, id=8)),
    )
    gone = replace(machine(1), stage=Stage.GONE)
    after = updated(
        before, Changes(space="a.example", machines=(gone, machine(3)), done_orders=(7,))
    )
    assert [each.uuid for each in after.machines] == ["uuid-2", "uuid-3"]
    assert [each.id for each in after.orders] == [8]


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
