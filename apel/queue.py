"""Where messages go: apel-archive, which keeps them, and apel-outgoing, which ssmsend empties.

# Note [What ssmsend sees]

ssmsend reads apel-outgoing as a simple dirq: folders of 8 and files of 14 lower-case hexadecimal
digits. It ignores any other name for ever and says nothing. It locks an element by a hard link
`NAME.lck`, sends it, removes both, and at the end removes empty folders (all but the last) and
files `*.tmp` older than 5 minutes. Therefore:

* a message is written as `.NAME.….tmp` in the folder of its day, which keeps that folder, and gets
  its name by a hard link, which never replaces an element that is there or being sent;
* the folder may go between being made and being used; then it is made again.

# Note [Exactly once]

Day and name follow from the run alone. The message goes to apel-outgoing first and to the archive
last, each durably, so that a copy in the archive says: handed over. A `put` that is repeated after
a crash finds it and does nothing, even if ssmsend has long taken the element away. If the crash
came between the two, the message may be sent twice, and APEL replaces a record by its equal.

Both copies are complete on the disk under temporary names before the first of them shows, so a
full disk changes nothing. Only the daemon puts, and a run belongs to one space and so to one
thread; elements for apel-outgoing may also come from a command line at the same time.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from vcycled import files
from vcycled.apel.record import record_of, text_of
from vcycled.apel.sync import SyncCount, sync_text
from vcycled.model import RunInterval

BATCH = 200
"""Messages that are on the disk under temporary names at once."""
_TRIES = 10
"""How often a folder is made anew that ssmsend keeps removing."""
_DAY = re.compile(r"[0-9a-f]{8}")
_NAME = re.compile(r"[0-9a-f]{14}")


class Waiting(StrEnum):
    """What of a message is in apel-outgoing."""

    NO = "no"
    """Sent, or never meant to be."""
    YES = "waiting"
    LOCKED = "being sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in apel-outgoing."""

    messages: int
    oldest_stamp: float | None
    """When the oldest was put there, as the file system says; None if none waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """A message and its place, DAY/NAME, which is the same in both trees."""

    element: str
    content: bytes
    is_sent: bool
    """True if it is for apel-outgoing too."""
    is_handed_over: bool = False


class Queue:
    """The two trees under one folder; /var/lib/vcycle unless a test says otherwise."""

    def __init__(self, root: Path) -> None:
        self.archive = root / "apel-archive"
        self.outgoing = root / "apel-outgoing"

    def put(self, interval: RunInterval) -> Path:
        """Put the record of `interval` where it belongs; see `put_all`."""
        return self.put_all((interval,))[0]

    def put_all(self, intervals: Iterable[RunInterval]) -> tuple[Path, ...]:
        """Archive the record of each interval and hand it to ssmsend if its site is published.

        Repeating it for the same intervals changes nothing; see note [Exactly once].

        Returns:
            The file in the archive of each interval, in their order.

        Raises:
            OSError: disk full, read-only, …: repeat it later for all of them.
            ValueError: an interval is not final. Nothing of its batch was written.
        """
        paths: list[Path] = []
        todo = iter(intervals)
        while batch := tuple(itertools.islice(todo, BATCH)):
            messages = self._place(batch)
            self._keep([message for message in messages if not message.is_handed_over])
            paths += [self.archive / message.element for message in messages]
        return tuple(paths)

    def put_sync(self, counts: Iterable[SyncCount]) -> Path | None:
        """Hand a sync message of `counts` to ssmsend; None if there is nothing to tell.

        Raises:
            OSError: nothing was written; repeat it.
        """
        counts = tuple(counts)
        content = sync_text(counts).encode("ascii")
        if not content:
            return None
        day = max(count.month for count in counts).last_day()
        element = f"{day:%Y%m%d}/{_digits(content)}"
        self._hand_over([_Message(element=element, content=content, is_sent=True)])
        return self.outgoing / element

    def resend(self, elements: Iterable[str]) -> int:
        """Hand these elements of the archive (DAY/NAME) to ssmsend once more; return how many.

        One that still waits is not doubled.

        Raises:
            OSError: one cannot be read or written; those before it may have been handed over.
        """
        todo, number = iter(elements), 0
        while batch := tuple(itertools.islice(todo, BATCH)):
            contents = [(element, (self.archive / element).read_bytes()) for element in batch]
            self._hand_over(
                [
                    _Message(element=element, content=content, is_sent=True)
                    for element, content in contents
                ]
            )
            number += len(batch)
        return number

    def archived(self, prefix: str = "") -> Iterator[str]:
        """Return the elements DAY/NAME of the archive, oldest day first.

        Args:
            prefix: beginning of the day, such as 2027, 202701 or 20270115; empty for all.
        """
        for day in _names(self.archive, _DAY):
            if day.startswith(prefix):
                yield from (f"{day}/{name}" for name in _names(self.archive / day, _NAME))

    def waiting(self, element: str) -> Waiting:
        """Return whether `element` (DAY/NAME) stands in apel-outgoing."""
        path = self.outgoing / element
        if path.with_name(f"{path.name}.lck").exists():
            return Waiting.LOCKED
        return Waiting.YES if path.exists() else Waiting.NO

    def backlog(self) -> Backlog:
        """Return how many messages wait for ssmsend, locked ones too, and since when."""
        stamps = [
            stamp
            for day in _names(self.outgoing, _DAY)
            for name in _names(self.outgoing / day, _NAME)
            if (stamp := _stamp(self.outgoing / day / name)) is not None
        ]
        return Backlog(messages=len(stamps), oldest_stamp=min(stamps, default=None))

    def _place(self, intervals: Iterable[RunInterval]) -> list[_Message]:
        """Find a place for each interval: that of its copy if there is one, else a free one."""
        taken: dict[str, bytes] = {}
        messages: list[_Message] = []
        for interval in intervals:
            if not interval.is_final:
                raise ValueError(f"run {interval.uuid}/{interval.interval} has no final end yet")
            content = text_of((record_of(interval),)).encode("ascii")
            message = self._place_one(interval, content, taken)
            taken[message.element] = content
            messages.append(message)
        return messages

    def _place_one(
        self, interval: RunInterval, content: bytes, taken: Mapping[str, bytes]
    ) -> _Message:
        is_sent = interval.terms.is_published
        places = elements_of(interval)
        while True:
            element = next(places)
            kept = taken.get(element, _content(self.archive / element))
            if kept == content:
                return _Message(
                    element=element, content=content, is_sent=is_sent, is_handed_over=True
                )
            if kept is None and _content(self.outgoing / element) in (None, content):
                return _Message(element=element, content=content, is_sent=is_sent)

    def _keep(self, messages: list[_Message]) -> None:
        """Hand the messages over, then archive them; see note [Exactly once]."""
        with ExitStack() as litter:
            targets = [self.archive / message.element for message in messages]
            drafts = [target.with_name(f".{target.name}.tmp") for target in targets]
            for draft, message in zip(drafts, messages, strict=True):
                litter.callback(draft.unlink, missing_ok=True)
                _write(draft, message.content)
            _sync(drafts)
            self._hand_over([message for message in messages if message.is_sent])
            for draft, target in zip(drafts, targets, strict=True):
                draft.rename(target)
            _sync_folders(targets)

    def _hand_over(self, messages: list[_Message]) -> None:
        """Make the messages elements of apel-outgoing; see note [What ssmsend sees]."""
        who = f"{os.getpid()}-{threading.get_ident()}"
        with ExitStack() as litter:
            targets = [self.outgoing / message.element for message in messages]
            drafts = [target.with_name(f".{target.name}.{who}.tmp") for target in targets]
            for draft, message in zip(drafts, messages, strict=True):
                litter.callback(draft.unlink, missing_ok=True)
                _write(draft, message.content)
            _sync(drafts)
            for draft, target in zip(drafts, targets, strict=True):
                with suppress(FileExistsError):  # it waits already, or is being sent
                    target.hardlink_to(draft)
            _sync_folders(targets)


def elements_of(interval: RunInterval) -> Iterator[str]:
    """Return the places DAY/NAME for the record of `interval`: the first, and others in need.

    The day is that of its end in UTC. Another than the first is needed only if two runs come out
    at the same 56 bits.
    """
    day = datetime.fromtimestamp(record_of(interval).ended_at, tz=UTC)
    runs = (f"{interval.uuid}/{interval.interval}/{number}" for number in itertools.count())
    return (f"{day:%Y%m%d}/{_digits(run.encode(errors='backslashreplace'))}" for run in runs)


def _digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:14]


def _stamp(path: Path) -> float | None:
    with suppress(FileNotFoundError):  # it was sent just now
        return path.stat().st_mtime
    return None


def _names(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    with suppress(FileNotFoundError):
        return sorted(path.name for path in folder.iterdir() if pattern.fullmatch(path.name))
    return []


def _content(path: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _write(draft: Path, content: bytes) -> None:
    for _ in range(_TRIES - 1):
        with suppress(FileNotFoundError, FileExistsError):
            return _write_once(draft, content)
    return _write_once(draft, content)


def _write_once(draft: Path, content: bytes) -> None:
    draft.parent.mkdir(parents=True, exist_ok=True)
    # One that a crash left may be a second name of an element: it is removed, never written to.
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, files.PUBLIC)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(handle, files.PUBLIC)
        stream.write(content)


def _sync(paths: Iterable[Path]) -> None:
    """Bring files or folders to the disk; one that is gone needs it no more."""
    for path in paths:
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _sync_folders(paths: Iterable[Path]) -> None:
    days = {path.parent for path in paths}
    trees = {day.parent for day in days}
    _sync(sorted(days | trees | {tree.parent for tree in trees}))
