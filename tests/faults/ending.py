"""Ends this process in good order when it is told to, so that it leaves nothing behind.

Who plays a history is in a hundred places when the signal comes. It is raised there as an
exception, so that everything that was opened is closed; but not where something has been started
and nobody knows of it yet, or while things are being closed.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ender:
    """What this process was told, and whether it may end now."""

    def __init__(self) -> None:
        self._number = 0
        """The signal that told us to end; 0 as long as none did."""
        self._is_due = False
        self._is_heeding = False

    def listen(self) -> None:
        """Take note of signals from now on; only in the main thread."""
        for number in SIGNALS:
            signal.signal(number, self._told)

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """Do something that ends as soon as we are told to, if it is begun at all."""
        self._is_due = bool(self._number)
        with self._set(is_heeding=True):
            yield

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Do something that comes to its end before we do."""
        with self._set(is_heeding=False):
            yield
        self._end_if_due()

    @contextmanager
    def _set(self, *, is_heeding: bool) -> Iterator[None]:
        before, self._is_heeding = self._is_heeding, is_heeding
        try:
            self._end_if_due()
            yield
        finally:
            self._is_heeding = before

    def _told(self, number: int, _frame: object) -> None:
        if not self._number:  # once is enough, whoever else says it too
            self._number, self._is_due = number, True
            self._end_if_due()

    def _end_if_due(self) -> None:
        if self._is_due and self._is_heeding:
            self._is_due = False
            raise SystemExit(128 + self._number)


ENDER = Ender()
"""That of this process."""


def outlive(process: subprocess.Popen[bytes]) -> int:
    """Wait for `process`, which is told what we are told, and return its exit status."""

    def pass_on(number: int, _frame: object) -> None:
        process.send_signal(number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    return process.wait()
