"""The manager's hand in the published tree: what a machine is shown, and its way into `deleted/`.

# Note [Power cuts]

A tree is built in a folder of its own and renamed into `current/`, so no reader and no crash of
the manager meets half of one. Nothing here is forced to the disk: the store remembers everything,
and `repair` writes again what a power cut tore (an empty file is a torn one).
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vcycled import files
from vcycled.clock import Clock
from vcycled.machinedir import folders, offers, reports
from vcycled.machinedir.folders import NewFile
from vcycled.machinedir.layout import (
    CONSOLE,
    JOBFEATURES,
    JOBOUTPUTS,
    MACHINEFEATURES,
    SHUTDOWN_MESSAGE,
    STARTED,
    TOKEN_HASH,
    USER_DATA,
    USER_DATA_HASH,
    X509DN,
    Layout,
    is_name,
)
from vcycled.machinedir.webmarks import WebMark, fresh_marks
from vcycled.mjf import Features
from vcycled.model import ShutdownMessage

_GROUP = 0o640
_RETIRED = "retired"
_CONSOLE_MOST = 32_768
"""Bytes that are kept of a console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMachine:
    """All that a machine's folder holds from the start."""

    space: str
    name: str
    machinetype: str
    uuid: str
    created_at: int
    manager: str
    """Name of the host that runs the manager."""
    features: Features
    zone: str = ""
    https_x509dn: str = ""
    token_hash: str = ""
    user_data: bytes = b""
    """Empty where it is not known any more: `repair` then writes none."""
    user_data_hash: str = ""
    """Of the token by which the machine may fetch its user_data; empty if it is not to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What was learned of a machine; None and empty mean nothing new."""

    started_at: int | None = None
    stopped_at: int | None = None
    deleted_at: int | None = None
    """When we last asked the cloud to delete it."""
    zone: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, order=True)
class HeartbeatRow:
    """One line of a heartbeat list."""

    at: int
    machine: str
    address: str


class MachineDir:
    """The tree under `root`. Safe to use from several threads for different machines.

    Every method that writes may raise OSError (disk full, no permission); what it was about to
    write is then not there, and it may be called again.
    """

    def __init__(self, root: Path, *, clock: Clock) -> None:
        self.layout = Layout(root)
        self._clock = clock
        self._lists: dict[Path, str] = {}

    def make_ready(self) -> None:
        """Make the folders that the manager and the web process expect."""
        for folder in (self.layout.spaces, self.layout.www):
            folders.make(folder)
        folders.make(self.layout.web_up, folders.SHARED_FOLDER)

    # What a machine is shown.

    def prepare(self, new: NewMachine) -> None:
        """Publish the whole tree of a machine, before the cloud is asked for it.

        Raises:
            OSError: nothing is published; FileExistsError among them, a name is used once.
        """
        draft = self.layout.draft(new.space, new.name)
        target = self.layout.machine(new.space, new.name)
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        folders.remove(draft)
        folders.make(target.parent)
        try:
            self._build(draft, new)
            draft.rename(target)
        except OSError:
            folders.remove(draft)
            raise

    def repair(self, new: NewMachine) -> bool:
        """Write what is missing of the tree of a machine that lives; True if anything was.

        A machine that came back after it was given up is fetched from `deleted/`. What is there
        is left as it is.
        """
        target = self.layout.machine(new.space, new.name)
        if not target.exists() and not self._bring_back(new.space, new.name):
            self.prepare(new)
            return True
        for name in (MACHINEFEATURES, JOBFEATURES):
            folders.make(target / name)
        folders.make(target / JOBOUTPUTS, folders.SHARED_FOLDER)
        prefix = f"{target}/"
        missing = [each for each in _files(new) if not folders.is_there(prefix + each.path)]
        for each in missing:
            files.write(target / each.path, each.content, mode=each.mode, durable=False)
        return bool(missing)

    def note(self, space: str, machine: str, noted: Noted) -> None:
        """Write what was learned of a machine; one that has no folder is passed over."""
        facts = {
            STARTED: noted.started_at,
            "stopped": noted.stopped_at,
            "deleted": noted.deleted_at,
            "zone": noted.zone or None,
            "ip": noted.address or None,
            "updated": self._clock.now(),
            "manager_heartbeat": self._clock.now(),
        }
        folder = self.layout.machine(space, machine)
        with suppress(FileNotFoundError):
            for name, value in facts.items():
                if value is not None:
                    files.write(folder / name, str(value), durable=False)

    def publish(self, space: str, machine: str, features: Features) -> None:
        """Write the keys whose value changed; a machine that has no folder is passed over."""
        folder = self.layout.machine(space, machine)
        with suppress(FileNotFoundError):
            for name, values in ((MACHINEFEATURES, features.machine), (JOBFEATURES, features.job)):
                for key, value in values.items():
                    _write_if_new(folder / name / key, value)

    def publish_dn(self, space: str, machine: str, dn: str) -> None:
        """Write which certificates may stand for a machine; empty takes it back."""
        path = self.layout.machine(space, machine) / X509DN
        with suppress(FileNotFoundError):
            if dn:
                _write_if_new(path, dn)
            else:
                path.unlink()

    def wipe_user_data(self, space: str, machine: str) -> None:
        """Remove the user_data, which holds secrets, once the machine has it."""
        offers.withdraw(self.layout.machine(space, machine))

    def wipe_if_over(self, space: str, machine: str) -> bool:
        """Remove the user_data unless the machine may still fetch it by itself; True if so."""
        folder = self.layout.machine(space, machine)
        return offers.withdraw_if_over(folder, now=self._clock.now())

    def has_offer(self, space: str, machine: str) -> bool:
        """Return whether user_data waits until the machine fetches it."""
        return (self.layout.machine(space, machine) / USER_DATA_HASH).exists()

    def has_console(self, space: str, machine: str) -> bool:
        """Return whether the end of its console is kept, or there is no folder to keep it in."""
        folder = self.layout.machine(space, machine)
        return not folder.exists() or (folder / CONSOLE).exists()

    def keep_console(self, space: str, machine: str, text: str) -> None:
        """Keep the end of what a machine wrote on its console, for operators only."""
        content = text.encode(errors="replace")[-_CONSOLE_MOST:]
        with suppress(FileNotFoundError):
            path = self.layout.machine(space, machine) / CONSOLE
            files.write(path, content, mode=files.PRIVATE, durable=False)

    # What a machine says.

    def heartbeat(self, space: str, machine: str, file: str) -> reports.Heartbeat:
        """Return when the machine last wrote `file`; costs one stat."""
        if file in {"", ".", ".."} or "/" in file or "\0" in file:
            return reports.Heartbeat(None, is_known=False)
        return reports.heartbeat(self.layout.outputs_text(space, machine), file, self._clock)

    def shutdown_message(self, space: str, machine: str) -> ShutdownMessage | None:
        """Return what the machine left as its reason to stop; None if it said nothing.

        Raises:
            OSError: there is a message that cannot be read.
        """
        path = self.layout.outputs(space, machine) / SHUTDOWN_MESSAGE
        return reports.shutdown_message(path, self._clock)

    def leave_message(self, space: str, machine: str, text: str) -> bool:
        """Write our own reason for a deletion unless the machine left one; True if written."""
        draft = self.layout.machine(space, machine) / f".{SHUTDOWN_MESSAGE}"
        try:
            files.write(draft, text, mode=_GROUP, durable=False)
            (draft.parent / JOBOUTPUTS / SHUTDOWN_MESSAGE).hardlink_to(draft)
        except (FileNotFoundError, FileExistsError):
            return False
        finally:
            draft.unlink(missing_ok=True)
        return True

    # Its way out.

    def retire(self, space: str, machine: str) -> bool:
        """Move a machine that is gone to `deleted/`; False if it has no folder any more."""
        folders.remove(self.layout.draft(space, machine))
        source = self.layout.machine(space, machine)
        folders.make(self.layout.deleted(space))
        try:
            self.wipe_user_data(space, machine)
            self._stamp(source)
            for target in _names(self.layout.deleted(space) / machine):
                if not target.exists():
                    source.rename(target)
                    break
        except FileNotFoundError:
            return False
        return True

    def current(self, space: str) -> frozenset[str]:
        """Return the names of the machines that have a folder in current/."""
        with suppress(FileNotFoundError):
            return frozenset(folder.name for folder in self.layout.current(space).iterdir())
        return frozenset()

    def is_ours(self, space: str, machine: str) -> bool:
        """Return whether a folder in current/ bears our mark, which Vcycle 3's have not.

        Raises:
            OSError: the folder is closed to us.
        """
        return is_name(machine) and (self.layout.machine(space, machine) / TOKEN_HASH).exists()

    def remove_retired(self, space: str, *, before: int) -> int:
        """Remove machines that were retired, and drafts that were begun, before an instant.

        Costs a small read for each retired machine: for every hour, not for every cycle.

        Returns:
            how many machines were removed.
        """
        retired = folders.within(self.layout.deleted(space))
        old = [each for each in retired if self._retired_at(each) < before]
        drafts = folders.within(self.layout.drafts(space))
        begun = [each for each in drafts if self._clock.of_stamp(each.stat().st_mtime) < before]
        folders.remove_all(old + begun)
        return len(old)

    def _stamp(self, folder: Path) -> None:
        if folders.is_there(folder / _RETIRED):
            return
        try:
            files.write(folder / _RETIRED, str(self._clock.now()), durable=False)
        except FileNotFoundError:
            raise
        except OSError:
            # A full disk must not stop what makes room: the folder's own time will do.
            return

    def _retired_at(self, folder: Path) -> int:
        try:
            return int((folder / _RETIRED).read_bytes()[:20])
        except (FileNotFoundError, ValueError):
            return self._clock.of_stamp(folder.stat().st_mtime)

    def _bring_back(self, space: str, machine: str) -> bool:
        target = self.layout.machine(space, machine)
        folders.make(target.parent)
        try:
            (self.layout.deleted(space) / machine).rename(target)
        except FileNotFoundError:
            return False
        (target / _RETIRED).unlink(missing_ok=True)
        return True

    # What sites and other machines read.

    def write_heartbeat_list(
        self, space: str, machinetype: str, rows: Iterable[HeartbeatRow]
    ) -> None:
        """Publish the machines that gave a sign of life, newest first; written only if changed."""
        newest_first = sorted(rows, key=lambda row: (-row.at, row.machine))
        text = "".join(f"{row.at} {row.machine} {row.address}\n" for row in newest_first)
        path = self.layout.heartbeat_list(space, machinetype)
        if self._lists.get(path) != text:
            folders.make(path.parent)
            files.write(path, text, durable=False)
            self._lists[path] = text

    def write_last_abort(self, space: str, machinetype: str, at: int) -> None:
        """Publish when a machine of this machinetype last aborted."""
        path = self.layout.last_abort(space, machinetype)
        folders.make(path.parent)
        _write_if_new(path, str(at))

    def receiver_up_since(self, now: int) -> int | None:
        """Return since when a web site that takes heartbeats has been up; None if unsure."""
        return min((each.up_since for each in self.web_marks(now)), default=None)

    def web_marks(self, now: int) -> tuple[WebMark, ...]:
        """Return what each web site that is up says of itself; nothing if unsure."""
        try:
            return tuple(fresh_marks(folders.visible(self.layout.web_up), self._clock, now=now))
        except OSError:
            return ()

    def _build(self, draft: Path, new: NewMachine) -> None:
        for folder in (draft, draft / MACHINEFEATURES, draft / JOBFEATURES):
            folders.make(folder)
        folders.make(draft / JOBOUTPUTS, folders.SHARED_FOLDER)
        folders.make(self.layout.current(new.space))
        folders.fill(draft, _files(new))


def _files(new: NewMachine) -> list[NewFile]:
    facts = {
        "created": str(new.created_at),
        "updated": str(new.created_at),
        "uuid": new.uuid,
        "machinetype_name": new.machinetype,
        "space_name": new.space,
        "manager": new.manager,
        "manager_heartbeat": str(new.created_at),
        "zone": new.zone,
        X509DN: new.https_x509dn,
    }
    facts |= {f"{MACHINEFEATURES}/{key}": value for key, value in new.features.machine.items()}
    facts |= {f"{JOBFEATURES}/{key}": value for key, value in new.features.job.items()}
    made = [NewFile(name, text.encode(), files.PUBLIC) for name, text in facts.items() if text]
    if new.token_hash:
        made.append(NewFile(TOKEN_HASH, new.token_hash.encode(), _GROUP))
    if new.user_data:
        # What the web process is to hand out is for its group too.
        mode = _GROUP if new.user_data_hash else files.PRIVATE
        made.append(NewFile(USER_DATA, new.user_data, mode))
    if new.user_data_hash:
        made.append(NewFile(USER_DATA_HASH, new.user_data_hash.encode(), _GROUP))
    return made


def _write_if_new(path: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        if path.read_bytes() == text.encode():
            return
    files.write(path, text, durable=False)


def _names(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.name}~{number}")
