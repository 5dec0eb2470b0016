"""Calls to a cloud's API, counted by what they were made for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class CallCount:
    """How many calls were made for each verb of the contract, since construction.

    Calls are counted from several threads at once. Where many places make them, or an SDK does, a
    thread says beforehand what it is `doing`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: Counter[str] = Counter()
        self._here = threading.local()

    @contextmanager
    def doing(self, operation: str) -> Iterator[None]:
        """Let this thread make its calls for a verb of the contract."""
        before = self.operation
        self._here.operation = operation
        try:
            yield
        finally:
            self._here.operation = before

    @property
    def operation(self) -> str:
        """What this thread makes its calls for; `connect` unless it says otherwise."""
        return getattr(self._here, "operation", "connect")

    def add(self, operation: str) -> None:
        """Count a call that is about to be made for this verb."""
        with self._lock:
            self._made[operation] += 1

    def made(self) -> Counter[str]:
        """Return how many were made so far, as a value of its own."""
        with self._lock:
            return self._made.copy()
