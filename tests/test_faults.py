"""The fault suite finds a manager with a broken rule, and plays the same seed alike."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.apel_runs import RUN
from tests.auditor import Ran, Window, around, audit
from tests.faults import history, live
from tests.faults.clocks import Offsets
from tests.faults.kinds import FAULTS
from tests.faults.live_kinds import OFFSETS_S, broken_edits
from tests.faults.live_site import CLOUD, CONF
from tests.faults.verdict import Harm, Verdict, harm_of, table
from tests.installation import Installation
from tests.local_host import asked, until, wait_for
from vcycled.apel.queue import Queue
from vcycled.cycle import remembering
from vcycled.model import EndSource, Machine, MachineState
from vcycled.plan import deletes
from vcycled.plan.stock import Count
from vcycled.remember import ends
from vcycled.remember.ledger import Ledger

pytestmark = pytest.mark.faults

STEPS = 20
Break = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let histories be shorter than those of the suite, and wait for no broken manager."""
    monkeypatch.setattr(history, "STEPS", STEPS)
    monkeypatch.setattr(history, "PATIENCE", 12)


def play(folder: Path, seed: int, *kinds: str) -> Verdict:
    """Play a history in which only these kinds of faults happen."""
    folder.mkdir(exist_ok=True)
    faults = {kind: FAULTS[kind] for kind in kinds} if kinds else FAULTS
    return history.play(folder / str(seed), seed, faults, tell=lambda _line: None)


def believe_every_clock(patch: pytest.MonkeyPatch) -> None:
    """Delete by age though the clock was just set."""
    patch.setattr(deletes, "JUMP_HOLD_SECONDS", 0)


def know_no_limit(patch: pytest.MonkeyPatch) -> None:
    """Ask for as many machines as the creation cap allows."""
    patch.setattr(Count, "excess", lambda *_arguments: None)


def adopt_nothing(patch: pytest.MonkeyPatch) -> None:
    """Take machines of ours that are not on record for somebody else's."""
    patch.setattr(remembering, "_adoptions", lambda *_arguments: ())


def write_no_record(patch: pytest.MonkeyPatch) -> None:
    """Say that a record was handed over, and write none."""
    patch.setattr(Queue, "_keep", lambda _queue, _messages: None)


def account_twice(patch: pytest.MonkeyPatch) -> None:
    """Give every run a second number."""
    account = Ledger.account

    def doubly(ledger: Ledger, machine: Machine, *, is_final: bool) -> None:
        account(ledger, machine, is_final=is_final)
        again = dataclasses.replace(machine, interval=machine.interval + 7)
        account(ledger, again, is_final=is_final)

    patch.setattr(Ledger, "account", doubly)


def end_at_the_next_look(patch: pytest.MonkeyPatch) -> None:
    """Take for a machine's end when that was noticed."""

    def noticed(*_arguments: object, now: int, **_more: object) -> tuple[int, EndSource]:
        return now, EndSource.SIGHTING

    patch.setattr(ends, "_end", noticed)


@pytest.mark.parametrize(
    ("broken", "kinds", "harm"),
    [
        (believe_every_clock, ["clock jumps"], Harm.KILLED),
        (know_no_limit, ["manager restarted"], Harm.EXCEEDED),
        (adopt_nothing, ["database lost"], Harm.LEAKED),
        (write_no_record, ["manager restarted"], Harm.LOST),
        (account_twice, ["manager restarted"], Harm.DOUBLED),
        (end_at_the_next_look, ["cloud cannot be reached"], Harm.WRONG),
    ],
)
def test_a_broken_rule_is_found(
    broken: Break, kinds: list[str], harm: Harm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of harm, within a few histories."""
    broken(monkeypatch)
    verdicts = (play(tmp_path, seed, *kinds) for seed in (1, 2, 3))
    assert any(harm in map(harm_of, each.problems) for each in verdicts)


@pytest.mark.parametrize(
    ("off_s", "late_s", "earliest", "latest"),
    [
        pytest.param(0, 0, 899, 1001, id="clock right"),
        pytest.param(300, 0, 599, 1301, id="clock wrong"),
        pytest.param(300, 100, 599, 1301, id="and the call took as long as nobody looked"),
        pytest.param(300, 101, 598, 1301, id="or longer"),
    ],
)
def test_no_more_is_allowed_for_than_a_wrong_clock_made_believe(
    off_s: int, late_s: int, earliest: int, latest: int, tmp_path: Path
) -> None:
    """A second beyond that is a wrong time."""
    seen = Window(earliest=900, latest=1000)
    ran = Ran(
        uuid=RUN.uuid,
        started=history.believed(seen, 1000, off_s=off_s, late_s=late_s),
        ended=around(RUN.ended_at),
        processors=RUN.processors,
        fizzle_seconds=600,
    )
    for at, is_wrong in (
        (earliest - 1, True),
        (earliest, False),
        (latest, False),
        (latest + 1, True),
    ):
        interval = dataclasses.replace(RUN, started_at=at)
        found = audit([ran], [interval], Queue(tmp_path), now=RUN.ended_at)
        assert (Harm.WRONG in map(harm_of, found)) is is_wrong


MADE_AT = 10_000
EARLY = MADE_AT - live.LATE_S


@pytest.mark.parametrize(
    ("set_right_at", "ahead_s", "slack_s", "local_slack_s"),
    [
        pytest.param(MADE_AT, 1800, 1801, 1801, id="as it was made"),
        pytest.param(MADE_AT - 1, 1800, 601, 1801, id="before, which the cloud puts right"),
        pytest.param(MADE_AT - 1, 300, 301, 301, id="before, by less than a cloud may be wrong"),
        pytest.param(EARLY, 300, 301, 301, id="as it was asked for at the earliest"),
        pytest.param(EARLY - 1, 300, 1, 1, id="before that"),
    ],
)
def test_a_clock_that_was_set_right_before_excuses_little(
    set_right_at: int, ahead_s: int, slack_s: int, local_slack_s: int
) -> None:
    """Of times of a machine, with real processes; a local one's cloud has the wrong clock too."""
    offsets = Offsets()
    offsets.note(0, ahead_s)
    offsets.note(set_right_at, 0)
    assert live.slack_s(offsets, MADE_AT, MADE_AT + 200) == slack_s
    assert live.local_slack_s(offsets, MADE_AT, MADE_AT + 200) == local_slack_s


@pytest.mark.parametrize("late_s", [0, 1])
def test_a_clock_that_is_set_back_after_an_end_excuses_it_for_so_long(late_s: int) -> None:
    """Until that end is past also by the clock that is most behind."""
    offsets, behind_s, ended_at = Offsets(), -min(OFFSETS_S), MADE_AT + 200
    offsets.note(ended_at + behind_s + late_s, -behind_s)
    slack_s = 1 if late_s else 1 + behind_s
    assert live.slack_s(offsets, MADE_AT, ended_at) == slack_s
    assert live.local_slack_s(offsets, MADE_AT, ended_at) == slack_s


@pytest.mark.parametrize(("ahead_s", "early_s"), [(-300, live.LATE_S), (0, 0), (300, 0)])
def test_only_a_clock_behind_excuses_how_long_a_request_took(ahead_s: int, early_s: int) -> None:
    """And only while it is behind."""
    offsets = Offsets()
    offsets.note(500, ahead_s)
    offsets.note(1500, 0)
    assert live.request_s(offsets, 1000) == early_s
    assert live.request_s(offsets, 499) == live.request_s(offsets, 1501) == 0


def test_the_same_seed_is_the_same_history(tmp_path: Path) -> None:
    """So that what was found can be looked at; and a healthy manager does no harm in it."""
    first, second = play(tmp_path / "a", 3), play(tmp_path / "b", 3)
    assert first == second
    assert first.problems == ()
    assert first.faults.total() > 10


def test_an_installation_leaves_no_machine_however_fast_its_clock(tmp_path: Path) -> None:
    """A machine ends in real time; what still writes cannot be removed."""
    site = Installation(tmp_path / "site", speed=1000)
    site.space.create(asked("m1", "#!/bin/sh\nsleep 1000\n"))
    wait_for(site.space, "m1", MachineState.RUNNING)
    site.close()
    assert site.here() == ()


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of the processes that were given something in `folder`."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if f"{folder}/" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_history_that_is_cut_short_leaves_nothing(number: int, tmp_path: Path) -> None:
    """It ends the processes that it started, and takes its folders away."""
    playing = subprocess.Popen(
        [sys.executable, "-m", "tests.faults", "1", "--layer", "live"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: len(processes_in(tmp_path)) >= 2)  # vcycled and vcycle-web
    finally:
        playing.send_signal(number)
        assert playing.wait(60) == 128 + number
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_table_tells_what_could_not_be_tried() -> None:
    """On a host without mount namespaces, in how many histories."""
    blind = Verdict(seed=1, layer="live", left_out=frozenset({"disk full"}))
    lines = table([blind, blind, Verdict(seed=3, layer="live")], seconds=1).splitlines()
    assert f"{'  NOT TRIED: disk full, histories':<40}{2:>8}" in lines
    assert sum("NOT TRIED" in line for line in lines) == 1


@pytest.mark.parametrize("seed", range(20))
def test_no_broken_edit_leads_a_manager_out_of_its_folder(seed: int, tmp_path: Path) -> None:
    """Whatever sections are left, ROOT is among what is left too."""
    root = f"root = {tmp_path}"
    text = CONF.format_map(defaultdict(lambda: "x", root=tmp_path, cloud=CLOUD))
    for edit in broken_edits(text, Random(seed)):
        assert root in edit.splitlines() or "[vcycle]" not in edit
        assert root in edit or "[space" not in edit


def test_the_table_tells_what_was_found_and_how_to_see_it_again() -> None:
    """By kind of harm, with the command for one history, and what that told this time."""
    bad = Verdict(
        seed=7,
        layer="live",
        faults=Counter({"disk full": 2}),
        problems=("vcycle-prod-1 (id-1): leaked",),
        told=("1800000000 fault: disk full",),
    )
    text = table([bad, Verdict(seed=8, layer="live")], seconds=3.4)
    lines = [line.split() for line in text.splitlines()]
    assert ["histories", "2"] in lines
    assert ["disk", "full", "2"] in lines
    assert ["machines", "leaked", "1"] in lines
    assert ["records", "lost", "0"] in lines
    assert "python -m tests.faults 7 --layer live\n  vcycle-prod-1 (id-1): leaked\n" in text
    assert text.endswith("    1800000000 fault: disk full")
