"""A copy of this host that runs systemd, changes nothing outside, and is forgotten at its end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.openstack_bed.processes import wait_until

BOOT = Path(__file__).with_name("boot.sh")
PACKAGES = Path("/packages")
"""Where a copy shows the folder of packages that it was given."""
PATIENCE_S = 120.0
COMMAND_S = 240.0
"""How long one command may take: dpkg unpacks 10,000 files, while packages are built beside it."""
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}


class Guest:
    """The copy, by the process that is its init."""

    def __init__(self, init: int) -> None:
        self._init = init

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in it as root; what it says on both streams is in `stdout`."""
        return subprocess.run(
            ["nsenter", "--target", str(self._init), "--all", "--root", "--wd", *command],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENVIRONMENT,
            timeout=COMMAND_S,
            check=False,
        )

    def do(self, *command: str, stdin: str = "") -> str:
        """Run a command that must succeed; return what it says."""
        done = self.run(*command, stdin=stdin)
        if done.returncode:
            pytest.fail(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file in it, keeping owner and mode of one that is there."""
        self.do("sh", "-c", f"cat >{path}", stdin=text)

    def until(self, *command: str) -> None:
        """Wait until a command succeeds; what the journal says is told if it never does."""
        if not wait_until(lambda: self.run(*command).returncode == 0, PATIENCE_S):
            journal = self.run("journalctl", "--no-pager", "--lines=40").stdout
            pytest.fail(f"{' '.join(command)}: never succeeded\n{journal}")


@contextmanager
def booted(folder: Path, packages: Path) -> Iterator[Guest]:
    """Boot a copy on an empty folder; all its processes are gone at the end."""
    with _own_cgroup() as cgroup:
        join = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
        apart = ["unshare", *NAMESPACES, "--fork", "--kill-child"]
        with subprocess.Popen(
            ["sh", "-c", join, str(cgroup), *apart, str(BOOT), str(folder), str(packages)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield _once_up(process.pid)
            finally:
                _end(process)


def _once_up(parent: int) -> Guest:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    assert wait_until(lambda: bool(children.read_text()), PATIENCE_S)
    guest = Guest(int(children.read_text()))
    guest.until("systemctl", "is-active", "nothing.target")
    return guest


def _end(process: subprocess.Popen[bytes]) -> None:
    """End its init, and with it all that it runs."""
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    process.wait(PATIENCE_S)


@contextmanager
def _own_cgroup() -> Iterator[Path]:
    """Make a control group (version 2) for it, which its systemd takes for the topmost."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    top = next(Path(each[1]) for each in mounts if each[2] == "cgroup2")
    cgroup = top / f"vcycle-packages-{os.getpid()}"
    cgroup.mkdir()
    try:
        yield cgroup
    finally:
        wait_until(lambda: _is_empty(cgroup), PATIENCE_S)
        for folder, _, _ in os.walk(cgroup, topdown=False):
            Path(folder).rmdir()


def _is_empty(cgroup: Path) -> bool:
    return "populated 0" in (cgroup / "cgroup.events").read_text()
