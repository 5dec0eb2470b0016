"""What a machine's folder tells: every state there is, and none by guess."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.local_host import until
from vcycled.clock import SystemClock
from vcycled.model import MachineState
from vcycled.spaces.local import machine, process, shim
from vcycled.spaces.local.machine import DamagedError, LocalMachine, Request
from vcycled.testing.clock import START

HERE = f"77 4242 {shim.boot()}"
"""A shim that is of this boot of the host."""
BEFORE = "77 4242 00000000-0000-0000-0000-000000000000"
"""One of an earlier boot."""

REQUEST = Request(
    name="vcycle-prod-0123456789",
    cloud_id="vcycle-prod-0123456789-00c0ffee",
    flavor="small",
    processors=1,
    memory_mb=2048,
    zone="",
    tags={"name": "vcycle-prod-0123456789"},
    creator=HERE,
    is_doomed=False,
)
MADE = LocalMachine(request=REQUEST, created_at=START)
RUNNING = replace(MADE, shim=HERE, is_alive=True, started_at=START + 5)
DOOMED = replace(MADE, request=replace(REQUEST, is_doomed=True))


@pytest.mark.parametrize(
    ("found", "state", "fault"),
    [
        pytest.param(
            replace(MADE, is_alive=True), MachineState.STARTING, "", id="its creator is at it"
        ),
        pytest.param(
            replace(MADE, shim=HERE, is_alive=True), MachineState.STARTING, "", id="a shim waits"
        ),
        pytest.param(RUNNING, MachineState.RUNNING, "", id="it runs"),
        pytest.param(
            replace(RUNNING, is_alive=False), MachineState.UNKNOWN, "", id="its shim was killed"
        ),
        pytest.param(
            replace(RUNNING, is_alive=False, shim=BEFORE),
            MachineState.SHUTDOWN,
            machine.RESTARTED,
            id="the host was restarted",
        ),
        pytest.param(MADE, MachineState.FAILED, machine.NEVER_STARTED, id="its creator died"),
        pytest.param(
            replace(MADE, request=replace(REQUEST, creator=BEFORE)),
            MachineState.SHUTDOWN,
            machine.RESTARTED,
            id="its creator died with the host",
        ),
        pytest.param(
            replace(RUNNING, outcome="exit 1"), MachineState.SHUTDOWN, "", id="it ended by itself"
        ),
        pytest.param(
            replace(RUNNING, outcome="power-off", is_alive=False),
            MachineState.SHUTDOWN,
            "",
            id="it was powered off",
        ),
        pytest.param(
            replace(MADE, shim=HERE, outcome="failed mount: no"),
            MachineState.FAILED,
            "mount: no",
            id="it never ran",
        ),
        pytest.param(
            replace(RUNNING, deleting_at=START), MachineState.DELETING, "", id="it is deleted"
        ),
        pytest.param(
            replace(RUNNING, deleting_at=START, outcome="exit 0"),
            MachineState.DELETING,
            "",
            id="it was deleted after its end",
        ),
    ],
)
def test_every_state_has_its_signs(found: LocalMachine, state: MachineState, fault: str) -> None:
    """The most certain sign decides."""
    assert found.verdict(now=START, start_delay_s=0) == (state, fault)


@pytest.mark.parametrize(
    ("passed_s", "state"),
    [(29, MachineState.STARTING), (30, MachineState.FAILED), (31, MachineState.FAILED)],
)
def test_a_doomed_machine_fails_when_it_would_have_run(passed_s: int, state: MachineState) -> None:
    """To the second, and although no process ever stood behind it."""
    assert DOOMED.verdict(now=START + passed_s, start_delay_s=30)[0] is state


@pytest.mark.parametrize(
    ("found", "passed_s", "is_due"),
    [
        pytest.param(MADE, 1000, False, id="nobody deleted it"),
        pytest.param(replace(MADE, deleting_at=START), 29, False, id="a second too early"),
        pytest.param(replace(MADE, deleting_at=START), 30, True, id="on time"),
        pytest.param(replace(RUNNING, deleting_at=START), 1000, False, id="its shim still works"),
        pytest.param(replace(DOOMED, deleting_at=START, is_alive=True), 30, True, id="doomed"),
    ],
)
def test_a_folder_goes_when_it_was_deleted_long_enough(
    found: LocalMachine, passed_s: int, is_due: bool
) -> None:
    """And nothing can be running any more."""
    assert found.is_due(now=START + passed_s, delete_delay_s=30) is is_due


def written(folder: Path, **records: str) -> Path:
    """Make a machine's folder with these records."""
    REQUEST.write(folder)
    for name, text in records.items():
        (folder / name).write_text(text, encoding="utf-8")
        os.utime(folder / name, (START, START))
    os.utime(folder / "request.json", (START - 9, START - 9))
    return folder


def test_a_folder_is_read_with_all_its_times(tmp_path: Path) -> None:
    """Times are those of the files, and a request comes back as it was written."""
    folder = written(tmp_path, shim=f"{HERE}\n", started="\n", exit="exit 3\n", deleting="")
    assert machine.read(folder, SystemClock()) == LocalMachine(
        request=REQUEST,
        created_at=START - 9,
        shim=HERE,
        started_at=START,
        stopped_at=START,
        outcome="exit 3",
        deleting_at=START,
    )


def test_a_shim_is_alive_by_pid_and_start(tmp_path: Path) -> None:
    """A process that merely got its pid is somebody else."""
    mine = process.own()
    pid, ticks, boot = mine.split()
    clock = SystemClock()
    for identity, is_alive in (
        (mine, True),
        (f"{pid} {int(ticks) - 1} {boot}", False),
        (f"{pid} {ticks} {BEFORE.split()[2]}", False),
    ):
        found = machine.read(written(tmp_path, shim=identity), clock)
        assert found is not None
        assert found.is_alive is is_alive


def test_until_there_is_a_shim_its_creator_counts(tmp_path: Path) -> None:
    """A machine is not called dead while the manager is just starting it."""
    replace(REQUEST, creator=process.own()).write(tmp_path)
    found = machine.read(tmp_path, SystemClock())
    assert found is not None
    assert found.is_alive
    assert found.shim == ""


def test_a_folder_without_a_request_is_no_machine(tmp_path: Path) -> None:
    """A mount point has its lost+found, and an operator leaves a note."""
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "README").write_text("hands off", encoding="utf-8")
    for name in ("lost+found", "README", "nothing"):
        assert machine.read(tmp_path / name, SystemClock()) is None


class Meddling(SystemClock):
    """A clock that does something to a folder while it is being read."""

    def __init__(self, meddle: Callable[[], None]) -> None:
        self._meddle = [meddle]

    def of_stamp(self, stamp: float) -> int:
        """Meddle, the first time."""
        if self._meddle:
            self._meddle.pop()()
        return super().of_stamp(stamp)


def test_a_machine_that_goes_while_it_is_read_is_gone(tmp_path: Path) -> None:
    """Its records vanish one after another; what is left of them means nothing."""
    folder = tmp_path / "m"
    folder.mkdir()
    written(folder, shim=process.own(), started="")
    clock = Meddling(lambda: shutil.rmtree(folder))
    assert machine.read(folder, clock) is None


def test_a_machine_that_is_made_anew_while_it_is_read_is_the_new_one(tmp_path: Path) -> None:
    """And has nothing of the old one."""
    folder = tmp_path / "m"
    folder.mkdir()
    written(folder, exit="exit 0")
    new = replace(REQUEST, cloud_id=f"{REQUEST.name}-11111111", creator=process.own())

    def meddle() -> None:
        (folder / "exit").unlink()
        new.write(folder)

    found = machine.read(folder, Meddling(meddle))
    assert found is not None
    assert (found.request, found.outcome) == (new, "")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "x"}', '{"new": 1}'])
def test_damage_is_seen(tmp_path: Path, text: str) -> None:
    """It is named, not taken for absence: the manager would count too little."""
    (tmp_path / "request.json").write_text(text, encoding="utf-8")
    with pytest.raises(DamagedError, match=r"request\.json is damaged"):
        machine.read(tmp_path, SystemClock())


def test_deleting_is_since_it_was_first_asked_for(tmp_path: Path) -> None:
    """Asking again starts nothing anew."""
    folder = written(tmp_path, deleting="")
    machine.mark_deleting(folder)
    found = machine.read(folder, SystemClock())
    assert found is not None
    assert found.deleting_at == START


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("vcycle-prod-0123456789", True),
        ("a.b_c-D9", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        (".", False),
        ("..", False),
        (".hidden", False),
        ("-f", False),
        ("a/b", False),
        ("../a", False),
        ("a\0b", False),
        ("a b", False),
        ("a\n", False),
        ("é", False),
        ("٣", False),
    ],
)
def test_only_plain_names_are_folders(name: str, is_good: bool) -> None:
    """Nothing that leads elsewhere, hides, or is an option to a command."""
    assert machine.is_folder_name(name) is is_good


def test_an_identity_is_of_one_process_only() -> None:
    """It is empty once the process has ended, also while it waits to be buried."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        identity = shim.identity(child.pid)
        assert process.pid_of(identity) == child.pid
        assert process.is_alive(identity)
        assert process.is_of_this_boot(identity)
        assert identity != process.own()
        process.terminate(identity.replace(" ", " 1", 1))
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"still here\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"still here\n"
        process.terminate(identity)
        assert child.stdout.read() == b""
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not process.is_alive(identity)
        process.terminate(identity)
    assert not process.is_alive(identity)
    process.terminate(identity)
    assert child.returncode == -15


def test_no_identity_is_nobody() -> None:
    """And a signal to it goes nowhere."""
    assert process.pid_of("") == 0
    assert not process.is_alive("")
    process.terminate("")


def test_marked_processes_are_killed_and_no_others() -> None:
    """By a whole variable, not by a part of one."""
    alike = subprocess.Popen(["/bin/sleep", "60"], env={"MARK": "machine-10"})
    marked = subprocess.Popen(["/bin/sleep", "60"], env={"MARK": "machine-1", "B": "2"})
    try:
        # For a moment after its exec a process has no environment yet.
        until(lambda: b"MARK" in Path(f"/proc/{marked.pid}/environ").read_bytes())
        process.kill_marked(b"MARK=machine-1")
        assert marked.wait(timeout=60) == -9
        assert alike.poll() is None
    finally:
        alike.kill()
        alike.wait(timeout=60)
