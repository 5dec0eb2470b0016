"""Start machines: with what isolation, which command, which environment."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vcycled import files
from vcycled.errors import Refused
from vcycled.spaces.local import layout
from vcycled.spaces.local.cloudinit import Script
from vcycled.spaces.local.drafts import draft
from vcycled.spaces.local.options import LocalOptions

TIMEOUT_S = 30
_PACKAGE = Path(__file__).resolve().parent
_PYTHON = (sys.executable, "-I", "-S")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INIT = """\
cd
echo running
exec </dev/null >&2
ulimit -c 0
{ echo 500 >/proc/self/oom_score_adj; } 2>/dev/null
status=0
for script in "$1"/*; do
    "$script" || status=$?
    rm -f "$script"
done
exit "$status"
"""
"""First process of a machine: runs its scripts one after another, and ends before we do when
memory is short."""
_NOTHING = Script(name="nothing", content=b"#!/bin/sh\n")
_ADVICE = (
    "let the kernel give user namespaces to the manager's user "
    "(sysctl user.max_user_namespaces; on Ubuntu kernel.apparmor_restrict_unprivileged_userns), "
    "or see sandbox and allow_root_without_sandbox"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How machines of a space are kept from the host."""

    no_sandbox: str
    """Why there is no sandbox; empty if there is."""
    uid: int
    gid: int
    """User and group that machines are on the host."""
    host_folders: tuple[str, ...] = ()

    @property
    def is_sandbox(self) -> bool:
        """Whether machines run in a sandbox."""
        return not self.no_sandbox


_proven: set[tuple[int, Isolation]] = set()
"""File systems on which, and as whom, a sandbox worked in this process: not tried again."""


def choose_isolation(options: LocalOptions, root: Path) -> Isolation:
    """Return how machines under `root` can be run on this host.

    Raises:
        Refused: not as the options want it; the text says what a person can do.
        OSError: `root` cannot be written.
    """
    if options.sandbox == "none":
        return _bare(options, "sandbox = none")
    uid, gid = _machine_user(options.machine_user)
    sandboxed = Isolation(no_sandbox="", uid=uid, gid=gid, host_folders=options.host_folders)
    proof = (root.stat().st_dev, sandboxed)
    fault = "" if proof in _proven else _probe(root, sandboxed)
    if not fault:
        _proven.add(proof)
        return sandboxed
    if options.sandbox == "require":
        raise Refused("connect", f"no sandbox here: {fault}; {_ADVICE}")
    return _bare(options, fault)


def _bare(options: LocalOptions, why: str) -> Isolation:
    if os.geteuid() == 0 and not options.allow_root_without_sandbox:
        raise Refused("connect", f"no machine runs as root without a sandbox ({why}); {_ADVICE}")
    return Isolation(no_sandbox=why, uid=os.geteuid(), gid=os.getegid())


def _machine_user(name: str) -> tuple[int, int]:
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise Refused("connect", f"machine_user: there is no user {name} on this host") from None
    if user.pw_uid == 0 or user.pw_gid == 0:
        raise Refused("connect", f"machine_user: {name} is root outside the sandbox too")
    return user.pw_uid, user.pw_gid


def _probe(root: Path, isolation: Isolation) -> str:
    """Run an empty machine to its end; return why that failed, or nothing."""
    try:
        with draft(root) as folder:
            prepare(folder, (_NOTHING,), isolation, folder)
            shim = _shim(folder, 0.0, "probe", isolation, is_waited_for=True)
            status = _run(shim, _environment(folder, isolation), folder)
            outcome = files.read_text(folder / "exit")
    except OSError as error:
        return f"{error.strerror} ({error.filename})"
    if outcome == "exit 0":
        return ""
    return (outcome or "").removeprefix("failed ") or f"its shim ended with status {status}"


def prepare(folder: Path, scripts: Sequence[Script], isolation: Isolation, home: Path) -> None:
    """Make the file system of a machine in `folder`, whose place will be `home`."""
    power = f"{'' if isolation.is_sandbox else home / 'fs'}/{layout.POWER}"
    owner = (isolation.uid, isolation.gid)
    layout.lay_out(folder / "fs", scripts, power=power, owner=owner)


def start(
    folder: Path, name: str, delay_s: float, isolation: Isolation, marks: Mapping[str, str]
) -> None:
    """Start the shim of a machine and return once its record is there.

    Args:
        folder: the machine's, with its file system laid out.
        name: the machine's; its host name in a sandbox.
        delay_s: real seconds until it runs.
        isolation: as it was laid out for.
        marks: what the machine finds in its environment besides what every machine does.

    Raises:
        OSError: it did not start, or, if it is a TimeoutError, it may have.
    """
    environment = {**_environment(folder, isolation), **marks}
    status = _run(_shim(folder, delay_s, name, isolation), environment, folder)
    if status != 0:
        raise OSError(f"the shim ended with status {status}")


def _run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    with open(folder / "console.log", "ab", opener=_private) as console:
        try:
            return subprocess.run(  # noqa: S603 - our own programs
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                timeout=TIMEOUT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            why = f"the shim was not done within {TIMEOUT_S} s"
            raise TimeoutError(errno.ETIMEDOUT, why, str(folder)) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _shim(
    folder: Path, delay_s: float, name: str, isolation: Isolation, *, is_waited_for: bool = False
) -> list[str]:
    shim = [*_PYTHON, str(_PACKAGE / "shim.py"), *(["--wait"] if is_waited_for else [])]
    scripts = f"{'' if isolation.is_sandbox else folder / 'fs'}/{layout.SCRIPTS}"
    machine = ["/bin/sh", "-c", _INIT, "init", scripts]
    return [*shim, str(folder), f"{delay_s:.3f}", *_enter(name, isolation), *machine]


def _enter(name: str, isolation: Isolation) -> list[str]:
    if not isolation.is_sandbox:
        return []
    identity = [str(isolation.uid), str(isolation.gid), name]
    folders = ":".join(isolation.host_folders)
    return [*_PYTHON, str(_PACKAGE / "sandbox.py"), *identity, folders]


def _environment(folder: Path, isolation: Isolation) -> dict[str, str]:
    """Return what every machine finds in its environment; nothing of ours gets there."""
    fs = "" if isolation.is_sandbox else str(folder / "fs")
    return {
        "HOME": f"{fs}/root",
        "LANG": "C.UTF-8",
        "PATH": f"{fs}/{layout.STUBS}:{_PATH}",
        # Root's tar gives files to whom they belonged; in a sandbox there is nobody else.
        "TAR_OPTIONS": "--no-same-owner",
        "TMPDIR": f"{fs}/tmp",  # noqa: S108 - the machine's own
    }
