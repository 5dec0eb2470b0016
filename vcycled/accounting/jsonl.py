"""JSON lines: one file for each day, one object for each run, for whatever reads such files.

# Note [Lines that stay]

The file is that of the day (in UTC) on which the run ended, so that a run that is put again is
looked for in one file only. A line without a line end is the rest of a write that was cut short by
a crash or a full disk: it was never counted as taken, and goes before the next line is added. All
lines of a call are added by one write under a lock, and are on the disk before they count. The
file only ever grows, so that what follows files (tail, log shippers) can follow it, and goes as a
whole. It is removed under the same lock, and who gets that lock on a file that has gone opens its
successor.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vcycled import files
from vcycled.accounting.base import (
    ABSOLUTE,
    RunInterval,
    Sink,
    SinkRefused,
    Verdict,
    demand_final,
    record_id,
)
from vcycled.apel.record import record_of, stand_in_site, submit_host_name
from vcycled.options import optional

_OURS = re.compile(r"[0-9]{8}\.jsonl")
_DAYS_KEPT = 8
"""Of how many files it is remembered what they hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLinesOptions:
    """Options of a sink that writes JSON lines."""

    folder: str | None = optional(
        ABSOLUTE,
        default_text="ROOT/accounting/NAME",
        help="""Folder of the files, made if it is not there. Managers must not share one.""",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a file held when it was last read or written."""

    inode: int
    size: int
    ids: frozenset[str]


class JsonLinesSink(Sink):
    """Files YYYYMMDD.jsonl in one folder; see note [Lines that stay]."""

    Options = JsonLinesOptions
    is_local = True
    batch = 1000

    def __init__(self, name: str, options: object, *, root: Path) -> None:
        assert isinstance(options, JsonLinesOptions)
        self._folder = Path(options.folder or root / "accounting" / name)
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}

    def put(self, runs: Sequence[RunInterval]) -> Iterable[Verdict]:
        """Add a line for each run that has none yet."""
        demand_final(runs)
        days: dict[str, list[RunInterval]] = {}
        for run in runs:
            days.setdefault(day_of(run), []).append(run)
        for day, some in days.items():
            try:
                self._put_day(day, some)
            except OSError as error:
                raise SinkRefused(str(error)) from error
            yield from (Verdict(run=run) for run in some)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    def prune(self, *, before: int) -> int:
        """Remove files of days that were over at `before`, unless something was added since."""
        return sum(_remove(each, before) for each in sorted(self._over(before)))

    def _over(self, before: int) -> Iterator[Path]:
        """Yield the files of days that were over at `before`."""
        day = f"{datetime.fromtimestamp(before, tz=UTC):%Y%m%d}"
        with suppress(FileNotFoundError):
            for each in self._folder.iterdir():
                if _OURS.fullmatch(each.name) and each.stem < day:
                    yield each

    def _put_day(self, day: str, runs: Sequence[RunInterval]) -> None:
        path = self._folder / f"{day}.jsonl"
        with self._lock, _locked(path) as handle:
            # Whatever happens now, what is remembered of it is not true any more.
            seen = self._seen.pop(day, None)
            if seen is None or (seen.inode, seen.size) != _signature(handle):
                seen = _read(handle)
            lines = {record_id(run): line_of(run) for run in runs}
            new = {name: line for name, line in lines.items() if name not in seen.ids}
            _add(handle, b"".join(new.values()), size=seen.size)
            inode, size = _signature(handle)
            self._remember(day, _Seen(inode=inode, size=size, ids=seen.ids | new.keys()))

    def _remember(self, day: str, seen: _Seen) -> None:
        self._seen[day] = seen
        while len(self._seen) > _DAYS_KEPT:
            del self._seen[next(iter(self._seen))]


def day_of(run: RunInterval) -> str:
    """Return the day of the end of `run` in UTC, as YYYYMMDD."""
    return f"{datetime.fromtimestamp(record_of(run).ended_at, tz=UTC):%Y%m%d}"


def line_of(run: RunInterval) -> bytes:
    """Return the line of `run`, with its end; plain ASCII."""
    return json.dumps(document(run), separators=(",", ":")).encode("ascii") + b"\n"


def document(run: RunInterval) -> Mapping[str, str | int | float | None]:
    """Return what is said of `run`; docs/reference/accounting.md has the meaning of each key."""
    terms = run.terms
    wall_s = max(0, run.ended_at - run.started_at)
    processors = max(1, run.processors)
    power = terms.power_per_processor
    has_power = power is not None and math.isfinite(power)
    return {
        "record_id": record_id(run),
        "uuid": run.uuid,
        "interval": run.interval,
        "name": run.name,
        "space": run.space,
        "machinetype": run.machinetype,
        "site": terms.site or stand_in_site(run.space),
        "submit_host": terms.submit_host or submit_host_name(run.space, terms.manager_host),
        "manager_host": terms.manager_host,
        "accounting_fqan": terms.fqan,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "end_source": run.end_source.value,
        "wall_seconds": wall_s,
        "cpu_seconds": wall_s * processors,
        "processors": processors,
        "memory_mb": run.memory_mb,
        "power_per_processor": power if has_power else None,
        "power_unit": terms.power_unit if has_power else None,
    }


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Give the file, made if need be and locked against other processes."""
    _make(path.parent)
    handle = _open_locked(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    while not os.fstat(handle).st_nlink:  # it was removed before the lock was ours
        os.close(handle)
        handle = _open_locked(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        yield handle
        _sync(path.parent)
    finally:
        os.close(handle)


def _open_locked(path: Path, flags: int) -> int:
    """Open a file that is no link, and wait for its lock."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, files.PUBLIC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        os.close(handle)
        raise
    return handle


def _remove(path: Path, before: int) -> bool:
    """Remove a file to which nothing was added since `before`; return whether it went."""
    handle = _open_locked(path, os.O_RDONLY)
    try:
        if os.fstat(handle).st_mtime >= before:
            return False
        path.unlink(missing_ok=True)
    finally:
        os.close(handle)
    return True


def _signature(handle: int) -> tuple[int, int]:
    stat = os.fstat(handle)
    return stat.st_ino, stat.st_size


def _read(handle: int) -> _Seen:
    """Return what the file holds, without the rest of a write that was cut short."""
    inode, size = _signature(handle)
    content = os.pread(handle, size, 0)
    whole = content.rfind(b"\n") + 1
    ids = frozenset(filter(None, map(_id_in, content[:whole].splitlines())))
    return _Seen(inode=inode, size=whole, ids=ids)


def _id_in(line: bytes) -> str:
    """Return the record_id of a line; empty if it is none of ours."""
    with suppress(ValueError):
        said = json.loads(line)
        if isinstance(said, dict) and isinstance(said.get("record_id"), str):
            return str(said["record_id"])
    return ""


def _add(handle: int, content: bytes, *, size: int) -> None:
    """Make `content` the end of the file, whose whole lines take `size` bytes; all or nothing."""
    if os.fstat(handle).st_size != size:
        os.ftruncate(handle, size)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    except OSError:
        with suppress(OSError):
            os.ftruncate(handle, size)
        raise


def _make(folder: Path) -> None:
    """Make `folder` and what is above it, as far as they are not there."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Bring the names in `folder` to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
