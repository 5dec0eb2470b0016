"""The file system that a machine may write, as it is before the machine runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from vcycled.spaces.local.cloudinit import Script
from vcycled.spaces.local.sandbox import POWER_OFF, PRIVATE, STUB

SCRIPTS = "var/lib/cloud/instance/scripts"
POWER = "run/vcycle/power"
STUBS = "run/vcycle/bin"
_FOLDERS = (
    ".root",
    *PRIVATE,
    *("run/lock", "run/vcycle", STUBS),
    *("var/cache", "var/lib", "var/lib/cloud", "var/lib/cloud/instance", SCRIPTS),
    *("var/log", "var/mail", "var/opt", "var/spool", "var/spool/joboutputs", "var/tmp"),
)
_LINKS = (("/run", "var/run"), ("/run/lock", "var/lock"))
_STUB = """\
#!/bin/sh
# Ends this local machine, as it would end a virtual one.
case "${0##*/} $*" in
    systemctl*poweroff* | systemctl*halt* | systemctl*reboot*) ;;
    systemctl*) echo "systemctl: there is no systemd in a local machine" >&2; exit 1 ;;
esac
echo off >%s
"""


def lay_out(fs: Path, scripts: Iterable[Script], *, power: str, owner: tuple[int, int]) -> None:
    """Make the folder `fs` with everything that a machine finds there.

    Args:
        fs: must not exist; its parent must.
        scripts: of the boot; they hold secrets, and each is removed once it has run.
        power: path of the fifo that ends the machine, as the machine sees it.
        owner: user and group that all of it belongs to.

    Raises:
        OSError: it is there in part; the caller throws it away.
    """
    fs.mkdir(mode=0o700)
    for name in _FOLDERS:
        (fs / name).mkdir(mode=0o755)
    for name in ("tmp", "var/tmp"):
        (fs / name).chmod(0o1777)
    for target, name in _LINKS:
        (fs / name).symlink_to(target)
    os.mkfifo(fs / POWER, 0o600)
    stub = fs / STUB.lstrip("/")
    _write(stub, (_STUB % shlex.quote(power)).encode(), 0o755)
    for name in POWER_OFF:
        (fs / STUBS / name).symlink_to(f"../{stub.name}")
    for script in scripts:
        _write(fs / SCRIPTS / script.name, script.content, 0o700)
    if owner != (os.geteuid(), os.getegid()):
        _give(fs, owner)


def _write(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(content)


def _give(fs: Path, owner: tuple[int, int]) -> None:
    os.chown(fs, *owner)
    for folder, folders, names in os.walk(fs):
        for name in (*folders, *names):
            os.chown(Path(folder) / name, *owner, follow_symlinks=False)
