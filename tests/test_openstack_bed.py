"""The parts of the OpenStack bed that can be tested without one."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.openstack_bed import packages, settings
from tests.openstack_bed.lifecycle import down, held, status
from tests.openstack_bed.places import PORTS, Bed, usual_bed
from tests.openstack_bed.processes import (
    BedError,
    Service,
    await_port,
    is_running,
    run,
    start,
    stop,
    wait_until,
)
from tests.ports import free_port

RUN_EACH = Path(__file__).parent / "openstack_bed" / "host" / "run_each.py"
FAMILY = "sleep 60 & sleep 60 & wait"


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """Return a bed in which nothing runs; at the end nothing does again."""
    made = Bed(folder=tmp_path / "bed")
    for folder in (made.etc, made.var, made.log, made.run):
        folder.mkdir(parents=True)
    yield made
    for name in status(made):
        stop(made, name, 1.0)


def family(bed: Bed, *, is_stubborn: bool = False) -> Service:
    """Start a service of three processes."""
    ignore = "trap '' TERM; " if is_stubborn else ""
    service = Service(name="family", command=("/bin/sh", "-c", ignore + FAMILY))
    start(bed, service)
    return service


def members(bed: Bed) -> list[int]:
    """Return the pids of the service's process group."""
    leader = (bed.run / "family").read_text().split()[0]
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if group(path) == leader]


def group(process: Path) -> str:
    """Return the number of the group of a process; "" if it has ended."""
    state, _, number = stat(process)
    return "" if state in "ZX" else number


def stat(process: Path) -> list[str]:
    """Return state, parent and group of a process; "X" if there is none."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return ["X", "", ""]


@pytest.mark.parametrize("is_stubborn", [False, True])
def test_a_service_ends_with_all_its_processes(bed: Bed, is_stubborn: bool) -> None:
    """By SIGTERM, or by force if that does not help; nothing of it stays recorded."""
    family(bed, is_stubborn=is_stubborn)
    assert wait_until(lambda: len(members(bed)) == 3, 60)
    ours = [Path(f"/proc/{pid}") for pid in members(bed)]
    stop(bed, "family", 0.5)
    assert wait_until(lambda: not any(map(group, ours)), 60)
    assert status(bed) == {}


def test_a_service_that_is_held_does_nothing_and_then_goes_on(bed: Bed) -> None:
    """With all its processes, and also if what is done meanwhile fails."""
    family(bed)
    assert wait_until(lambda: len(members(bed)) == 3, 60)
    ours = [Path(f"/proc/{pid}") for pid in members(bed)]

    def states() -> set[str]:
        return {stat(each)[0] for each in ours}

    def fail() -> None:
        with held(bed, "family"):
            assert wait_until(lambda: states() == {"T"}, 60)
            raise OSError("no cloud")

    with pytest.raises(OSError, match="no cloud"):
        fail()
    assert wait_until(lambda: states() == {"S"}, 60)


def test_a_service_that_does_not_run_cannot_be_held(bed: Bed) -> None:
    """It is named, and so is its log."""
    with (
        pytest.raises(BedError, match=r"family does not run; see .*family\.out"),
        held(bed, "family"),
    ):
        pass


def test_what_runs_is_not_started_twice(bed: Bed) -> None:
    """So that `up` may be repeated."""
    service = family(bed)
    before = (bed.run / "family").read_text()
    start(bed, service)
    assert (bed.run / "family").read_text() == before


def test_a_pid_that_another_process_has_is_not_signalled(bed: Bed) -> None:
    """What is recorded names the start of the process too."""
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        (bed.run / "keystone").write_text(f"{bystander.pid} 1 another-boot")
        assert status(bed) == {"keystone": False}
        stop(bed, "keystone", 0.5)
        assert bystander.poll() is None
        assert status(bed) == {}
    finally:
        bystander.kill()
        bystander.wait()


def test_a_port_that_is_taken_is_named(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its number and who needs it; nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setitem(PORTS, "keystone", listener.getsockname()[1])
        with pytest.raises(BedError, match=r"port \d+ on 127.0.0.1 is taken, keystone needs it"):
            start(bed, Service(name="keystone", command=("true",)))
    assert status(bed) == {}


def test_a_service_that_ends_at_once_is_told_with_its_last_words(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only after a long wait for its port."""
    monkeypatch.setitem(PORTS, "keystone", free_port())
    start(bed, Service(name="keystone", command=("/bin/sh", "-c", "echo no such thing; exit 3")))
    with pytest.raises(BedError, match=r"(?s)keystone: ended.*no such thing"):
        await_port(bed, "keystone", 60)


def test_a_service_that_is_not_installed_is_named(bed: Bed) -> None:
    """As a package that somebody removed half."""
    with pytest.raises(BedError, match="family: there is no program no-such-program"):
        start(bed, Service(name="family", command=("no-such-program",)))
    assert status(bed) == {}


def test_a_program_that_fails_is_told_with_its_last_words(bed: Bed) -> None:
    """And the log in which the rest stands."""
    with pytest.raises(BedError, match=r"(?s)failed with 4; .*tables\.out.*out of luck"):
        run(bed, "tables", "/bin/sh", "-c", "echo out of luck >&2; exit 4")


def test_programs_of_the_system_see_nothing_of_ours(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No virtual environment, no proxy, no cloud."""
    for name in ("VIRTUAL_ENV", "PYTHONPATH", "https_proxy", "OS_CLOUD"):
        monkeypatch.setenv(name, "ours")
    said = run(bed, "environment", "env", EXTRA="theirs")
    assert "ours" not in said
    assert "EXTRA=theirs" in said


def test_an_empty_bed_is_brought_down_without_a_word_of_trouble(tmp_path: Path) -> None:
    """Whether it ever was up or not; with `wipe` nothing is left but its lock."""
    said: list[str] = []
    down(Bed(folder=tmp_path / "never"), said.append)
    assert said == ["there is no bed"]
    bed = Bed(folder=tmp_path / "bed")
    (bed.var / "mariadb").mkdir(parents=True)
    bed.clouds.write_text("clouds: {}")
    down(bed, said.append, wipe=True)
    assert sorted(path.name for path in bed.folder.iterdir()) == ["lock"]


def test_every_address_of_the_bed_is_on_the_loopback_interface(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In all files that services read; nobody else is to reach accounts with a known password."""
    monkeypatch.setattr(settings, "PASTE", bed.folder / "paste.ini")
    (bed.folder / "paste.ini").write_text("")
    settings.write_all(bed)
    text = "".join(path.read_text() for path in sorted(bed.etc.iterdir())) + bed.clouds.read_text()
    assert set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)) == {"127.0.0.1"}
    assert "{127,0,0,1}" in text
    assert "0.0.0.0" not in text
    assert bed.clouds.stat().st_mode & 0o777 == 0o600


def test_packages_that_are_missing_are_named_to_who_cannot_install_them(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only root can."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BedError, match="only root can install them: keystone nova-api"):
        packages.install(bed, ("keystone", "nova-api"))


def test_a_host_without_dpkg_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bed is Debian's."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BedError, match="Debian 12"):
        packages.missing()


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By OPENSTACK_BED; else it is in the user's cache."""
    monkeypatch.setenv("OPENSTACK_BED", str(tmp_path))
    assert usual_bed().folder == tmp_path
    monkeypatch.delenv("OPENSTACK_BED")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert usual_bed().folder == Path("/home/somebody/.cache/vcycle-openstack-bed")


def each(tmp_path: Path, *runs: str) -> subprocess.CompletedProcess[str]:
    """Run a small program several times in one process, as the bed does with OpenStack's."""
    (tmp_path / "program.py").write_text(
        "import sys\n\ndef main():\n    print(sys.argv[1:])\n    return 'bad' in sys.argv and 5\n"
    )
    return subprocess.run(
        [sys.executable, str(RUN_EACH), "program", "--", "--conf=x", *runs],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_program_is_run_once_for_each_part_of_the_line(tmp_path: Path) -> None:
    """With what is common to all in front."""
    done = each(tmp_path, "--", "db", "sync", "--", "bootstrap")
    assert done.stdout.splitlines() == ["['--conf=x', 'db', 'sync']", "['--conf=x', 'bootstrap']"]
    assert done.returncode == 0


def test_the_first_run_that_fails_is_the_last(tmp_path: Path) -> None:
    """Half made tables must not pass for whole ones."""
    done = each(tmp_path, "--", "good", "--", "bad", "--", "never")
    assert (done.returncode, "never" in done.stdout) == (1, False)
    assert "bad: ended with 5" in done.stderr


def test_a_process_group_that_is_gone_is_no_trouble(bed: Bed) -> None:
    """Somebody may have ended a service by hand."""
    family(bed)
    for pid in members(bed):
        os.kill(pid, 9)
    assert wait_until(lambda: not is_running(bed, "family"), 60)
    assert status(bed) == {"family": False}
    stop(bed, "family", 0.5)
    assert status(bed) == {}
