"""When silence counts: missing and stale heartbeats, who listened, and who else is silent."""

from dataclasses import replace
from typing import Any

import pytest

from tests.builders import (
    NOW,
    facts,
    kind,
    machine,
    plan,
    terms,
)
from tests.plan_kit import reason, reasons, whys
from vcycled.model import (
    Machine,
    MachineState,
    Reason,
)
from vcycled.options import Amount

BEATING = kind(heartbeat_file="heartbeat", heartbeat_seconds=300, fizzle_seconds=600)
"""Judged once it ran longer than 600 s, by a heartbeat not older than 300 s."""


def beat(**changes: Any) -> Machine:  # noqa: ANN401 - see builders
    """Return a machine that ran long enough to be judged and beat just now."""
    return machine(**{"heartbeat_at": NOW, "started_at": NOW - 5000, **changes})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, None, id="beats"),
        pytest.param({"heartbeat_at": NOW - 299}, None, id="beat in time"),
        pytest.param({"heartbeat_at": NOW - 300}, None, id="beat just in time"),
        pytest.param({"heartbeat_at": NOW - 301}, Reason.SILENT, id="stopped beating"),
        pytest.param({"heartbeat_at": None}, Reason.SILENT, id="never beat"),
        pytest.param({"heartbeat_at": NOW + 50}, None, id="beats ahead of time"),
        pytest.param(
            {"heartbeat_at": None, "is_heartbeat_known": False}, None, id="folder unreadable"
        ),
        pytest.param({"heartbeat_at": None, "started_at": NOW - 599}, None, id="too young"),
        pytest.param({"heartbeat_at": None, "started_at": NOW - 600}, None, id="just too young"),
        pytest.param({"heartbeat_at": None, "started_at": NOW - 601}, Reason.SILENT, id="judged"),
        pytest.param(
            {"heartbeat_at": None, "started_at": None}, Reason.NOT_STARTED, id="never ran"
        ),
    ],
)
def test_goes_when_its_heartbeat_is_missing_or_stale(
    change: dict[str, Any], expected: Reason | None
) -> None:
    """The file must be there and fresh, from fizzle_seconds after the start on."""
    assert reason(facts(BEATING, machines=(beat(**change),))) is expected


@pytest.mark.parametrize(("age", "expected"), [(899, None), (900, None), (901, Reason.SILENT)])
def test_is_not_judged_before_heartbeat_seconds_either(age: int, expected: Reason | None) -> None:
    """The longer of fizzle_seconds and heartbeat_seconds must have passed since the start."""
    slow = replace(BEATING, heartbeat_seconds=900)
    young = beat(heartbeat_at=None, started_at=NOW - age)
    assert reason(facts(slow, machines=(young,))) is expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"heartbeat_at": NOW - 90_000}, None), ({"heartbeat_at": None}, Reason.SILENT)],
)
def test_with_heartbeat_seconds_0_the_file_must_only_exist(
    change: dict[str, Any], expected: Reason | None
) -> None:
    """How old it is does not matter then."""
    lax = replace(BEATING, heartbeat_seconds=0)
    assert reason(facts(lax, machines=(beat(**change),))) is expected


def test_without_a_heartbeat_file_silence_means_nothing() -> None:
    """A machinetype that names no file is not judged by one, whatever the seconds."""
    mute = replace(BEATING, heartbeat_file="")
    assert reason(facts(mute, machines=(beat(heartbeat_at=None),))) is None


@pytest.mark.parametrize(
    ("heartbeat_seconds", "up_since", "expected"),
    [
        (300, None, None),
        (300, NOW - 299, None),
        (300, NOW - 300, Reason.SILENT),
        (300, NOW - 301, Reason.SILENT),
        (0, NOW - 599, None),
        (0, NOW - 600, Reason.SILENT),
        (0, NOW - 601, Reason.SILENT),
    ],
)
def test_silence_counts_only_while_somebody_listened(
    heartbeat_seconds: int, up_since: int | None, expected: Reason | None
) -> None:
    """The web site was up all of heartbeat_seconds or, if these are 0, of fizzle_seconds."""
    listened = replace(BEATING, heartbeat_seconds=heartbeat_seconds)
    given = facts(listened, machines=(beat(heartbeat_at=None),), receiver_up_since=up_since)
    assert reason(given) is expected


def test_a_machine_without_section_is_judged_by_its_promised_heartbeat() -> None:
    """Its terms stand in for the section that is gone."""
    promised = terms(heartbeat_file="hb", heartbeat_seconds=300)
    gone = beat(machinetype="gone", terms=promised, heartbeat_at=NOW - 301)
    assert reason(facts(machines=(gone,))) is Reason.SILENT


def silent(count: int, **changes: Any) -> tuple[Machine, ...]:  # noqa: ANN401 - see builders
    """Return machines whose heartbeat has just gone stale."""
    return tuple(
        beat(name=f"silent-{each}", heartbeat_at=NOW - 301, **changes) for each in range(count)
    )


TOGETHER = "all 3 heartbeats went stale together: suspect the network or the web site"


def test_heartbeats_that_go_stale_together_are_not_believed() -> None:
    """Three and none fresh: the fault is rather between us and them."""
    given = facts(BEATING, machines=silent(3), deletion_cap=Amount(count=10))
    made = plan(given)
    assert not made.deletes
    assert whys(made) == [(Reason.SILENT, TOGETHER, None)] * 3


def test_two_silent_machines_are_believed() -> None:
    """Two may well have died by themselves."""
    given = facts(BEATING, machines=silent(2), deletion_cap=Amount(count=10))
    assert set(reasons(plan(given)).values()) == {Reason.SILENT}


@pytest.mark.parametrize(
    ("other", "is_believed"),
    [
        pytest.param({}, True, id="a fresh one proves the way free"),
        pytest.param({"heartbeat_at": NOW - 300}, True, id="just fresh"),
        pytest.param({"heartbeat_at": NOW - 301}, False, id="stale too"),
        pytest.param({"heartbeat_at": None}, False, id="never beat, so tells nothing"),
        pytest.param({"started_at": NOW - 600}, False, id="too young to tell"),
        pytest.param({"started_at": NOW - 601}, True, id="just old enough to tell"),
        pytest.param({"started_at": None}, False, id="not started"),
        pytest.param({"state": MachineState.SHUTDOWN}, False, id="ended, so tells nothing"),
        pytest.param({"machinetype": "lax"}, False, id="need not be kept fresh"),
        pytest.param({"machinetype": "mute"}, False, id="has no heartbeat file"),
        pytest.param({"machinetype": "gone"}, False, id="was never to beat"),
    ],
)
def test_who_bears_witness_that_heartbeats_arrive(
    other: dict[str, Any], is_believed: bool
) -> None:
    """Only a living machine that has to keep its file fresh and is old enough to be judged."""
    lax = replace(BEATING, name="lax", heartbeat_seconds=0)
    mute = replace(BEATING, name="mute", heartbeat_file="")
    given = facts(
        BEATING,
        lax,
        mute,
        machines=(*silent(3), beat(name="other", **other)),
        deletion_cap=Amount(count=10),
    )
    assert (reasons(plan(given)).get("silent-0") is Reason.SILENT) is is_believed


def test_those_that_never_beat_go_by_the_normal_rule() -> None:
    """A missing file is not explained by a network that fails now."""
    never = beat(name="never", heartbeat_at=None)
    made = plan(facts(BEATING, machines=(*silent(3), never), deletion_cap=Amount(count=10)))
    assert reasons(made) == {"never": Reason.SILENT}
    assert len(made.deferred) == 3


def test_other_reasons_hold_while_heartbeats_are_doubted() -> None:
    """A machine that is stale and too old goes as too old."""
    old = beat(name="old", heartbeat_at=NOW - 301, started_at=NOW - 90_000)
    given = facts(BEATING, machines=(*silent(3), old), deletion_cap=Amount(count=10))
    assert reasons(plan(given)) == {"old": Reason.TOO_OLD}
