"""Calls to a cloud's API, counted by what they were made for."""

from __future__ import annotations

import threading
from collections import Counter


class CallCount:
    """How many calls were made for each verb of the contract, since construction.

    Calls are counted from several threads at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: Counter[str] = Counter()

    def add(self, operation: str) -> None:
        """Count a call that is about to be made for this verb."""
        with self._lock:
            self._made[operation] += 1

    def made(self) -> Counter[str]:
        """Return how many were made so far, as a value of its own."""
        with self._lock:
            return self._made.copy()
