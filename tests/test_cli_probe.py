"""How `vcycle check` judges: levels, bounds, figures, and the words of its answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.cli_kit import SPACE, bare_config, machine, report
from tests.store_kit import presence
from vcycled.cli.alive import ManagerState
from vcycled.cli.managers import Staff
from vcycled.cli.probe import (
    DAY,
    Bounds,
    Facts,
    Figure,
    Finding,
    Level,
    Part,
    Thresholds,
    Waiting,
    answer,
    judge,
)
from vcycled.cli.served import Served
from vcycled.cli.views import SpaceView, View
from vcycled.errors import Problem
from vcycled.house.disks import MB, Disk
from vcycled.model import Cause, Hold, Records, SpaceMemory
from vcycled.store import Lease, Manager, Roster

OK, WARNING, CRITICAL = Level.OK, Level.WARNING, Level.CRITICAL
HOST = "m1.example.org"
BLIND = "machines: 503"
HELD = Hold(machinetype="prod", cause=Cause.HELD, detail="user_data: x cannot be read")
DISK = Disk(folder=Path("/v"), total_bytes=9000 * MB, free_bytes=5000 * MB, free_files=50_000)
ERROR = Problem(file="f", line=3, section="s", option="o", message="is wrong")
SPACE_VIEW = SpaceView(
    name=SPACE,
    config=None,
    report=report(),
    records=Records(memory=SpaceMemory(space=SPACE, listed_at=NOW), machines=(machine(),)),
)
VIEW = View(
    now=NOW,
    disks=(DISK,),
    min_free_mb=512,
    manager=ManagerState.RUNNING,
    problems=(),
    unusable={},
    spaces=(SPACE_VIEW,),
)
FACTS = Facts(view=VIEW, waiting=(), is_receiver_wanted=False, receiver_up_since=None)


def judged(facts: Facts) -> tuple[Part, ...]:
    """Return what is found, by the usual thresholds."""
    return judge(facts, Thresholds())


def bad(facts: Facts) -> list[tuple[Level, str]]:
    """Return what is not well."""
    found = (each for each in judged(facts) if isinstance(each, Finding))
    return [(each.level, each.text) for each in found if each.level]


def viewing(**changes: object) -> Facts:
    """Return facts with another view."""
    return replace(FACTS, view=replace(VIEW, **changes))  # type: ignore[arg-type]


def seeing(*, listed_at: int | None = NOW, **changes: object) -> Facts:
    """Return facts of a space whose last report differs."""
    memory = SpaceMemory(space=SPACE, listed_at=listed_at)
    told = replace(SPACE_VIEW, report=report(**changes), records=Records(memory=memory))
    return viewing(spaces=(told,))


def manager(**changes: object) -> Manager:
    """Return one that beat just now."""
    usual = Manager(
        presence=presence(HOST, beat_seconds=10),
        started_at=NOW - 100,
        up_s=3600.0,
        silent_s=1.0,
        ended_at=None,
        skew=0.0,
        spaces=frozenset({SPACE}),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def staffed(*managers: Manager, holder: str = HOST) -> Facts:
    """Return facts of managers that share a database."""
    roster = Roster(
        managers={each.presence.name: each for each in managers},
        leases={SPACE: Lease(space=SPACE, holder=holder, epoch=1)},
    )
    return viewing(staff=Staff(roster=roster, unwritten={}), manager=ManagerState.UNKNOWN)


def test_where_all_is_well_nothing_else_is_said() -> None:
    """Each thing that was looked at is still named."""
    assert bad(FACTS) == []
    assert len([each for each in judged(FACTS) if isinstance(each, Finding)]) == 4


@pytest.mark.parametrize(
    ("bounds", "value", "level"),
    [
        (Bounds(warning=300, critical=1800), 300, OK),
        (Bounds(warning=300, critical=1800), 301, WARNING),
        (Bounds(warning=300, critical=1800), 1800, WARNING),
        (Bounds(warning=300, critical=1800), 1801, CRITICAL),
        (Bounds(warning=20, critical=10, is_least=True), 20, OK),
        (Bounds(warning=20, critical=10, is_least=True), 19, WARNING),
        (Bounds(warning=20, critical=10, is_least=True), 10, WARNING),
        (Bounds(warning=20, critical=10, is_least=True), 9, CRITICAL),
    ],
)
def test_the_bounds_themselves_are_fine(bounds: Bounds, value: int, level: Level) -> None:
    """As monitoring systems read them."""
    assert bounds.level(value) is level


@pytest.mark.parametrize(
    ("state", "is_late", "level"),
    [
        (ManagerState.RUNNING, False, OK),
        (ManagerState.STOPPED, False, CRITICAL),
        (ManagerState.UNKNOWN, False, OK),
        (ManagerState.UNKNOWN, True, CRITICAL),
    ],
)
def test_the_manager_must_live(state: ManagerState, is_late: bool, level: Level) -> None:
    """One of another host, or whose lock is hidden, is known by its cycles."""
    spaces = seeing(wake_at=NOW - 61).view.spaces if is_late else VIEW.spaces
    found = [each for each, _ in bad(viewing(manager=state, spaces=spaces))]
    assert found == ([level] if level else [])


@pytest.mark.parametrize(
    ("facts", "levels"),
    [
        pytest.param(staffed(manager()), [], id="alive"),
        pytest.param(staffed(manager(silent_s=99.0)), [CRITICAL, CRITICAL], id="silent"),
        pytest.param(staffed(manager(), holder=""), [CRITICAL], id="free"),
        pytest.param(
            staffed(manager(), manager(presence=presence("m2"), silent_s=99.0)),
            [WARNING],
            id="another is lost",
        ),
        pytest.param(
            staffed(manager(), manager(presence=presence("m2"), silent_s=99.0, ended_at=NOW)),
            [],
            id="another has ended",
        ),
        pytest.param(
            staffed(manager(), manager(presence=presence("m2"), skew=61.0)),
            [WARNING],
            id="another's clock is wrong",
        ),
    ],
)
def test_a_space_must_have_a_live_manager(facts: Facts, levels: list[Level]) -> None:
    """Where managers share a database."""
    assert [level for level, _ in bad(facts)] == levels


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        pytest.param(seeing(wake_at=NOW - 300), [], id="not late"),
        pytest.param(
            seeing(wake_at=NOW - 301),
            [(WARNING, f"{SPACE}: its next cycle is 5 min 1 s late")],
            id="late",
        ),
        pytest.param(
            seeing(wake_at=NOW - 1801),
            [(CRITICAL, f"{SPACE}: its next cycle is 30 min 1 s late")],
            id="very late",
        ),
        pytest.param(
            viewing(spaces=(replace(SPACE_VIEW, report=None),)),
            [(WARNING, f"{SPACE}: no cycle yet")],
            id="never",
        ),
        pytest.param(seeing(error=BLIND, listed_at=NOW - 900), [], id="blind for a moment"),
        pytest.param(
            seeing(error=BLIND, listed_at=NOW - 901),
            [(WARNING, f"{SPACE}: the cloud has not been seen for 15 min 1 s: {BLIND}")],
            id="blind",
        ),
        pytest.param(
            seeing(error=BLIND, listed_at=NOW - 3601),
            [(CRITICAL, f"{SPACE}: the cloud has not been seen for 1 h: {BLIND}")],
            id="blind for long",
        ),
        pytest.param(
            seeing(error=BLIND, listed_at=None),
            [(CRITICAL, f"{SPACE}: the cloud was never seen whole: {BLIND}")],
            id="never seen",
        ),
        pytest.param(seeing(holds=(replace(HELD, cause=Cause.BACKOFF),)), [], id="waits"),
        pytest.param(
            seeing(holds=(HELD,)),
            [(WARNING, f"{SPACE}: prod gets no machines: held: user_data: x cannot be read")],
            id="needs a person",
        ),
        pytest.param(seeing(credential_ends={"c1": NOW + 14 * DAY}), [], id="ends later"),
        pytest.param(
            seeing(credential_ends={"c1": NOW + 14 * DAY - 1}),
            [(WARNING, f"{SPACE}: c1 ends in 13 d 23 h")],
            id="ends",
        ),
        pytest.param(
            seeing(credential_ends={"c1": NOW - 60}),
            [(CRITICAL, f"{SPACE}: c1 ended 1 min ago")],
            id="ended",
        ),
    ],
)
def test_a_space(facts: Facts, found: list[tuple[Level, str]]) -> None:
    """Its cycles, its cloud, and what opens that."""
    assert bad(facts) == found


def test_a_removed_space_is_judged_while_it_has_machines() -> None:
    """Then it is over, whatever its cloud does and whoever holds it."""
    dead = report(error=BLIND, wake_at=NOW - 9999, credential_ends={"c1": NOW})
    busy = replace(
        SPACE_VIEW,
        config=bare_config(is_removed=True),
        report=dead,
        records=replace(SPACE_VIEW.records, memory=SpaceMemory(space=SPACE)),
    )
    levels = [level for level, _ in bad(viewing(spaces=(busy,)))]
    assert levels == [WARNING, CRITICAL, CRITICAL, CRITICAL]
    empty = replace(busy, records=Records(memory=SpaceMemory(space=SPACE)))
    staff = staffed(manager(), holder="").view.staff
    assert bad(viewing(spaces=(empty,), staff=staff)) == []
    left = f"{SPACE}: its section was removed and no machine of ours is left"
    assert Finding(level=OK, text=left) in judged(viewing(spaces=(empty,)))


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        pytest.param(
            viewing(problems=(ERROR,)), [(WARNING, "f:3: [s] o: is wrong")], id="an error"
        ),
        pytest.param(
            viewing(problems=(replace(ERROR, is_warning=True),)), [], id="only a warning"
        ),
        pytest.param(
            viewing(unusable={"space x": "f:1: no"}),
            [(WARNING, "[space x] is not used: f:1: no")],
            id="a section that cannot be used",
        ),
    ],
)
def test_the_configuration(facts: Facts, found: list[tuple[Level, str]]) -> None:
    """What was good goes on, so nobody must get up at night."""
    assert bad(facts) == found


@pytest.mark.parametrize(
    ("number", "age", "level"),
    [(0, None, OK), (1, DAY, OK), (1, DAY + 1, WARNING), (9, 3 * DAY + 1, CRITICAL)],
)
def test_records_must_not_wait(number: int, age: int | None, level: Level) -> None:
    """The oldest counts."""
    oldest_at = None if age is None else NOW - age
    waiting = Waiting(what="for ssmsend", number=number, oldest_at=oldest_at)
    found = judged(replace(FACTS, waiting=(waiting,)))
    (finding,) = (each for each in found if isinstance(each, Finding) and "ssmsend" in each.text)
    assert finding.level is level


@pytest.mark.parametrize(
    ("free_mb", "free_files", "level"),
    [
        (1024, 50_000, OK),
        (1023, 50_000, WARNING),
        (512, 50_000, WARNING),
        (511, 50_000, CRITICAL),
        (5000, 9_999, CRITICAL),
        (5000, None, OK),
    ],
)
def test_disks_must_have_room(free_mb: int, free_files: int | None, level: Level) -> None:
    """For files, too."""
    disk = replace(DISK, free_bytes=free_mb * MB, free_files=free_files)
    assert [each for each, _ in bad(viewing(disks=(disk,)))] == ([level] if level else [])


def test_a_disk_that_does_not_answer_is_unknown() -> None:
    """It may be full."""
    assert [level for level, _ in bad(viewing(disks=()))] == [Level.UNKNOWN]


@pytest.mark.parametrize(
    ("is_wanted", "since", "count"), [(True, None, 1), (True, NOW - 9, 0), (False, None, 0)]
)
def test_the_web_site_must_be_up_where_silence_counts(
    is_wanted: bool, since: int | None, count: int
) -> None:
    """Else silent machines stay."""
    assert len(bad(replace(FACTS, is_receiver_wanted=is_wanted, receiver_up_since=since))) == count


@pytest.mark.parametrize(
    ("ends_at", "found"),
    [
        (NOW + 14 * DAY, []),
        (NOW + 14 * DAY - 1, [(WARNING, "vcycle-admin: certificate ends in 13 d 23 h")]),
        (NOW + 3 * DAY - 1, [(CRITICAL, "vcycle-admin: certificate ends in 2 d 23 h")]),
        (NOW - 60, [(CRITICAL, "vcycle-admin: certificate ended 1 min ago")]),
        (None, [(WARNING, "vcycle-admin: when its certificate ends cannot be read")]),
    ],
)
def test_certificates_of_our_own_sites_must_not_end(
    ends_at: int | None, found: list[tuple[Level, str]]
) -> None:
    """By the bounds of what opens clouds."""
    mine = Served(owner="vcycle-admin", ends_at=ends_at)
    assert bad(replace(FACTS, certificates=(mine,))) == found


@pytest.mark.parametrize(
    ("levels", "first"),
    [
        ([OK, OK], "VCYCLE OK - 2 things are well | "),
        ([OK, WARNING], "VCYCLE WARNING - b | "),
        ([WARNING, WARNING, CRITICAL], "VCYCLE CRITICAL - c | "),
        ([WARNING, OK, WARNING], "VCYCLE WARNING - a (and 1 more) | "),
        ([CRITICAL, Level.UNKNOWN], "VCYCLE CRITICAL - a | "),
        ([WARNING, Level.UNKNOWN], "VCYCLE UNKNOWN - b | "),
    ],
)
def test_the_worst_stands_first(levels: list[Level], first: str) -> None:
    """CRITICAL wakes somebody whatever else is unknown."""
    parts = [Finding(level=level, text=name) for level, name in zip(levels, "abc", strict=False)]
    level, text = answer(parts)
    assert text.splitlines()[0] == first
    assert first.split()[1] == level.name
    assert len(text.splitlines()) == len(parts) + 1


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(label="a b", value=3), "'a b'=3;;;0"),
        (Figure(label="a", value=3, unit="s", most=9), "'a'=3s;;;0;9"),
        (
            Figure(label="a", value=3, unit="s", bounds=Bounds(warning=5, critical=7)),
            "'a'=3s;5;7;0",
        ),
        (
            Figure(label="a", value=3, bounds=Bounds(warning=7, critical=5, is_least=True)),
            "'a'=3;7:;5:;0",
        ),
        (Figure(label="it's=|\n", value=3), "'its/'=3;;;0"),
    ],
)
def test_figures_are_those_of_the_guidelines(figure: Figure, text: str) -> None:
    """A label cannot break out."""
    assert str(figure) == text


def test_what_a_cloud_says_cannot_begin_figures_or_lines() -> None:
    """Its words are in the findings."""
    level, text = answer(judged(seeing(error="a|b\nOK: zz\x1b[2J", listed_at=None)))
    assert level is CRITICAL
    assert text.splitlines()[0].count("|") == 1
    assert "\x1b" not in text
    assert not any(line.startswith("OK: zz") for line in text.splitlines())
