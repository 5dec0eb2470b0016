"""Reading the tree: what is damaged is told and passed over, never guessed at in silence.

# Note [Half-written files]

Vcycle 3 wrote a file beside its place and renamed it, but never forced it to the disk: after a
power cut it can be there and empty. A machine whose creation was cut short has only some of its
files, and one whose folder was closed by a stray chmod has none that can be read.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vcycled.clock import Clock
from vcycled.machinedir.layout import (
    JOBFEATURES,
    JOBOUTPUTS,
    SHUTDOWN_MESSAGE,
    STARTED,
    TOKEN_HASH,
    Layout,
    is_name,
)
from vcycled.machinedir.reports import head, shutdown_message
from vcycled.mjf import MB
from vcycled.model import ShutdownMessage
from vcycled.vcycle3.facts import OldMachine, OldTree, Place, Trouble

_MACHINE = re.compile(r"vcycle-(?P<machinetype>.+)-[a-z0-9]{10}")
"""Vcycle 3 looked after machines whose names begin with `vcycle-`; this is how it made them."""
_ID = re.compile(r"(?=.*[a-z-])[0-9A-Za-z][0-9A-Za-z._-]{0,254}")
"""An id of a cloud, as against a time."""
_SEEN = "manager_heartbeat"
_LEEWAY_S = 60
"""A time so little ahead of our clock is no damage."""
_FIRST_AT = 1_262_304_000
"""2010: there was no Vcycle before. Such a time is half a number, or of a clock that was wrong."""
_ASKED_AFTER_S = 600
"""A machine cannot have started so long before it was asked for, by whatever clock."""
_OLD_FOLDER = "machines"
"""Where releases before 3.0 kept their machines."""


def read_tree(root: Path, *, clock: Clock) -> OldTree:
    """Return what is under `root`; it may be in use, or a copy.

    Raises:
        OSError: the folder of spaces is there but cannot be listed.
    """
    return _Reader(root, clock).read()


class _Reader:
    """Reads one tree, collecting what is wrong with it."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._now = clock.now()
        self._troubles: list[Trouble] = []
        self._signs: list[tuple[int, str]] = []

    def read(self) -> OldTree:
        """Return all of it."""
        layout = Layout(self._root)
        machines: list[OldMachine] = []
        for space in self._folders(layout.spaces, must_be_listed=True):
            machines += self._space(layout, space.name)
        aborts = dict(self._aborts())
        if (self._root / _OLD_FOLDER).is_dir():
            why = "this is the tree of a release before 3.0, which is not read"
            self._troubles.append(Trouble(path=_OLD_FOLDER, why=why))
        active_at, active_path = max(self._signs, default=(None, ""))
        return OldTree(
            machines=tuple(machines),
            last_aborts=aborts,
            active_at=active_at,
            active_path=active_path,
            troubles=tuple(sorted(self._troubles)),
        )

    def _space(self, layout: Layout, space: str) -> Iterator[OldMachine]:
        if not is_name(space):
            self._tell(layout.spaces / space, "no space can have this name", is_left_out=True)
            return
        for place, parent in (
            (Place.CURRENT, layout.current(space)),
            (Place.DELETED, layout.deleted(space)),
        ):
            for folder in self._folders(parent):
                machine = self._machine(space, place, folder)
                if machine is not None:
                    yield machine
        for path in self._entries(layout.current(space).with_name("heartbeatlists")):
            # A file for each machinetype, written anew in every cycle.
            self._signs.append((self._clock.of_stamp(path.lstat().st_mtime), self._relative(path)))

    def _machine(self, space: str, place: Place, folder: Path) -> OldMachine | None:
        if not (folder.name.startswith("vcycle-") and is_name(folder.name)):
            self._tell(folder, "not the name of a machine of Vcycle 3")
            return None
        try:
            is_ours = self._text(folder / TOKEN_HASH) is not None
            next(folder.iterdir(), None)  # one that is closed must not look like an empty one
        except OSError as error:
            self._tell(folder, _why(error), is_left_out=True)
            return None
        machinetype = self._machinetype(folder)
        if not machinetype:
            return None
        machine = self._facts(
            folder,
            OldMachine(
                space=space,
                name=folder.name,
                machinetype=machinetype,
                place=place,
                modified_at=self._clock.of_stamp(folder.stat().st_mtime),
                is_ours=is_ours,
            ),
        )
        if place is Place.CURRENT:
            self._note_sign(folder / _SEEN)
        return machine

    def _note_sign(self, path: Path) -> None:
        """Note a sign of life of a manager, also of one whose clock is ahead of ours."""
        with suppress(OSError):
            text = self._text(path) or ""
            if re.fullmatch(r"[0-9]{1,12}", text):
                self._signs.append((min(int(text), self._now), self._relative(path)))

    def _facts(self, folder: Path, machine: OldMachine) -> OldMachine:
        """Return `machine` with what its files tell."""
        features = folder / JOBFEATURES
        memory = self._number(features / "max_rss_bytes")
        wallclock = self._number(features / "wall_limit_secs")
        processors = self._number(features / "allocated_cpu")
        processors = processors or self._number(features / "allocated_CPU")
        created_at = self._instant(folder / "created")
        return replace(
            machine,
            cloud_id=self._cloud_id(folder),
            created_at=created_at,
            updated_at=self._instant(folder / "updated"),
            started_at=self._start(folder, created_at),
            stopped_at=self._instant(folder / "stopped"),
            deleted_at=self._instant(folder / "deleted"),
            seen_at=self._instant(folder / _SEEN),
            zone=self._told(folder / "zone") or "",
            processors=int(processors) if processors else None,
            memory_mb=int(memory) // MB if memory else None,
            power=self._number(features / "hs06_job") or None,
            wallclock_seconds=int(wallclock) if wallclock else None,
            message=self._message(folder),
        )

    def _machinetype(self, folder: Path) -> str:
        """Return the machinetype by its file or else by the name; empty if neither tells."""
        stated = self._told(folder / "machinetype_name")
        if stated is not None and is_name(stated):
            return stated
        match = _MACHINE.fullmatch(folder.name)
        why = "there is no name of a machinetype"
        if match is None:
            self._tell(folder / "machinetype_name", why, is_left_out=True)
            return ""
        self._tell(folder / "machinetype_name", f"{why}; by the machine's it is {match[1]}")
        return match[1]

    def _cloud_id(self, folder: Path) -> str:
        """Return the cloud's id: where Vcycle 3 put it, else where an import of ours did."""
        for name in (f"{JOBFEATURES}/jobstart_secs", "instance_id", "uuid"):
            stated = self._told(folder / name) or ""
            if _ID.fullmatch(stated):
                return stated
        return ""

    def _message(self, folder: Path) -> ShutdownMessage | None:
        path = folder / JOBOUTPUTS / SHUTDOWN_MESSAGE
        try:
            return shutdown_message(path, self._clock)
        except OSError as error:
            self._tell(path, _why(error))
            return None

    def _aborts(self) -> Iterator[tuple[tuple[str, str], int]]:
        for space in self._folders(self._root / "shared" / "last_abort_times"):
            for path in self._entries(space):
                at = self._instant(path, never="0")  # as Vcycle 3 took it
                if at is not None:
                    yield (space.name, path.name), at

    def _start(self, folder: Path, created_at: int | None) -> int | None:
        """Return when a machine started; None if nothing says so that can be believed."""
        path = folder / STARTED
        at = self._instant(path)
        if at is not None and created_at is not None and at < created_at - _ASKED_AFTER_S:
            self._tell(path, f"{at} is before it was asked for, at {created_at}")
            return None
        return at

    def _instant(self, path: Path, *, never: str = "") -> int | None:
        """Return the time in a file; None if there is none, or none that can be believed.

        What says `never` tells of no time, and is no damage.
        """
        text = self._told(path)
        if text is None or (never and text == never):
            return None
        if not re.fullmatch(r"[0-9]{1,12}", text):
            self._tell(path, f"not a time: {text[:40]!r}" if text else "empty")
            return None
        if int(text) > self._now + _LEEWAY_S:
            self._tell(path, f"{text} is still to come")
            return None
        if int(text) < _FIRST_AT:
            self._tell(path, f"{text} is before there was a Vcycle")
            return None
        return int(text)

    def _number(self, path: Path) -> float | None:
        text = self._told(path)
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", text):
            self._tell(path, f"not a number: {text[:40]!r}" if text else "empty")
            return None
        return float(text)

    def _told(self, path: Path) -> str | None:
        """Return what a file says; None if there is none, or, which is told, none readable."""
        try:
            return self._text(path)
        except OSError as error:
            self._tell(path, _why(error))
            return None

    def _text(self, path: Path) -> str | None:
        found = head(path)
        return None if found is None else found[0].decode(errors="replace").strip()

    def _folders(self, parent: Path, *, must_be_listed: bool = False) -> Iterator[Path]:
        for path in self._entries(parent, must_be_listed=must_be_listed):
            if stat.S_ISDIR(path.lstat().st_mode):
                yield path
            else:
                self._tell(path, "not a folder")

    def _entries(self, parent: Path, *, must_be_listed: bool = False) -> list[Path]:
        try:
            return sorted(path for path in parent.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            if must_be_listed:
                raise
            self._tell(parent, _why(error), is_left_out=True)
            return []

    def _tell(self, path: Path, why: str, *, is_left_out: bool = False) -> None:
        trouble = Trouble(path=self._relative(path), why=why, is_left_out=is_left_out)
        self._troubles.append(trouble)

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._root))


def _why(error: OSError) -> str:
    return error.strerror or str(error)
