"""What a cloud said, kept for a while, so that it is not asked for every machine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from vcycled.clock import Clock

T = TypeVar("T")


class Kept(Generic[T]):
    """Answers by what was asked.

    Machines that are made side by side want one at the same time: the first asks, the others wait.

    Args:
        ask: asks the cloud; what it raises is not kept.
        seconds: how long an answer holds.
        clock: by which it does.
    """

    def __init__(self, ask: Callable[[str], T], *, seconds: int, clock: Clock) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, T]] = {}

    def get(self, question: str) -> T:
        """Return the answer, asked for if it is not known or does not hold any more."""
        with self._lock:
            now = self._clock.monotonic()
            kept = self._answers.get(question)
            if kept is None or now >= kept[0]:
                kept = now + self._seconds, self._ask(question)
                self._answers[question] = kept
            return kept[1]

    def forget(self, question: str) -> None:
        """Ask again before the answer is used again."""
        with self._lock:
            self._answers.pop(question, None)
