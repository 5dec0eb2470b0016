"""How often each machine may put something."""

from __future__ import annotations

from collections.abc import Hashable

from vcycled.clock import Clock

_MOST = 50_000
"""Machines remembered; beyond that those are forgotten that may do all again."""


class Rates:
    """A token bucket for each key: so many a minute in the long run, and that many at once."""

    def __init__(self, per_minute: int, *, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left: dict[Hashable, tuple[float, float]] = {}

    def wait_s(self, key: Hashable) -> float:
        """Return 0 and count one if it may be now, else after how many seconds it may."""
        now = self._clock.monotonic()
        left = self._left_of(key, now)
        if left < 1:
            return (1 - left) * 60 / self._per_minute
        self._left[key] = (left - 1, now)
        if len(self._left) > _MOST:
            self._forget(now)
        return 0.0

    def _left_of(self, key: Hashable, now: float) -> float:
        left, at = self._left.get(key, (self._per_minute, now))
        return min(float(self._per_minute), left + (now - at) * self._per_minute / 60)

    def _forget(self, now: float) -> None:
        full = [key for key in self._left if self._left_of(key, now) >= self._per_minute]
        for key in full:
            del self._left[key]
