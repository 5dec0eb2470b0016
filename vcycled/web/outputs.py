"""Taking a machine's outputs: streamed to disk, within limits, whole or not at all.

# Note [Limits]

What a machine sends goes to a hidden file in its joboutputs and is renamed when it is all there.
Limits are looked at before anything is read, while it arrives, and once more just before the
rename, one upload of a machine at a time. So the visible files of a machine never exceed its
limits, and with the hidden ones it holds at most UPLOADS_AT_ONCE files more. Hidden files that a
dead process left are swept when the machine sends its next output.

# Note [A disk that is nearly full]

All machines together may still send more than there is room for. What is left at the end is for
what keeps the site alive: heartbeats and shutdown messages, the manager's database, its records.
So larger outputs are refused while little is free. That costs no heartbeat, so the sign of life of
the site goes on.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import secrets
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from vcycled import kvlog
from vcycled.clock import Clock
from vcycled.machinedir.layout import FETCHED, JOBOUTPUTS
from vcycled.web.rates import Rates
from vcycled.web.threads import in_thread
from vcycled.web.tree import folder

_LOG = kvlog.get(__name__)

UPLOADS_AT_ONCE = 8
"""Of one machine."""
SMALL_BYTES = 65_536
"""Outputs up to this size are taken as long as there is any room."""
_STEP_BYTES = 2**20
"""How often the disk is looked at while an output arrives."""
_MODE = 0o640
_HIDDEN = ".put-"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

Receive = Callable[[], Awaitable[bytes]]
"""Gives the next piece of a body; an empty one is its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLimits:
    """What one machine may put into its joboutputs, and how slowly."""

    file_bytes: int
    total_bytes: int
    files: int
    free_bytes: int = 0
    """What is left free on the disk for what is small; see note [A disk that is nearly full]."""
    puts_per_minute: int = 600
    idle_s: float = 30.0
    """Without a byte for so long, an upload is given up."""
    upload_s: float = 3600.0
    """However steadily it comes, it must be over by then."""


class Refusal(Exception):
    """An output was not taken, and nothing of it is left."""

    def __init__(
        self,
        status: int,
        text: str,
        *,
        is_our_fault: bool = False,
        retry_after_s: int | None = None,
    ) -> None:
        self.status = status
        self.text = text
        self.retry_after_s = retry_after_s
        self.is_our_fault = is_our_fault
        super().__init__(text)


@dataclass(slots=True)
class _Uploads:
    """Those of one machine that are on their way."""

    hidden: set[str] = field(default_factory=set)
    """Names of their files."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class _Upload:
    """One that was let in."""

    outputs: int
    """The open joboutputs folder."""
    hidden: str
    name: str
    declared: int | None
    others: _Uploads
    """Of this machine, itself included."""


class OutputStore:
    """Puts outputs into the folders of machines."""

    def __init__(self, limits: OutputLimits, *, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._rates = Rates(limits.puts_per_minute, clock=clock)
        self._told = Rates(1, clock=clock)
        self._uploads: dict[Path, _Uploads] = {}

    async def store(
        self, machine: Path, name: str, declared: int | None, receive: Receive
    ) -> bool:
        """Store what `receive` gives as output `name` of the machine whose folder is `machine`.

        Args:
            machine: the machine's folder.
            name: one that an output may have.
            declared: length of the body, if the client stated it.
            receive: gives the body; called only once the limits allow it.

        Returns:
            True if it replaced an output of that name.

        Raises:
            Refusal: it was not taken.
        """
        self._check_rate(machine)
        uploads = self._uploads.setdefault(machine, _Uploads())
        if len(uploads.hidden) >= UPLOADS_AT_ONCE:
            text = f"{UPLOADS_AT_ONCE} uploads of this machine are on their way"
            raise Refusal(429, text, retry_after_s=1)
        hidden = f"{_HIDDEN}{secrets.token_hex(8)}"
        uploads.hidden.add(hidden)
        try:
            self._check_file(declared or 0)
            with folder(machine, JOBOUTPUTS) as outputs:
                upload = _Upload(outputs, hidden, name, declared, uploads)
                return await self._take(upload, receive)
        except FileNotFoundError as error:
            raise Refusal(404, "this machine is gone") from error
        except OSError as error:
            if error.errno in _FULL:
                raise Refusal(507, "the server's disk is full", is_our_fault=True) from error
            raise Refusal(500, "the server cannot write it", is_our_fault=True) from error
        finally:
            uploads.hidden.remove(hidden)
            if not uploads.hidden:
                self._uploads.pop(machine, None)

    async def _take(self, upload: _Upload, receive: Receive) -> bool:
        await in_thread(self._check_total, upload, upload.declared or 0)
        await self._check_disk(upload, upload.declared or 0, more=upload.declared or 0)
        try:
            size = await self._receive(upload, receive)
            _check_whole(size, upload.declared)
            async with upload.others.turn:
                return await in_thread(self._publish, upload, size)
        except BaseException:
            await in_thread(_discard, upload.outputs, upload.hidden)
            raise

    async def _receive(self, upload: _Upload, receive: Receive) -> int:
        """Write the body to the hidden file and return its length."""
        size = 0
        with _new_file(upload.outputs, upload.hidden) as handle:
            try:
                async with asyncio.timeout(self._limits.upload_s):
                    while piece := await self._next(receive):
                        size += len(piece)
                        self._check_file(size)
                        if _is_at_step(size, len(piece)):
                            await self._check_disk(upload, size, more=len(piece))
                        await in_thread(_write_all, handle, piece)
            except TimeoutError as error:
                raise Refusal(408, "the upload stalled or took too long") from error
        return size

    async def _next(self, receive: Receive) -> bytes:
        async with asyncio.timeout(self._limits.idle_s):
            return await receive()

    def _check_rate(self, machine: Path) -> None:
        wait_s = self._rates.wait_s(machine)
        if wait_s > 0:
            text = f"a machine may put {self._limits.puts_per_minute} outputs a minute"
            raise Refusal(429, text, retry_after_s=math.ceil(wait_s))

    def _check_file(self, size: int) -> None:
        if size > self._limits.file_bytes:
            raise Refusal(413, f"an output may have {self._limits.file_bytes} bytes")

    async def _check_disk(self, upload: _Upload, size: int, *, more: int) -> None:
        """Refuse an output of this size so far if too little would be free with `more` bytes."""
        if size <= SMALL_BYTES or not self._limits.free_bytes:
            return
        free = await in_thread(_free_bytes, upload.outputs)
        if free - more >= self._limits.free_bytes:
            return
        if not self._told.wait_s(""):
            _LOG.error("web-disk-low", free=free, kept=self._limits.free_bytes)
        raise Refusal(507, f"the server's disk is nearly full; {SMALL_BYTES} bytes still fit")

    def _publish(self, upload: _Upload, size: int) -> bool:
        """Give the file its name if the limits still allow it; True if there was one of it."""
        self._check_total(upload, size)
        return _rename(upload)

    def _check_total(self, upload: _Upload, size: int) -> None:
        """Check that the machine keeps its limits with this file, and sweep leftovers."""
        others = [each for each in self._visible(upload) if each.name != upload.name]
        if len(others) + 1 > self._limits.files:
            raise Refusal(507, f"a machine may have {self._limits.files} outputs")
        total = sum(each.stat(follow_symlinks=False).st_size for each in others)
        if total + size > self._limits.total_bytes:
            raise Refusal(507, f"outputs of a machine may have {self._limits.total_bytes} bytes")

    def _visible(self, upload: _Upload) -> list[os.DirEntry[str]]:
        with os.scandir(upload.outputs) as entries:
            found = list(entries)
        for entry in found:
            if entry.name.startswith(_HIDDEN) and self._is_left_over(entry, upload.others):
                _discard(upload.outputs, entry.name)
        return [entry for entry in found if not _is_hidden(entry.name)]

    def _is_left_over(self, entry: os.DirEntry[str], living: _Uploads) -> bool:
        if entry.name in living.hidden:
            return False
        with suppress(FileNotFoundError):
            written_at = self._clock.of_stamp(entry.stat(follow_symlinks=False).st_mtime)
            return self._clock.now() - written_at > self._limits.upload_s
        return False


def _is_at_step(size: int, piece: int) -> bool:
    """Return whether an output that has grown by `piece` to `size` bytes is to be looked at."""
    before = size - piece
    return before <= SMALL_BYTES < size or before // _STEP_BYTES != size // _STEP_BYTES


def _free_bytes(within: int) -> int:
    found = os.fstatvfs(within)
    return found.f_bavail * found.f_frsize


def _is_hidden(name: str) -> bool:
    return name.startswith(_HIDDEN) or name == FETCHED


@contextmanager
def _new_file(within: int, name: str) -> Iterator[int]:
    handle = os.open(name, _NEW, _MODE, dir_fd=within)
    try:
        os.fchmod(handle, _MODE)
        yield handle
    finally:
        os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def _check_whole(size: int, declared: int | None) -> None:
    if declared not in {None, size}:
        raise Refusal(400, f"only {size} of {declared} bytes arrived")


def _rename(upload: _Upload) -> bool:
    """Give the file its name; True if there was one of that name."""
    within = upload.outputs
    try:
        before = os.stat(upload.name, dir_fd=within, follow_symlinks=False)
    except FileNotFoundError:
        before = None
    if before is not None and stat.S_ISDIR(before.st_mode):
        raise Refusal(409, "there is a folder of this name")
    os.rename(upload.hidden, upload.name, src_dir_fd=within, dst_dir_fd=within)
    return before is not None


def _discard(within: int, hidden: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(hidden, dir_fd=within)
