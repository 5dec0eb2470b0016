"""Processes of a bed: started into the background, found and ended by what was recorded."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.openstack_bed.places import ADDRESS, PORTS, Bed
from vcycled.clock import SystemClock
from vcycled.files import read_text
from vcycled.spaces.local import shim
from vcycled.spaces.local.process import is_alive, pid_of, terminate

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, for which its packages of OpenStack are."""
_POLL_S = 0.1
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BedError(Exception):
    """The bed does not come up, or cannot be used; the text says why and which log tells more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program that runs as long as the bed is up."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    end_s: float = 10.0
    """How long it gets to end by itself."""


def environment() -> dict[str, str]:
    """Return what programs of the system get: no virtual environment, no proxy, no cloud of ours.

    Debian's scripts begin with `/usr/bin/python3` or `env python3` and must not find another one.
    """
    return {
        "PATH": _SYSTEM_PATH,
        "HOME": str(Path.home()),
        "LANG": "C.UTF-8",
        "PYTHONNOUSERSITE": "1",
        "no_proxy": f"{ADDRESS},localhost",
    }


def start(bed: Bed, service: Service) -> None:
    """Start a service unless it runs already.

    Raises:
        BedError: it is not installed, or something else listens on its port.
    """
    if is_running(bed, service.name):
        return
    port = PORTS.get(service.name)
    if port is not None and _listens(port):
        message = f"port {port} on {ADDRESS} is taken, {service.name} needs it; see `ss -ltnp`"
        raise BedError(message)
    program = shutil.which(service.command[0], path=_SYSTEM_PATH)
    if program is None:
        raise BedError(f"{service.name}: there is no program {service.command[0]}")
    log = str(log_of(bed, service.name))
    # Not by `subprocess`, which wants to see the end of what it starts.
    pid = os.posix_spawn(
        program,
        service.command,
        environment() | dict(service.environment),
        setsid=True,  # so its pid is the number of its process group
        file_actions=(
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ),
    )
    _record(bed, service.name).write_text(shim.identity(pid))


def is_running(bed: Bed, name: str) -> bool:
    """Return whether the very process that was recorded runs."""
    return is_alive(_identity(bed, name))


def running_group(bed: Bed, name: str) -> int:
    """Return the number of the process group of a service.

    Raises:
        BedError: it does not run.
    """
    if not is_running(bed, name):
        message = f"{name} does not run; see {log_of(bed, name)}"
        raise BedError(message)
    return pid_of(_identity(bed, name))  # see start()


def recorded(bed: Bed) -> list[str]:
    """Return the names of what was started and not stopped since."""
    return sorted(path.name for path in bed.run.glob("*"))


def stop(bed: Bed, name: str, limit_s: float = 10.0) -> None:
    """End what was started under this name, by force after `limit_s`; none is fine too."""
    identity = _identity(bed, name)
    workers = _group(pid_of(identity)) if is_alive(identity) else []
    terminate(identity)
    wait_until(lambda: not any(map(is_alive, workers)), limit_s)
    for worker in workers:
        kill(worker)
    _record(bed, name).unlink(missing_ok=True)


def kill(identity: str) -> None:
    """Send SIGKILL to the very process of this identity, if it still runs."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid_of(identity))
        try:
            if is_alive(identity):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def await_port(bed: Bed, name: str, limit_s: float = 90.0) -> None:
    """Wait until a service listens.

    Raises:
        BedError: it ended, or it takes too long.
    """
    port = PORTS[name]
    if not wait_until(lambda: _listens(port) or not is_running(bed, name), limit_s):
        raise _failure(bed, name, f"does not listen on port {port} after {limit_s:.0f} s")
    if not is_running(bed, name):
        raise _failure(bed, name, "ended")


def run(bed: Bed, name: str, *command: str, **more: str) -> str:
    """Run a program of the system to its end and return what it printed.

    Args:
        bed: whose log it writes.
        name: of the log.
        command: program and arguments.
        more: environment variables.

    Raises:
        BedError: it failed.
    """
    with log_of(bed, name).open("ab") as log:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment() | more,
            check=False,
        )
        log.write(done.stdout)
    if done.returncode:
        raise _failure(bed, name, f"`{' '.join(command)}` failed with {done.returncode}")
    return done.stdout.decode(errors="replace")


def wait_until(is_so: Callable[[], bool], limit_s: float) -> bool:
    """Wait until `is_so()`, `limit_s` seconds at most; return whether it came so."""
    clock, never = SystemClock(), threading.Event()
    deadline = clock.monotonic() + limit_s
    while not is_so():
        if clock.monotonic() > deadline:
            return False
        clock.wait(never, _POLL_S)
    return True


def log_of(bed: Bed, name: str) -> Path:
    """Return where a program's own words go."""
    return bed.log / f"{name}.out"


def _record(bed: Bed, name: str) -> Path:
    return bed.run / name


def _identity(bed: Bed, name: str) -> str:
    return read_text(_record(bed, name)) or ""


def _listens(port: int) -> bool:
    with socket.socket() as attempt:
        attempt.settimeout(1.0)
        return attempt.connect_ex((ADDRESS, port)) == 0


def _group(number: int) -> list[str]:
    """Return the identities of the processes of a process group."""
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [shim.identity(pid) for pid in pids if _group_of(pid) == number]


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _failure(bed: Bed, name: str, what: str) -> BedError:
    """Return an error with the last lines of what the program said."""
    log = log_of(bed, name)
    tail = "\n    ".join(log.read_text(errors="replace").splitlines()[-8:])
    return BedError(f"{name}: {what}; {log} ends with\n    {tail}")
