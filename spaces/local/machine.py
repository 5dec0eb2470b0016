"""A local machine as its folder tells it; nothing is remembered anywhere else.

request.json   what was asked for; its time is when. It never changes
shim started exit   records of the shim; see note [Records] there
deleting       somebody wants it gone; its time is since when
console.log    what the machine says, and what of its user_data is ignored
fs/            what the machine may write, while it is there
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from vcycled import files
from vcycled.clock import Clock
from vcycled.model import MachineState
from vcycled.spaces.local import process

NEVER_STARTED = "the manager ended before it could start the machine"
RESTARTED = "the host was restarted"
BY_CHANCE = "failed by chance, as failure_share says"


class DamagedError(Exception):
    """A machine's folder is not as it was written; a person must look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for; the content of request.json."""

    name: str
    cloud_id: str
    flavor: str
    processors: int
    memory_mb: int
    zone: str
    tags: Mapping[str, str]
    creator: str
    """Identity of the process that made the folder and starts the shim."""
    is_doomed: bool
    """True if it is to fail instead of running."""

    def write(self, folder: Path) -> None:
        """Put it into the machine's folder."""
        files.write(folder / "request.json", json.dumps(asdict(self)), mode=files.PRIVATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMachine:
    """A machine as it was found at one instant."""

    request: Request
    created_at: int
    shim: str = ""
    """Identity of the shim; empty if there is none yet, or there never was."""
    is_alive: bool = False
    """True while the shim, or else its creator, is running."""
    started_at: int | None = None
    stopped_at: int | None = None
    outcome: str = ""
    """The record `exit`; empty if there is none."""
    deleting_at: int | None = None

    def verdict(self, *, now: int, start_delay_s: int) -> tuple[MachineState, str]:
        """Return the state at `now`, and what went wrong, if anything did."""
        if self.deleting_at is not None:
            return MachineState.DELETING, ""
        if self.outcome.startswith("failed"):
            return MachineState.FAILED, self.outcome.removeprefix("failed ")
        if self.outcome:
            return MachineState.SHUTDOWN, ""
        if self.request.is_doomed and now >= self.created_at + start_delay_s:
            return MachineState.FAILED, BY_CHANCE
        if self.is_alive or self.request.is_doomed:
            is_started = self.started_at is not None
            return (MachineState.RUNNING if is_started else MachineState.STARTING), ""
        return self._without_shim()

    def _without_shim(self) -> tuple[MachineState, str]:
        if not process.is_of_this_boot(self.shim or self.request.creator):
            return MachineState.SHUTDOWN, RESTARTED
        if not self.shim:
            return MachineState.FAILED, NEVER_STARTED
        return MachineState.UNKNOWN, ""

    def is_due(self, *, now: int, delete_delay_s: int) -> bool:
        """Return whether it was deleted and its folder can go."""
        if self.deleting_at is None or now < self.deleting_at + delete_delay_s:
            return False
        return self.request.is_doomed or not self.is_alive


def read(folder: Path, clock: Clock) -> LocalMachine | None:
    """Return the machine of this folder; None if there is none.

    Raises:
        OSError: it cannot be read.
        DamagedError: its request.json cannot be understood.
    """
    found = _read(folder, clock)
    if found and _inode(folder / "request.json") != found[0]:
        # It was removed, and perhaps made anew, while it was being read.
        return read(folder, clock)
    return found[1] if found else None


def _read(folder: Path, clock: Clock) -> tuple[int, LocalMachine] | None:
    record = _record(folder / "request.json")
    if record is None:
        return None
    text, status = record
    try:
        request = Request(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise DamagedError(f"{folder / 'request.json'} is damaged: {error}") from error
    # The order matters: a shim that is gone has written its end before, and its start before that.
    shim = (_record(folder / "shim") or ("", None))[0].strip()
    is_alive = process.is_alive(shim or request.creator)
    exit_record = _record(folder / "exit")
    return status.st_ino, LocalMachine(
        request=request,
        created_at=clock.of_stamp(status.st_mtime),
        shim=shim,
        is_alive=is_alive,
        started_at=_time_of(folder / "started", clock),
        stopped_at=clock.of_stamp(exit_record[1].st_mtime) if exit_record else None,
        outcome=exit_record[0].strip() if exit_record else "",
        deleting_at=_time_of(folder / "deleting", clock),
    )


def _record(path: Path) -> tuple[str, os.stat_result] | None:
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(), os.fstat(stream.fileno())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _time_of(path: Path, clock: Clock) -> int | None:
    try:
        return clock.of_stamp(path.stat().st_mtime)
    except FileNotFoundError:
        return None


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except (FileNotFoundError, NotADirectoryError):
        return 0


def is_folder_name(name: str) -> bool:
    """Return whether `name` can be a machine's: nothing that leads out of the space's folder."""
    is_plain = all(each.isascii() and (each.isalnum() or each in "._-") for each in name)
    return is_plain and 0 < len(name) <= 128 and name[0].isalnum()


def mark_deleting(folder: Path) -> None:
    """Note that the machine is to go, if nobody did before."""
    handle = os.open(folder / "deleting", os.O_WRONLY | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR)
    os.close(handle)
