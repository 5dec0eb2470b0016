"""Why nothing may be created: every hold one second before, at and after."""

from typing import Any

import pytest

from tests.builders import (
    NOW,
    PROD,
    drain,
    drains,
    facts,
    intent,
    kind,
    machine,
    memory,
    plan,
    starting,
)
from tests.plan_kit import held
from vcycled.model import Cause, Hold, Machine, MachineState, Machinetype, SpaceFacts, Stage


def only_hold(given: SpaceFacts) -> Hold | None:
    """Return the hold of the only machinetype if it gets nothing at all."""
    made = plan(given)
    assert len(made.holds) == 1
    return None if made.creates else made.holds[0]


def cause(given: SpaceFacts) -> Cause | None:
    """Return why the only machinetype gets nothing."""
    hold = only_hold(given)
    return hold.cause if hold else None


# The whole space

SPACE_HOLDS: dict[Cause, dict[str, Any]] = {
    Cause.HELD: {"held": "vcycle.conf shrank"},
    Cause.DRAIN: {"drains": drains(drain())},
    Cause.SHUTDOWN_TIME: {"shutdown_time": NOW - 5},
    Cause.LISTING_SUSPECT: {"memory": {"suspect_since": NOW - 30, "listed_machines": 7}},
    Cause.PAUSED: {"memory": {"pauses": 3, "paused_until": NOW + 7, "pause_error": "429"}},
    Cause.QUOTA: {"memory": {"quota_failures": 2, "quota_failed_at": NOW, "quota_error": "cores"}},
}
"""The most telling first."""


def held_by(*causes: Cause) -> SpaceFacts:
    """Return facts in which all of these causes hold the space."""
    changes: dict[str, Any] = {}
    remembered: dict[str, Any] = {}
    for each in causes:
        change = SPACE_HOLDS[each]
        remembered |= change.get("memory", {})
        changes |= {key: value for key, value in change.items() if key != "memory"}
    return facts(kind("a"), kind("b"), memory=memory(**remembered), **changes)


@pytest.mark.parametrize(
    ("why", "detail", "until"),
    [
        (Cause.HELD, "vcycle.conf shrank", None),
        (Cause.DRAIN, f"drained since {NOW - 100} by alice", None),
        (Cause.SHUTDOWN_TIME, f"shutdown_time passed at {NOW - 5}, 5 s ago", None),
        (
            Cause.LISTING_SUSPECT,
            f"listings have shown far too few machines since {NOW - 30}; before, they showed 7",
            None,
        ),
        (Cause.PAUSED, "the cloud turned us away 3 times in a row: 429", NOW + 7),
        (Cause.QUOTA, "the quota was exceeded 2 times in a row: cores", NOW + 120),
    ],
)
def test_a_held_space_creates_nothing_and_says_so_once(
    why: Cause, detail: str, until: int | None
) -> None:
    """One hold without machinetype stands for all."""
    made = plan(held_by(why))
    assert made.holds == (Hold(machinetype="", cause=why, detail=detail, until=until),)
    assert not made.creates


def test_of_several_holds_of_a_space_the_most_telling_is_given() -> None:
    """What a person decided comes before what passes by itself."""
    causes = list(SPACE_HOLDS)
    for first in range(len(causes)):
        assert held(plan(held_by(*causes[first:]))) == {"": causes[first]}


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"who": ""}, f"drained since {NOW - 100}"),
        (
            {"by": NOW + 9},
            f"drained since {NOW - 100} by alice, everything must be gone at {NOW + 9}",
        ),
    ],
)
def test_a_drain_says_who_and_until_when(changes: dict[str, Any], detail: str) -> None:
    """The order's own particulars are in the sentence."""
    for name in ("", PROD):
        given = facts(drains=drains(drain(machinetype=name, **changes)))
        hold = only_hold(given)
        assert hold is not None
        assert hold.detail == detail


@pytest.mark.parametrize(
    ("changes", "detail", "until"),
    [
        ({"until": NOW + 1}, f"held since {NOW - 100} by alice", NOW + 1),
        ({"reason": "the queue moves"}, f"held since {NOW - 100} by alice: the queue moves", None),
        ({"who": ""}, f"held since {NOW - 100}", None),
    ],
)
def test_a_hold_says_who_why_and_until_when(
    changes: dict[str, Any], detail: str, until: int | None
) -> None:
    """It ends no machine, so nothing is said of that."""
    for name in ("", PROD):
        given = facts(drains=drains(drain(machinetype=name, is_hold=True, **changes)))
        hold = only_hold(given)
        assert hold is not None
        assert (hold.cause, hold.detail, hold.until) == (Cause.ON_HOLD, detail, until)


def test_a_hold_is_over_at_its_very_second() -> None:
    """Even if nothing has taken it away yet."""
    for name in ("", PROD):
        over = drain(machinetype=name, is_hold=True, until=NOW)
        assert only_hold(facts(drains=drains(over))) is None


@pytest.mark.parametrize(
    ("shutdown_time", "expected"),
    [
        (NOW - 1, ("", Cause.SHUTDOWN_TIME)),
        (NOW, ("", Cause.SHUTDOWN_TIME)),
        (NOW + 1, ("prod", Cause.SHUTDOWN_TIME)),
        (NOW + 599, ("prod", Cause.SHUTDOWN_TIME)),
        (NOW + 600, None),
        (NOW + 601, None),
    ],
)
def test_nothing_is_created_that_could_not_run_min_wallclock_seconds(
    shutdown_time: int, expected: tuple[str, Cause] | None
) -> None:
    """There must be min_wallclock_seconds (600) left before shutdown_time; after it nothing."""
    hold = only_hold(facts(shutdown_time=shutdown_time))
    assert (hold and (hold.machinetype, hold.cause)) == expected


def test_a_short_min_wallclock_does_not_outlast_the_shutdown_time() -> None:
    """At the very second nothing is created, even if it need not run at all."""
    for shutdown_time, expected in [(NOW, Cause.SHUTDOWN_TIME), (NOW + 1, None)]:
        given = facts(kind(min_wallclock_seconds=0), shutdown_time=shutdown_time)
        assert cause(given) is expected


@pytest.mark.parametrize(
    ("failures", "delay"), [(1, 60), (2, 120), (3, 240), (4, 480), (5, 900), (6, 900), (50, 900)]
)
def test_quota_holds_the_space_for_a_growing_time(failures: int, delay: int) -> None:
    """From a minute to a quarter of an hour."""
    for since, expected in [(0, Cause.QUOTA), (delay - 1, Cause.QUOTA), (delay, None)]:
        remembered = memory(quota_failures=failures, quota_failed_at=NOW - since)
        hold = only_hold(facts(memory=remembered))
        assert (hold and (hold.cause, hold.until)) == (
            expected and (expected, NOW - since + delay)
        )


@pytest.mark.parametrize("remembered", [{"quota_failures": 3}, {"quota_failed_at": NOW}])
def test_no_quota_failure_is_no_hold(remembered: dict[str, Any]) -> None:
    """A count without a time or a time without a count says nothing."""
    assert cause(facts(memory=memory(**remembered))) is None


@pytest.mark.parametrize(("until", "expected"), [(NOW, None), (NOW + 1, Cause.PAUSED)])
def test_a_pause_ends_when_its_time_is_over(until: int, expected: Cause | None) -> None:
    """At the very second the cloud is asked again."""
    assert cause(facts(memory=memory(pauses=1, paused_until=until))) is expected


def test_a_quota_without_a_text_says_how_often() -> None:
    """Nothing is appended where the cloud said nothing."""
    hold = only_hold(facts(memory=memory(quota_failures=1, quota_failed_at=NOW)))
    assert hold is not None
    assert hold.detail == "the quota was exceeded 1 times in a row"


# A machinetype

OWN_HOLDS: dict[Cause, dict[str, Any]] = {
    Cause.NO_SHARE: {"target_share": 0.0},
    Cause.HELD: {"held": "user_data: no such file"},
    Cause.DRAIN: {"drains": drains(drain(machinetype=PROD))},
    Cause.SHUTDOWN_TIME: {"min_wallclock_seconds": 10_000},
    Cause.CREATION_FAILED: {
        "creation_failures": 3,
        "creation_failed_at": NOW - 40,
        "creation_error": "no such image",
    },
    Cause.BACKOFF: {"last_abort_at": NOW - 100},
    Cause.NO_FLAVOR: {"flavor_names": ("huge",)},
}
"""The most telling first."""


def own_held_by(*causes: Cause, others: tuple[Machinetype, ...] = ()) -> SpaceFacts:
    """Return facts in which all of these causes hold prod, beside `others`."""
    changes = {key: value for each in causes for key, value in OWN_HOLDS[each].items()}
    ordered = changes.pop("drains", {})
    return facts(kind(**changes), *others, shutdown_time=NOW + 5000, drains=ordered)


@pytest.mark.parametrize(
    ("why", "detail", "until"),
    [
        (Cause.NO_SHARE, "target_share is 0", None),
        (Cause.HELD, "user_data: no such file", None),
        (Cause.DRAIN, f"drained since {NOW - 100} by alice", None),
        (
            Cause.SHUTDOWN_TIME,
            "shutdown_time is 5000 s away and min_wallclock_seconds is 10000",
            None,
        ),
        (Cause.CREATION_FAILED, "creation failed 3 times in a row: no such image", NOW + 200),
        (Cause.BACKOFF, "a machine aborted 100 s ago and backoff_seconds is 900", NOW + 800),
        (Cause.NO_FLAVOR, "none of huge of this space has 1 or more processors", None),
    ],
)
def test_a_held_machinetype_gets_nothing_and_the_others_all(
    why: Cause, detail: str, until: int | None
) -> None:
    """It says why, and yields its share."""
    made = plan(own_held_by(why, others=(kind("other"),)))
    assert made.holds[1] == Hold(machinetype="prod", cause=why, detail=detail, until=until)
    assert {create.machinetype for create in made.creates} == {"other"}
    assert len(made.creates) == 10


def test_of_several_holds_of_a_machinetype_the_most_telling_is_given() -> None:
    """What a person decided comes before what passes by itself."""
    causes = list(OWN_HOLDS)
    for first in range(len(causes)):
        assert cause(own_held_by(*causes[first:])) is causes[first]


@pytest.mark.parametrize(
    ("failures", "delay"), [(1, 60), (2, 120), (5, 960), (6, 1920), (7, 3600), (8, 3600)]
)
def test_failed_creations_hold_a_machinetype_for_a_growing_time(failures: int, delay: int) -> None:
    """From a minute to an hour."""
    for since, expected in [(0, True), (delay - 1, True), (delay, False), (delay + 1, False)]:
        failing = kind(creation_failures=failures, creation_failed_at=NOW - since)
        hold = only_hold(facts(failing))
        assert bool(hold) is expected
        if hold:
            assert (hold.cause, hold.until) == (Cause.CREATION_FAILED, NOW - since + delay)


@pytest.mark.parametrize(
    ("since", "expected"), [(0, True), (899, True), (900, False), (901, False), (-10, True)]
)
def test_an_abort_backs_off_for_backoff_seconds(since: int, expected: bool) -> None:
    """Also if the abort lies ahead, because the clock went back."""
    hold = only_hold(facts(kind(last_abort_at=NOW - since)))
    assert bool(hold) is expected
    if hold:
        assert (hold.cause, hold.until) == (Cause.BACKOFF, NOW - since + 900)


def test_proof_does_not_shorten_the_backoff() -> None:
    """What ran well before cannot tell that there is work again."""
    hold = only_hold(facts(kind(last_abort_at=NOW - 100, proven_at=NOW - 50)))
    assert hold is not None
    assert hold.cause is Cause.BACKOFF


# Probing: the abort was 2000 s ago, the backoff of 900 s is over, fizzle_seconds is 600

ABORT_AT = NOW - 2000
PROBED = kind(last_abort_at=ABORT_AT)
AFTER = ABORT_AT + 1


def test_after_backoff_one_probe_is_made_and_then_waited_for() -> None:
    """In the same plan the machinetype is held, whatever room there is."""
    made = plan(facts(PROBED, kind("other")))
    assert [each.machinetype for each in made.creates].count("prod") == 1
    detail = (
        "one probe at a time since the abort 2000 s ago, until a machine has run for 600 s or"
        " ended without abort"
    )
    assert made.holds[1] == Hold(machinetype="prod", cause=Cause.PROBING, detail=detail)
    assert len(made.creates) == 10


@pytest.mark.parametrize(
    ("proven_at", "expected"),
    [(None, True), (ABORT_AT - 1, True), (ABORT_AT, True), (ABORT_AT + 1, False)],
)
def test_probing_ends_by_what_is_remembered(proven_at: int | None, expected: bool) -> None:
    """A machine made after the abort that ended well or found work ends it."""
    made = plan(facts(kind(last_abort_at=ABORT_AT, proven_at=proven_at)))
    assert (held(made)["prod"] is Cause.PROBING) is expected
    assert len(made.creates) == (1 if expected else 10)


@pytest.mark.parametrize(
    ("one", "count", "until"),
    [
        pytest.param(intent(), 0, None, id="an intent"),
        pytest.param(intent(stage=Stage.ASKED), 0, None, id="asked for"),
        pytest.param(starting(created_at=AFTER), 0, None, id="a slow boot ends nothing"),
        pytest.param(
            starting(state=MachineState.UNKNOWN), 0, None, id="unknown, never seen running"
        ),
        pytest.param(
            machine(created_at=AFTER, started_at=NOW - 599), 0, NOW + 1, id="still to be proven"
        ),
        pytest.param(machine(created_at=AFTER, started_at=NOW - 600), 10, None, id="proven"),
        pytest.param(machine(created_at=AFTER, started_at=NOW - 601), 10, None, id="long proven"),
        pytest.param(
            machine(created_at=AFTER, started_at=NOW - 600, state=MachineState.UNKNOWN),
            10,
            None,
            id="unknown, but has run",
        ),
        pytest.param(
            machine(created_at=ABORT_AT, started_at=NOW - 599), 0, None, id="older than the abort"
        ),
        pytest.param(
            machine(created_at=ABORT_AT, started_at=NOW - 600), 1, None, id="old, proves nothing"
        ),
        pytest.param(
            machine(created_at=ABORT_AT, started_at=NOW - 900, state=MachineState.STARTING),
            0,
            None,
            id="old and starting again",
        ),
        pytest.param(
            machine(created_at=AFTER, state=MachineState.SHUTDOWN), 1, None, id="ended: remembered"
        ),
        pytest.param(machine(created_at=AFTER, state=MachineState.DELETING), 1, None, id="going"),
        pytest.param(starting(machinetype="other"), 1, None, id="another's machine"),
    ],
)
def test_a_probe_is_waited_for_until_it_has_run_fizzle_seconds(
    one: Machine, count: int, until: int | None
) -> None:
    """One at a time, by evidence: 0 more while it is out, 1 if none is, 10 once proven."""
    made = plan(facts(PROBED, machines=(one,)))
    assert len(made.creates) == count
    assert made.holds[0].until == (until if count < 10 else NOW + 60)
    assert (made.holds[0].cause is Cause.PROBING) is (count < 10)


def test_probing_ends_with_the_first_that_proves_it() -> None:
    """Of two on their way the longer run counts; a starting and an old one do not."""
    made = plan(
        facts(
            PROBED,
            machines=(
                machine("a", created_at=AFTER, started_at=NOW - 590),
                machine("b", created_at=AFTER, started_at=NOW - 560),
                machine("c", created_at=ABORT_AT, started_at=NOW - 599),
                starting("d"),
            ),
        )
    )
    assert made.holds[0].until == NOW + 10
    assert made.wake_at == NOW + 10


def test_a_machine_proven_now_frees_the_machinetype_though_others_start() -> None:
    """Evidence of work is enough, however many are on their way."""
    proven = machine("a", created_at=AFTER, started_at=NOW - 600)
    assert plan(facts(PROBED, machines=(proven, starting("b")))).creates


def test_without_an_abort_nothing_is_probed() -> None:
    """A new machinetype grows at once, many machines at a time."""
    assert len(plan(facts(machines=(starting(),))).creates) == 10
