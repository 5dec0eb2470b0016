"""Local machines are real: they start, run, end, survive the manager and leave nothing."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.local_host import (
    BARE,
    FOREVER,
    NAME,
    PATIENCE_S,
    SPACE,
    LocalHost,
    asked,
    ended,
    needs_sandbox,
    until,
    wait_for,
)
from vcycled.clock import SystemClock
from vcycled.errors import Unavailable
from vcycled.model import MachineState
from vcycled.spaces.local import LocalOptions, LocalSpace, launch, process, shim
from vcycled.testing.clock import FastClock


@pytest.fixture(params=["sandbox", "bare"])
def options(request: pytest.FixtureRequest) -> LocalOptions:
    """Return options for both ways to run a machine."""
    if request.param == "bare":
        return BARE
    needs_sandbox()
    return LocalOptions(sandbox="require")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LocalHost]:
    """Give a host; end whatever the test left on it."""
    host = LocalHost(tmp_path)
    yield host
    host.end()


@pytest.fixture
def space(host: LocalHost, options: LocalOptions) -> LocalSpace:
    """Return a connected space."""
    return host.space(options=options)


# A machine's life


def test_a_machine_runs_its_user_data_and_ends_with_it(space: LocalSpace, host: LocalHost) -> None:
    """Its times are those of the user_data, whatever its exit status."""
    # By the kernel's stamps, whose clock may be some milliseconds behind the one that is asked.
    (host.folder / "before").touch()
    before = host.clock.of_stamp((host.folder / "before").stat().st_mtime)
    space.create(asked(user_data="#!/bin/sh\necho I am $VCYCLE_MACHINE\nexit 7\n"))
    machine = wait_for(space, NAME, MachineState.SHUTDOWN)
    assert host.console(NAME) == f"I am {NAME}\n"
    assert machine.created_at is not None
    assert machine.started_at is not None
    assert machine.stopped_at is not None
    assert before <= machine.created_at <= machine.started_at <= machine.stopped_at
    assert machine.stopped_at <= host.clock.now()
    assert (machine.fault, machine.address) == ("", "127.0.0.1")
    assert (host.of(NAME) / "exit").read_text(encoding="utf-8") == "exit 7\n"


def test_nothing_of_a_machine_is_left_once_it_is_deleted(
    space: LocalSpace, host: LocalHost
) -> None:
    """No process, however it hid, no mount, no folder."""
    script = (
        "#!/bin/sh\n(setsid sleep 600 &)\nmkdir -p $TMPDIR/a/b; chmod 0 $TMPDIR/a\nsleep 600\n"
    )
    space.create(asked(user_data=script))
    wait_for(space, NAME, MachineState.RUNNING)
    until(lambda: len(host.sleepers(NAME)) == 2)
    space.delete(NAME)
    until(lambda: space.find(NAME) is None)
    assert host.processes(NAME) == []
    assert str(host.folder) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert [each.name for each in (host.folder / SPACE).iterdir()] == [".lock"]


def test_what_the_user_data_leaves_running_ends_with_it(
    space: LocalSpace, host: LocalHost
) -> None:
    """A machine is over when its user_data is; its files go at once."""
    space.create(asked(user_data="#!/bin/sh\n(setsid sleep 600 &)\nsleep 600 &\n"))
    wait_for(space, NAME, MachineState.SHUTDOWN)
    until(lambda: host.processes(NAME) == [])
    until(lambda: not (host.of(NAME) / "fs").exists())


@pytest.mark.parametrize(
    "command",
    ["poweroff", "shutdown -h +5", "halt", "reboot", "systemctl --no-wall poweroff"],
)
def test_power_off_commands_end_the_machine(
    space: LocalSpace, host: LocalHost, command: str
) -> None:
    """At once, whatever they are told about when."""
    space.create(asked(user_data=f"#!/bin/sh\necho bye\n{command}\nsleep 600\n"))
    wait_for(space, NAME, MachineState.SHUTDOWN)
    assert (host.of(NAME) / "exit").read_text(encoding="utf-8") == "power-off\n"
    assert host.console(NAME) == "bye\n"


def test_other_verbs_of_systemctl_fail_and_end_nothing(space: LocalSpace, host: LocalHost) -> None:
    """There is no systemd in a machine."""
    said = ended(space, host, "#!/bin/sh\nsystemctl restart x || echo $?\n")
    assert said == "systemctl: there is no systemd in a local machine\n1\n"


def test_a_machine_that_is_deleted_may_say_goodbye(space: LocalSpace, host: LocalHost) -> None:
    """SIGTERM comes first, to what runs in the background too, and its first process waits."""
    script = """#!/bin/bash
    (trap 'sleep 0.3; echo goodbye; exit' TERM; echo ready; sleep 600 & wait) &
    sleep 600
    echo the next step is never begun
    """
    space.create(asked(user_data=script.replace("    #!", "#!")))
    until(lambda: "ready" in host.console(NAME))
    console = os.open(host.of(NAME) / "console.log", os.O_RDONLY)
    space.delete(NAME)
    until(lambda: space.find(NAME) is None)
    assert os.pread(console, 1000, 0) == b"ready\ngoodbye\n"
    os.close(console)


def test_a_machine_that_will_not_go_is_killed_after_the_grace(host: LocalHost) -> None:
    """Deleting never blocks: the shim sees to it, and until then the machine is listed."""
    space = host.space(options=BARE)
    space.create(asked(user_data="#!/bin/sh\ntrap '' TERM\necho ready\nsleep 600\n"))
    until(lambda: "ready" in host.console(NAME))
    start = host.clock.monotonic()
    space.delete(NAME)
    machine = space.find(NAME)
    assert machine is not None
    assert machine.state is MachineState.DELETING
    until(lambda: space.find(NAME) is None)
    assert host.clock.monotonic() - start >= shim.GRACE_S
    assert host.processes(NAME) == []


def test_a_machine_finds_its_features_and_nothing_of_ours(
    space: LocalSpace, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URLs of its tags, its name, and no variable of the manager."""
    monkeypatch.setenv("VCYCLE_PASSWORD", "secret")
    tags = {"machinefeatures": "https://h/mf", "jobfeatures": "https://h/jf", "joboutputs": "o"}
    space.create(asked(user_data="#!/bin/sh\nenv\n", tags=tags))
    wait_for(space, NAME, MachineState.SHUTDOWN)
    found = dict(line.split("=", 1) for line in host.console(NAME).splitlines())
    expected = {"MACHINEFEATURES": "https://h/mf", "JOBFEATURES": "https://h/jf"}
    expected |= {"JOBOUTPUTS": "o", "VCYCLE_MACHINE": NAME}
    assert {key: found[key] for key in expected} == expected
    shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    ours = {"VCYCLE_MACHINE_ID", "HOME", "LANG", "PATH", "TAR_OPTIONS", "TMPDIR"}
    assert set(found) - shell == set(expected) | ours


def test_a_machine_writes_no_cores_and_yields_to_the_host(
    space: LocalSpace, host: LocalHost
) -> None:
    """Whatever the manager may do."""
    allowed = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (allowed[1], allowed[1]))
    try:
        script = "#!/bin/bash\nulimit -c; nice; cat /proc/self/oom_score_adj\n"
        niceness = min(os.nice(0) + 10, 19)
        assert ended(space, host, script).split() == ["0", f"{niceness}", "500"]
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, allowed)


def test_broken_pipes_kill_as_they_do_elsewhere(space: LocalSpace, host: LocalHost) -> None:
    """Python ignores SIGPIPE; a machine must not inherit that."""
    assert ended(space, host, "#!/bin/bash\nyes | head -1\necho ${PIPESTATUS[0]}\n") == "y\n141\n"


def test_a_secret_in_the_user_data_is_seen_by_nobody(space: LocalSpace, host: LocalHost) -> None:
    """Not in a list of processes, not in a file that others may read, and gone with the run."""
    space.create(asked(user_data=f"{FOREVER}# token-7f3a\n"))
    wait_for(space, NAME, MachineState.RUNNING)
    assert host.processes("token-7f3a") == []
    holders = [
        path
        for path in host.of(NAME).rglob("*")
        if path.is_file() and b"token-7f3a" in path.read_bytes()
    ]
    assert [path.stat().st_mode & 0o077 for path in holders] == [0]
    assert host.of(NAME).stat().st_mode & 0o077 == 0
    assert (host.of(NAME) / "fs").stat().st_mode & 0o077 == 0
    assert (host.folder / SPACE).stat().st_mode & 0o077 == 0
    space.delete(NAME)
    until(lambda: space.find(NAME) is None)


# Every state


def test_a_machine_is_shown_starting_during_the_start_delay(
    host: LocalHost, options: LocalOptions
) -> None:
    """And can be deleted in it, without ever having run."""
    space = host.space(options=replace(options, start_delay_seconds=600))
    space.create(asked())
    machine = space.find(NAME)
    assert machine is not None
    assert (machine.state, machine.started_at) == (MachineState.STARTING, None)
    space.delete(NAME)
    until(lambda: space.find(NAME) is None)
    assert host.processes() == []


def test_delays_are_in_seconds_of_the_managers_clock(host: LocalHost) -> None:
    """A clock that runs five thousand times faster makes the start delay as much shorter."""
    host.clock = FastClock(origin=SystemClock().now(), speed=5000)
    space = host.space(options=replace(BARE, start_delay_seconds=600, delete_delay_seconds=600))
    space.create(asked())
    machine = wait_for(space, NAME, MachineState.RUNNING)
    assert machine.created_at is not None
    assert machine.started_at is not None
    assert 600 <= machine.started_at - machine.created_at < 600 * 5000
    space.delete(NAME)
    until(lambda: space.find(NAME) is None)


def test_a_machine_is_shown_deleting_during_the_delete_delay(host: LocalHost) -> None:
    """Although nothing of it runs any more."""
    space = host.space(options=replace(BARE, delete_delay_seconds=600))
    space.create(asked())
    wait_for(space, NAME, MachineState.RUNNING)
    space.delete(NAME)
    until(lambda: host.is_over(NAME))
    assert host.processes() == []
    assert [each.state for each in space.machines()] == [MachineState.DELETING]
    assert host.space(options=BARE).machines() == ()


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_the_machines_fails(host: LocalHost, share: float) -> None:
    """By the chance that the test gives."""
    space = host.space(options=replace(BARE, failure_share=share), rng=random.Random(1))
    draws = random.Random(1)
    expected = {f"m{number}": draws.random() < share for number in range(8)}
    for name in expected:
        space.create(asked(name))
    found = {each.name: each.state is MachineState.FAILED for each in space.machines()}
    assert found == expected
    for name in expected:
        space.delete(name)
    until(lambda: space.machines() == ())


def test_a_machine_whose_shim_was_killed_is_unknown(space: LocalSpace, host: LocalHost) -> None:
    """What it ran dies with the shim, or when it is deleted, and its folder goes all the same."""
    space.create(asked(user_data="#!/bin/sh\n(setsid sleep 600 &)\nsleep 600\n"))
    wait_for(space, NAME, MachineState.RUNNING)
    until(lambda: len(host.sleepers(NAME)) == 2)
    os.kill(host.shim_pid(NAME), signal.SIGKILL)
    machine = wait_for(space, NAME, MachineState.UNKNOWN)
    assert machine.stopped_at is None
    space.delete(NAME)
    until(lambda: space.find(NAME) is None)
    until(lambda: host.processes(NAME) == [])
    assert not host.of(NAME).exists()


def test_a_sandbox_dies_with_its_shim(host: LocalHost) -> None:
    """The kernel ends it: nothing runs on that nobody looks after."""
    needs_sandbox()
    space = host.space()
    space.create(asked(user_data="#!/bin/sh\n(setsid sleep 600 &)\nsleep 600\n"))
    wait_for(space, NAME, MachineState.RUNNING)
    until(lambda: len(host.sleepers(NAME)) == 2)
    os.kill(host.shim_pid(NAME), signal.SIGKILL)
    until(lambda: host.processes(NAME) == [])


# The manager comes and goes


MANAGER = """
import os, signal, sys
from tests.local_host import *
from vcycled.clock import SystemClock
options = LocalOptions(local_dir=sys.argv[1], sandbox="none", allow_root_without_sandbox=True)
space = LocalSpace(SPACE, options, clock=SystemClock())
space.create(asked(sys.argv[2]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_machines_outlive_the_manager_and_leave_it_no_zombie(host: LocalHost) -> None:
    """The next one finds them as they are, by pid and start."""
    before = set(shim.children().get(os.getpid(), []))  # of other tests: servers that stay up
    command = [sys.executable, "-c", MANAGER, str(host.folder), NAME]
    manager = subprocess.run(command, check=False, timeout=PATIENCE_S)
    assert manager.returncode == -signal.SIGKILL
    space = host.space(options=BARE)
    assert wait_for(space, NAME, MachineState.RUNNING).name == NAME
    stat = Path(f"/proc/{host.shim_pid(NAME)}/stat").read_text(encoding="utf-8")
    session = stat.rpartition(")")[2].split()[3]
    assert int(session) == host.shim_pid(NAME)
    assert set(shim.children().get(os.getpid(), [])) <= before
    space.delete(NAME)
    until(lambda: space.find(NAME) is None)


def test_a_pid_that_somebody_else_has_now_is_not_the_shim(host: LocalHost) -> None:
    """It is left alone."""
    space = host.space(options=BARE)
    space.create(asked())
    wait_for(space, NAME, MachineState.RUNNING)
    os.kill(host.shim_pid(NAME), signal.SIGKILL)
    pid, ticks, boot = process.own().split()
    record = f"{pid} {int(ticks) - 1} {boot}"
    (host.of(NAME) / "shim").write_text(record, encoding="utf-8")
    machine = space.find(NAME)
    assert machine is not None
    assert machine.state is MachineState.UNKNOWN
    space.delete(NAME)
    assert space.find(NAME) is None


def test_a_machine_deleted_before_its_shim_stood_never_runs(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deleted it found nobody to signal; the shim looks for the mark itself."""
    space = host.space(options=BARE)
    start = launch.start

    def delete_then_start(folder: Path, *arguments: object) -> None:
        host.space(options=BARE).delete(folder.name)
        start(folder, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(launch, "start", delete_then_start)
    space.create(asked())
    monkeypatch.undo()
    until(lambda: space.find(NAME) is None)
    assert host.processes() == []


def test_a_shim_that_does_not_start_leaves_no_machine(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is said to be unknown, which is what the manager looks after."""
    space = host.space(options=BARE)
    monkeypatch.setattr(launch, "_PYTHON", ("/bin/false",))
    with pytest.raises(Unavailable, match="the shim ended with status 1"):
        space.create(asked())
    monkeypatch.setattr(launch, "_PYTHON", ("/nonexistent",))
    with pytest.raises(Unavailable, match="nonexistent"):
        space.create(asked())
    assert space.machines() == ()
    assert [each.name for each in (host.folder / SPACE).iterdir()] == [".lock"]


def test_what_a_killed_manager_left_is_cleared_by_the_next(host: LocalHost) -> None:
    """But not what one that lives is just making."""
    host.space(options=BARE)
    root = host.folder / SPACE
    mine = process.own().replace(" ", "_")
    pid, ticks, boot = mine.split("_")
    old = (f".draft-0-{pid}_{int(ticks) - 1}_{boot}", ".draft-0-", ".gone-x-1")
    kept = (f".draft-1-{mine}", ".snapshot-1")
    for name in (*old, *kept):
        (root / name / "fs/closed/in").mkdir(parents=True)
    (root / ".gone-x-1/fs/closed").chmod(0)
    space = host.space(options=BARE)
    assert {each.name for each in root.iterdir()} == set(kept)
    assert space.machines() == ()
