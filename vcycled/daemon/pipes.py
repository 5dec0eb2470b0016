"""Fetches vacuum pipes beside the cycles and keeps their copies.

The configuration is read from the copies, so nobody waits for a pipe: a copy that changes is
noticed as any other file is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from vcycled.clock import Clock
from vcycled.config import PipeConfig
from vcycled.config.pipe_fetch import Fetched, failed, fetch_pipe
from vcycled.config.pipe_shelf import Copy, Shelf
from vcycled.download import shown
from vcycled.kvlog import KVLogger

_RETRY_SECONDS = (60, 3600)
"""After a failure; twice as long after each further one, up to the second."""
_MOST_DOUBLINGS = 6


@dataclass(slots=True)
class _Turn:
    """When a pipe is asked next."""

    due_at: float
    """On the clock's monotonic time."""
    failures: int = 0
    error: str = ""
    """What was logged last."""
    bug: str = ""
    """What traceback was logged last."""
    is_busy: bool = False
    """True while a thread is at it."""


class PipeKeeper:
    """Asks each pipe as often as it wants to be asked; one that hangs hinders no other."""

    def __init__(self, *, clock: Clock, log: KVLogger) -> None:
        self._clock = clock
        self._log = log
        self._turns: dict[PipeConfig, _Turn] = {}

    def tend(self, pipes: Iterable[PipeConfig], shelf: Shelf) -> None:
        """Begin to fetch the pipes that are due, each in a thread of its own; never waits."""
        now = self._clock.monotonic()
        known = {pipe: self._turns.get(pipe) or _Turn(due_at=now) for pipe in pipes}
        self._turns = known
        for pipe, turn in known.items():
            if not turn.is_busy and turn.due_at <= now:
                turn.is_busy = True
                arguments = (pipe, turn, shelf)
                threading.Thread(target=self._work, args=arguments, daemon=True).start()

    def _work(self, pipe: PipeConfig, turn: _Turn, shelf: Shelf) -> None:
        try:
            self._fetch(pipe, turn, shelf)
        except Exception as error:  # noqa: BLE001 - the top of a thread: the next turn tries again
            self._tell_bug(pipe, turn, type(error).__name__)
            turn.due_at = self._clock.monotonic() + _RETRY_SECONDS[-1]
        finally:
            turn.is_busy = False

    def _fetch(self, pipe: PipeConfig, turn: _Turn, shelf: Shelf) -> None:
        before = shelf.find(pipe.space, pipe.prefix, pipe.url).copy
        fetched = self._ask(pipe, turn, before)
        unkept = _keep(pipe, shelf, fetched.copy) if fetched.copy != before else ""
        error = fetched.copy.error or unkept
        if fetched.document is None or error:
            self._fail(pipe, turn, error)
            return
        is_new = before is None or before.text != fetched.copy.text
        if is_new or turn.error:
            self._log.info(
                "pipe-fetched",
                space=pipe.space,
                pipe=pipe.prefix,
                url=shown(pipe.url),
                machinetypes=len(fetched.document.entries),
            )
        turn.failures, turn.error, turn.bug = 0, "", ""
        turn.due_at = self._clock.monotonic() + fetched.document.cache_seconds

    def _ask(self, pipe: PipeConfig, turn: _Turn, before: Copy | None) -> Fetched:
        """Fetch a pipe; a bug that its answer meets is shown where bad answers are."""
        now = self._clock.now()
        try:
            return fetch_pipe(pipe, before, now=now)
        except Exception as error:  # noqa: BLE001 - whatever a document meets, its copy goes on
            why = f"a bug in Vcycle, {type(error).__name__}; its log has the traceback"
            self._tell_bug(pipe, turn, why)
            return failed(pipe, before, now=now, why=why)

    def _tell_bug(self, pipe: PipeConfig, turn: _Turn, why: str) -> None:
        """Log the exception that is being handled, once until there is another reason."""
        if why != turn.bug:
            turn.bug = why
            self._log.bug("pipe-broken", space=pipe.space, pipe=pipe.prefix)

    def _fail(self, pipe: PipeConfig, turn: _Turn, error: str) -> None:
        if error != turn.error:
            turn.error = error
            self._log.warning("pipe-failed", space=pipe.space, pipe=pipe.prefix, error=error)
        low, high = _RETRY_SECONDS
        turn.due_at = self._clock.monotonic() + min(low * 2**turn.failures, high)
        turn.failures = min(turn.failures + 1, _MOST_DOUBLINGS)


def _keep(pipe: PipeConfig, shelf: Shelf, copy: Copy) -> str:
    """Put a copy on the shelf; return why that cannot be done, empty if it is."""
    try:
        shelf.put(pipe.space, pipe.prefix, copy)
    except OSError as error:
        return (
            f"its copy cannot be kept in {shelf.path(pipe.space, pipe.prefix)}: {error.strerror}"
        )
    return ""
