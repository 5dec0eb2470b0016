"""Local machines for tests: real processes in a folder of the test, and none left after it."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from vcycled.clock import Clock, SystemClock
from vcycled.spaces.base import CreateRequest, ListedMachine, MachineState
from vcycled.spaces.local import LocalOptions, LocalSpace
from vcycled.spaces.local.process import is_alive, pid_of

SPACE = "test.local"
NAME = f"vcycle-prod-{os.urandom(5).hex()}"
"""Of this run of the tests only: others may be running beside it."""
FOREVER = "#!/bin/sh\nexec sleep 600\n"
PATIENCE_S = 60
BARE = LocalOptions(sandbox="none", allow_root_without_sandbox=True)
"""Machines without a sandbox."""


class LocalHost:
    """A host for local machines: one folder, and the spaces that tests make of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "local"
        self.clock: Clock = SystemClock()

    def space(
        self, *, options: LocalOptions | None = None, rng: random.Random | None = None
    ) -> LocalSpace:
        """Return a connected space in this host's folder."""
        chosen = options or LocalOptions()
        chosen = replace(chosen, local_dir=str(self.folder))
        space = LocalSpace(SPACE, chosen, clock=self.clock, rng=rng)
        space.connect()
        return space

    def of(self, name: str) -> Path:
        """Return the folder of a machine."""
        return self.folder / SPACE / name

    def console(self, name: str) -> str:
        """Return what a machine said."""
        return (self.of(name) / "console.log").read_text(encoding="utf-8")

    def shim_pid(self, name: str) -> int:
        """Return the pid of a machine's shim."""
        return pid_of((self.of(name) / "shim").read_text(encoding="utf-8"))

    def is_over(self, name: str) -> bool:
        """Return whether the shim of a machine has ended."""
        return not is_alive((self.of(name) / "shim").read_text(encoding="utf-8").strip())

    def processes(self, mark: str = "") -> list[int]:
        """Return the processes with this host's folder, or `mark`, in argument or variable."""
        wanted = (mark or str(self.folder)).encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if any(wanted in (process / each).read_bytes() for each in ("cmdline", "environ")):
                    found.append(int(process.name))
        return [pid for pid in found if pid != os.getpid()]

    def sleepers(self, name: str) -> list[int]:
        """Return the processes of a machine that sleep for ten minutes, and have begun to."""
        mark = f"VCYCLE_MACHINE={name}"
        return [pid for pid in self.processes(mark) if _command(pid) == b"sleep\x00600\x00"]

    def end(self) -> None:
        """Kill whatever is left, also what a sandbox runs: the kernel ends it a moment later."""
        for _ in until_tries():
            left = {*self.processes(), *self.processes(f"VCYCLE_MACHINE={NAME}")}
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                return


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def asked(
    name: str = NAME,
    user_data: str | bytes = FOREVER,
    *,
    flavor: str = "small",
    tags: Mapping[str, str] | None = None,
) -> CreateRequest:
    """Return a request for a machine."""
    return CreateRequest(
        name=name,
        uuid=f"uuid-of-{name}",
        machinetype="prod",
        flavor=flavor,
        zone="",
        user_data=user_data.encode() if isinstance(user_data, str) else user_data,
        tags=tags or {"machinetype": "prod"},
    )


def until_tries() -> Iterator[int]:
    """Yield again and again, a moment apart, for PATIENCE_S at most; then fail."""
    clock = SystemClock()
    start = clock.monotonic()
    number = 0
    while clock.monotonic() - start < PATIENCE_S:
        yield number
        number += 1
        clock.wait(threading.Event(), 0.01)
    raise AssertionError(f"not seen within {PATIENCE_S} s")


def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    next(_ for _ in until_tries() if condition())


def wait_for(space: LocalSpace, name: str, *states: MachineState) -> ListedMachine:
    """Wait until a machine is in one of `states` and return it."""
    for _ in until_tries():
        machine = space.find(name)
        assert machine is not None, f"{name} is gone"
        if machine.state in states:
            return machine
    raise AssertionError


def ended(space: LocalSpace, host: LocalHost, user_data: str | bytes) -> str:
    """Run a machine to its end and return what it said."""
    request = asked(user_data=user_data)
    space.create(request)
    wait_for(space, request.name, MachineState.SHUTDOWN)
    said = host.console(request.name)
    space.delete(request.name)
    until(lambda: space.find(request.name) is None)
    return said


@functools.cache
def why_no_sandbox() -> str:
    """Return why this host can run no sandbox; empty if it can."""
    with tempfile.TemporaryDirectory() as folder:
        options = LocalOptions(local_dir=folder, allow_root_without_sandbox=True)
        space = LocalSpace("probe.local", options, clock=SystemClock())
        space.connect()
        assert space.isolation is not None
        return space.isolation.no_sandbox


def needs_sandbox() -> None:
    """Skip the test if the kernel of this host gives nobody a sandbox."""
    if why := why_no_sandbox():
        others = [
            "unshare",
            "--user",
            "--map-root-user",
            "--fork",
            "--pid",
            "--mount-proc",
            "true",
        ]
        done = subprocess.run(others, capture_output=True, check=False, timeout=60)
        assert done.returncode != 0, f"unshare can do it, but: {why}"
        pytest.skip(why)
