"""What takes up how much of the manager's disks, and for how long it is kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from vcycled.clock import Clock
from vcycled.config import Config, SinkConfig, UnknownSink, make_sink
from vcycled.config.places import database_url, sqlite_path
from vcycled.house.copies import UNUSED_SECONDS
from vcycled.house.keeper import DAY, HOUR, TURN_SECONDS
from vcycled.machinedir import Layout
from vcycled.store import Store

_BLOCK = 512
"""Bytes in the unit of st_blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A kind of thing that the manager keeps."""

    area: str
    space: str = ""
    """Empty if it is of no space."""
    path: Path | None
    """Where it is; None for a database on a server."""
    bytes: int
    """That it takes up on the disk, which for small files is more than their lengths."""
    files: int
    oldest_at: int | None = None
    """When the oldest of it was written, where its age matters."""
    kept: str
    """How long it is kept, in words."""
    kept_seconds: int | None = None
    """The same as a number; None where it is not removed for its age."""

    def is_overdue(self, *, now: int) -> bool:
        """Return whether something of it should have been removed some turns ago."""
        if self.kept_seconds is None or self.oldest_at is None:
            return False
        return now - self.oldest_at > self.kept_seconds + 2 * TURN_SECONDS


_Found: TypeAlias = tuple[int, os.DirEntry[str]]
"""An entry, and how deep it is: 1 is right in the folder."""


@dataclass(slots=True)
class _Sum:
    """What a walk found."""

    bytes: int = 0
    files: int = 0
    oldest: float | None = None

    def add(self, entry: os.DirEntry[str]) -> None:
        found = entry.stat(follow_symlinks=False)
        self.bytes += found.st_blocks * _BLOCK
        self.files += not entry.is_dir(follow_symlinks=False)

    def note(self, entry: os.DirEntry[str]) -> None:
        """Take its age into account."""
        stamp = entry.stat(follow_symlinks=False).st_mtime
        self.oldest = stamp if self.oldest is None else min(self.oldest, stamp)


def areas(config: Config, store: Store, *, clock: Clock) -> tuple[Area, ...]:
    """Return all areas, those of spaces first; costs a look at every file.

    Raises:
        OSError: a folder cannot be read.
        StoreError: the database does not answer.
    """
    ledger = _Ledger(config, store, clock)
    return (*ledger.of_spaces(), *ledger.database(store), *ledger.folders(), ledger.rest())


class _Ledger:
    """One look at everything."""

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self._config = config
        self._manager = config.manager
        self._hours = {
            space.name: space.options.cleanup_hours
            for space in config.spaces
            if space.options.mode == "manage"
        }
        self._abandoned = store.abandoned(space.name for space in config.spaces)
        self._clock = clock
        self._layout = Layout(config.manager.root)
        self._told: set[str] = set()
        """Paths that are counted already."""

    def of_spaces(self) -> Iterator[Area]:
        for space in self._spaces():
            yield self._walk(
                "machines",
                self._layout.current(space),
                space=space,
                kept="while the machine is there",
            )
            yield self._deleted(space)

    def _spaces(self) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(each.name for each in self._layout.spaces.iterdir() if each.is_dir())
        return []

    def _deleted(self, space: str) -> Area:
        seconds, kept = self._keeping(space)
        folder = self._layout.deleted(space)
        return self._walk(
            "deleted", folder, space=space, kept=kept, kept_seconds=seconds, aged_at=1
        )

    def _keeping(self, space: str) -> tuple[int | None, str]:
        """Return how long folders of finished machines of a space are kept."""
        hours = self._hours.get(space)
        if hours is not None:
            return hours * HOUR, f"{hours} hours (cleanup_hours)"
        if space in self._abandoned:
            return self._manager.history_days * DAY, self._history
        return None, "as another manager says"

    @property
    def _history(self) -> str:
        return f"{self._manager.history_days} days (history_days)"

    def database(self, store: Store) -> Iterator[Area]:
        """Yield the database, and copies of it that were made on the way."""
        path = sqlite_path(database_url(self._manager))
        first = store.events(limit=1, oldest_first=True)
        files = self._files(path, ("", "-wal", "-shm", ".lock")) if path else []
        yield Area(
            area="database",
            path=path,
            bytes=store.size_bytes(),
            files=len(files),
            oldest_at=first[0].at if first else None,
            kept=f"{self._history}; what accounting is made from for ever",
            kept_seconds=self._manager.history_days * DAY,
        )
        if path is not None:
            yield from self._copies(path)

    def _files(self, path: Path, ends: Iterable[str]) -> list[Path]:
        paths = [path.with_name(f"{path.name}{end}") for end in ends]
        self._told.update(map(str, paths))
        return [each for each in paths if each.exists()]

    def _copies(self, path: Path) -> Iterator[Area]:
        copies = [*path.parent.glob(f"{path.name}.version-*"), *path.parent.glob("*.replaced*")]
        self._told.update(map(str, copies))
        if copies:
            stamps = [each.stat() for each in copies]
            yield Area(
                area="database copies",
                path=path.parent,
                bytes=sum(each.st_blocks * _BLOCK for each in stamps),
                files=len(copies),
                oldest_at=self._clock.of_stamp(min(each.st_mtime for each in stamps)),
                kept="until you remove them",
            )

    def folders(self) -> Iterator[Area]:
        """Yield what stands right below the root."""
        root, days = self._manager.root, self._manager.archive_days
        yield self._walk(
            "apel-archive",
            root / "apel-archive",
            kept=f"{days} days (archive_days)" if days else "for ever (archive_days)",
            # A day goes as a whole, once its last second is so old.
            kept_seconds=(days + 1) * DAY if days else None,
            aged_at=2,
        )
        yield from self._sinks(days)
        outgoing = root / "apel-outgoing"
        yield self._walk("apel-outgoing", outgoing, kept="until ssmsend takes it", aged_at=2)
        unused = f"{UNUSED_SECONDS // DAY} days after it was last wanted"
        yield self._walk("imagecache", root / "imagecache", kept=unused)
        yield self._walk("pipescache", root / "pipescache", kept="for ever")

    def _sinks(self, days: int) -> Iterator[Area]:
        """Yield what sinks keep on this host, also one that was taken out."""
        kept = f"{days} days (archive_days)" if days else "for ever (archive_days)"
        named = {
            folder: each.name for each in self._config.sinks if (folder := self._folder(each))
        }
        for folder, name in named.items():
            yield self._walk(f"accounting {name}", folder, kept=kept, aged_at=1)
        with suppress(FileNotFoundError):
            for each in sorted((self._manager.root / "accounting").iterdir()):
                if each.is_dir() and each not in named:
                    area, kept = f"accounting {each.name}", "until you remove it"
                    yield self._walk(area, each, kept=kept, aged_at=1)

    def _folder(self, sink: SinkConfig) -> Path | None:
        with suppress(UnknownSink):
            return make_sink(sink, self._manager.root).folder
        return None

    def rest(self) -> Area:
        """Return what is below the root and in none of the others."""
        return self._walk("other files", self._manager.root, kept="as it is")

    def _walk(
        self,
        area: str,
        folder: Path,
        *,
        space: str = "",
        kept: str,
        kept_seconds: int | None = None,
        aged_at: int = 0,
    ) -> Area:
        """Return an area that is a folder; its oldest entry is looked for at one depth."""
        found = _Sum()
        for depth, entry in self._entries(folder):
            try:
                found.add(entry)
                if depth == aged_at:
                    found.note(entry)
            except OSError as error:
                _pass_over(error)
        self._told.add(str(folder))
        return Area(
            area=area,
            space=space,
            path=folder,
            bytes=found.bytes,
            files=found.files,
            oldest_at=None if found.oldest is None else self._clock.of_stamp(found.oldest),
            kept=kept,
            kept_seconds=kept_seconds,
        )

    def _entries(self, folder: Path) -> Iterator[_Found]:
        """Yield all that is below a folder and was not counted before, however deep it is."""
        todo = [(1, str(folder))]
        while todo:
            depth, place = todo.pop()
            for entry in _listed(place):
                if entry.path in self._told:
                    continue
                yield depth, entry
                if entry.is_dir(follow_symlinks=False):
                    todo.append((depth + 1, entry.path))


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        _pass_over(error)
        return []


def _pass_over(error: OSError) -> None:
    """Raise `error` again unless what was looked at went meanwhile, or is too deep for a path.

    Only a machine makes folders that deep, and it must not be able to hide the rest.
    """
    if error.errno not in {errno.ENOENT, errno.ENAMETOOLONG}:
        raise error
