"""Times written by a clock that was set wrong are put right by what the cloud says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import NOW, PROD, SPACE, machine, memory
from vcycled.model import (
    Changes,
    Event,
    ListedMachine,
    Machine,
    MachineState,
    MachinetypeMemory,
    Reason,
    Records,
    Unfit,
)
from vcycled.remember.ends import LastWords, ended
from vcycled.remember.times import QUEUED_SECONDS, in_time, is_yet_to_begin, rewound

DAY = 86_400
MADE = NOW - 5000
"""When the cloud says that it made the machine, and it ran 60 seconds later."""


def listed(created_at: int | None = MADE, started_at: int | None = MADE + 60) -> ListedMachine:
    """Return what the cloud shows of the machine."""
    return ListedMachine(
        name="vcycle-prod-0",
        cloud_id="vcycle-prod-0",
        state=MachineState.RUNNING,
        processors=1,
        created_at=created_at,
        started_at=started_at,
    )


def with_time(kind: MachinetypeMemory, name: str, at: int) -> MachinetypeMemory:
    """Return `kind` with the time of this name."""
    return replace(kind, **{name: at})  # type: ignore[arg-type] # tests name real fields


def times(of: Machine) -> tuple[int, int | None]:
    """Return what may be put right."""
    return of.created_at, of.started_at


@pytest.mark.parametrize(
    ("created_at", "started_at"),
    [
        pytest.param(MADE - 2, MADE + 60, id="as usual"),
        pytest.param(MADE - QUEUED_SECONDS, MADE + 60, id="it lay in a queue"),
        pytest.param(MADE + 40, MADE + 65, id="our clock is a little ahead of the cloud's"),
        pytest.param(MADE - 2, MADE, id="started as soon as it was made"),
        pytest.param(MADE - 2, None, id="not started"),
        pytest.param(
            MADE + QUEUED_SECONDS, MADE + QUEUED_SECONDS + 60, id="their clock is behind"
        ),
    ],
)
def test_what_can_be_true_stays(created_at: int, started_at: int | None) -> None:
    """Then the very same machine comes back, so that nothing is written."""
    ours = machine(created_at=created_at, started_at=started_at)
    assert in_time(ours, listed(), now=NOW) is ours


@pytest.mark.parametrize(
    ("created_at", "started_at", "right"),
    [
        pytest.param(MADE - DAY, MADE - DAY + 70, (MADE, MADE + 60), id="a day behind"),
        pytest.param(
            MADE - QUEUED_SECONDS - 1, MADE + 60, (MADE, MADE + 60), id="behind by a second more"
        ),
        pytest.param(
            MADE + QUEUED_SECONDS + 1,
            MADE + QUEUED_SECONDS + 61,
            (MADE, MADE + 60),
            id="asked for long after it was made",
        ),
        pytest.param(MADE - 2, MADE - 1, (MADE - 2, MADE + 60), id="started before it was made"),
        pytest.param(MADE + DAY, MADE + DAY + 70, (MADE, MADE + 60), id="a day ahead"),
        pytest.param(MADE - 2, NOW + 1, (MADE - 2, MADE + 60), id="started in a second from now"),
        pytest.param(NOW + 1, None, (MADE, None), id="asked for in a second from now"),
    ],
)
def test_what_cannot_be_true_is_what_the_cloud_says(
    created_at: int, started_at: int, right: tuple[int, int | None]
) -> None:
    """So a machine gets no older and no younger by a clock that is set right."""
    ours = machine(created_at=created_at, started_at=started_at)
    assert times(in_time(ours, listed(), now=NOW)) == right


@pytest.mark.parametrize(("created_at", "started_at"), [(NOW, None), (NOW - 8, NOW)])
def test_what_is_of_this_second_is_not_of_the_future(
    created_at: int, started_at: int | None
) -> None:
    """Though the cloud's word is a little different."""
    ours = machine(created_at=created_at, started_at=started_at)
    assert in_time(ours, listed(NOW - 5, NOW - 5), now=NOW) is ours


def test_without_the_clouds_word_nothing_lies_in_the_future() -> None:
    """Some clouds state no times: then it began now."""
    ours = machine(created_at=NOW + DAY, started_at=NOW + DAY)
    assert times(in_time(ours, listed(None, None), now=NOW)) == (NOW, NOW)


def test_a_later_run_did_not_begin_at_the_first_boot() -> None:
    """The cloud's times are those of the first run."""
    ours = machine(created_at=MADE - 2, started_at=MADE - 1, interval=1)
    assert in_time(ours, listed(), now=NOW) is ours


@pytest.mark.parametrize(("ahead", "stays"), [(0, False), (1, True), (5000, True)])
def test_what_the_cloud_made_after_now_stays(ahead: int, stays: bool) -> None:
    """Then our clock was set back, or the cloud's is ahead: who knows what is right now?"""
    ours = machine(created_at=NOW + 9000, started_at=NOW + 9050)
    shown = listed(NOW + ahead, NOW + ahead + 60)
    assert (in_time(ours, shown, now=NOW) is ours) is stays


def test_what_has_ended_stays_as_it_was_accounted() -> None:
    """Its record may have left."""
    ours = machine(created_at=MADE - DAY, started_at=MADE - DAY, stopped_at=MADE)
    assert in_time(ours, listed(), now=NOW) is ours


def told(seconds: int) -> Event:
    """Return what is told of times that were so far ahead."""
    detail = f"what is remembered was of the future, by up to {seconds} s"
    return Event(at=NOW, space=SPACE, event="times-rewound", detail=detail)


def test_nothing_is_remembered_of_the_future() -> None:
    """What a clock ahead wrote was just now; a minute may be another's; the clock was set."""
    ours = machine(missing_since=NOW + 60, missing_first_at=NOW + 61, delete_attempt_at=NOW + DAY)
    kind = MachinetypeMemory(
        space=SPACE, machinetype=PROD, last_abort_at=NOW + DAY, proven_at=NOW - 1
    )
    seen = Records(
        memory=memory(quota_failed_at=NOW + DAY), machines=(ours,), machinetypes=(kind,)
    )
    assert rewound(seen, now=NOW) == Changes(
        space=SPACE,
        machines=(replace(ours, missing_first_at=NOW, delete_attempt_at=NOW),),
        machinetypes=(replace(kind, last_abort_at=NOW),),
        memory=memory(quota_failed_at=NOW, clock_jumped_at=NOW),
        events=(told(DAY),),
    )


@pytest.mark.parametrize("late", [60, 61, DAY])
@pytest.mark.parametrize(
    "name", ["listed_at", "suspect_since", "quota_failed_at", "clock_jumped_at", "preempted_at"]
)
def test_a_space_remembers_nothing_of_the_future(name: str, late: int) -> None:
    """One of these is enough to know that the clock was set; that is known as of now."""
    before = memory(**{name: NOW + late})
    changed = rewound(Records(memory=before), now=NOW)
    right = memory(**{name: NOW, "clock_jumped_at": NOW})
    assert (changed and changed.memory) == (None if late == 60 else right)


@pytest.mark.parametrize("late", [60, 61, DAY])
@pytest.mark.parametrize(
    "name", ["last_abort_at", "proven_at", "creation_failed_at", "waiting_since"]
)
def test_a_machinetype_remembers_nothing_of_the_future(name: str, late: int) -> None:
    """Else it would back off, or make others leave, for as long as that was ahead."""
    kind = MachinetypeMemory(space=SPACE, machinetype=PROD)
    before = Records(memory=memory(), machinetypes=(with_time(kind, name, NOW + late),))
    changed = rewound(before, now=NOW)
    after = () if changed is None else changed.machinetypes
    assert after == (() if late == 60 else (with_time(kind, name, NOW),))


@pytest.mark.parametrize(("late", "stays"), [(0, True), (1, False), (DAY, False)])
def test_no_wait_ends_later_than_any_may(late: int, stays: bool) -> None:
    """A cloud that turned a clock ahead away, or lacked room by it, is tried again."""
    until = NOW + 3600 + 60 + late
    room = Unfit(flavor="large", zone="", until=until)
    before = memory(paused_until=until, unfit=(room,))
    changed = rewound(Records(memory=before, machines=()), now=NOW)
    after = None if changed is None else changed.memory
    assert after == (None if stays else memory(paused_until=NOW, unfit=(), clock_jumped_at=NOW))


@pytest.mark.parametrize(
    ("began", "absent_at", "right"),
    [
        pytest.param(NOW - 10, NOW - 10, NOW - 10, id="as usual"),
        pytest.param(NOW - 10, NOW - 11, NOW, id="noted by a clock behind"),
        pytest.param(NOW, NOW - DAY, NOW, id="and the machine began now"),
        pytest.param(NOW + 1, NOW - DAY, NOW - DAY, id="the clock is still behind"),
    ],
)
@pytest.mark.parametrize("what", ["created_at", "started_at"])
def test_an_absence_from_before_it_began_begins_anew(
    what: str, began: int, absent_at: int, right: int
) -> None:
    """When the clock is right again. Nobody knows how long it has lasted."""
    usual = machine(created_at=NOW - 2 * DAY, started_at=None, missing_first_at=absent_at)
    ours = replace(usual, created_at=began) if what == "created_at" else usual
    ours = replace(ours, started_at=began) if what == "started_at" else ours
    changed = rewound(Records(memory=memory(), machines=(ours,)), now=NOW)
    anew = Changes(space=SPACE, machines=(replace(ours, missing_first_at=NOW),))
    assert changed == (None if right == absent_at else anew)


@pytest.mark.parametrize(("now", "is_so"), [(MADE + 59, True), (MADE + 60, False), (NOW, False)])
def test_a_machine_may_have_yet_to_begin(now: int, is_so: bool) -> None:
    """By a clock that is behind."""
    assert is_yet_to_begin(machine(started_at=MADE + 60), now=now) is is_so
    assert not is_yet_to_begin(machine(started_at=None), now=now)
    assert not is_yet_to_begin(machine(started_at=MADE + 60, stopped_at=MADE + 61), now=now)


def test_what_a_run_is_told_by_is_spared() -> None:
    """Nobody waits for these times, and it may be now that is wrong."""
    ours = machine(created_at=NOW + DAY, started_at=NOW + DAY, missing_since=NOW + DAY)
    assert rewound(Records(memory=memory(), machines=(ours,)), now=NOW) is None


def test_what_was_a_minute_ahead_changes_nothing() -> None:
    """It may be the clock of another manager."""
    fine = machine(missing_first_at=NOW + 60)
    assert rewound(Records(memory=memory(), machines=(fine,)), now=NOW) is None


@pytest.mark.parametrize(
    ("now", "at"),
    [
        pytest.param(NOW, NOW - 100, id="as usual"),
        pytest.param(NOW - 100, NOW - 100, id="it ended now"),
        pytest.param(NOW - 101, NOW - 100, id="it is to end in a second"),
        pytest.param(MADE + 60, NOW - 100, id="it began now"),
        pytest.param(MADE + 59, NOW - 100, id="it has yet to begin: the clock was set back"),
        pytest.param(MADE - DAY, NOW - 100, id="by a day, before it was asked for"),
    ],
)
def test_a_clock_that_is_set_back_makes_no_run_shorter(now: int, at: int) -> None:
    """The cloud, whose clock is right, says when it ended."""
    ours = machine(created_at=MADE, started_at=MADE + 60)
    shown = replace(listed(), state=MachineState.SHUTDOWN, stopped_at=NOW - 100)
    over = ended(ours, shown, LastWords(), sighted_at=NOW - 300, now=now)
    assert over.stopped_at == at


@pytest.mark.parametrize(
    ("interval", "began", "at"),
    [
        pytest.param(0, MADE + 60, NOW + 100, id="as long as the cloud says"),
        pytest.param(0, MADE, NOW + 40, id="it began by another clock"),
        pytest.param(1, MADE + 60, NOW, id="the cloud tells when it first began"),
        pytest.param(0, None, NOW, id="the cloud does not tell when it began"),
    ],
)
def test_an_end_to_come_tells_how_long_it_ran(interval: int, began: int | None, at: int) -> None:
    """Whichever clock is wrong; else nothing ends after now."""
    ours = machine(created_at=MADE, started_at=began or MADE + 60, interval=interval)
    stated = listed(started_at=None if began is None else MADE + 60)
    shown = replace(stated, state=MachineState.SHUTDOWN, stopped_at=NOW + 100)
    over = ended(ours, shown, LastWords(), sighted_at=NOW - 300, now=NOW)
    assert over.stopped_at == at


@pytest.mark.parametrize(
    ("now", "at"), [(NOW, NOW), (MADE + 60, MADE + 60), (MADE + 59, NOW + 90)]
)
def test_an_end_that_we_saw_by_a_clock_ahead_is_now(now: int, at: int) -> None:
    """Without the cloud's word; unless now lies before the machine began."""
    ours = machine(created_at=MADE, started_at=MADE + 60)
    assert ended(ours, None, LastWords(), sighted_at=NOW + 90, now=now).stopped_at == at


@pytest.mark.parametrize(
    ("seen_at", "at"), [(MADE - DAY, NOW), (MADE + 59, NOW), (MADE + 60, MADE + 60)]
)
def test_what_was_seen_before_it_ran_is_no_sign_of_its_end(seen_at: int, at: int) -> None:
    """A clock behind wrote that; what is left is that it is gone now."""
    ours = machine(created_at=MADE, started_at=MADE + 60)
    assert ended(ours, None, LastWords(), sighted_at=seen_at, now=NOW).stopped_at == at


@pytest.mark.parametrize(("reason", "at"), [("", MADE + 110), (Reason.SILENT, NOW)])
def test_a_machine_that_went_on_in_silence_did_not_end_with_its_last_beat(
    reason: str, at: int
) -> None:
    """A clock behind wrote when it was last seen; else its run would be too brief to count."""
    ours = machine(created_at=MADE, started_at=MADE + 60, delete_reason=reason)
    words = LastWords(heartbeat_at=MADE + 110)
    assert ended(ours, None, words, sighted_at=MADE - DAY, now=NOW).stopped_at == at
