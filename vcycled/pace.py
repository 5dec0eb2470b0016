"""Politeness towards an API: so many calls a second for each account, and none while it says no.

Clouds count calls by account, whoever makes them. So all spaces of one account in this process
share one `Pace`, found by `pace_of`.
"""

from __future__ import annotations

import threading
from weakref import WeakKeyDictionary

from vcycled.clock import Clock
from vcycled.errors import Unavailable


class Pace:
    """A token bucket, and the end of the pause that the cloud asked for (Retry-After).

    Args:
        rate: calls per second in the long run.
        burst: calls that may be made at once after a quiet time.
        clock: to wait on.
    """

    def __init__(self, rate: float, burst: int, *, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._counted_at = clock.monotonic()
        self._paused_until: float | None = None

    def take(self, operation: str) -> None:
        """Wait until one more call may be made.

        Raises:
            Unavailable: the cloud asked for a pause that is not over; nothing was sent.
        """
        self._check_pause(operation)
        wait_s = self._reserve()
        if wait_s > 0:
            self._clock.wait(threading.Event(), wait_s)
            self._check_pause(operation)

    def pause(self, seconds: float) -> None:
        """Let no call be made for so long; a longer pause that was asked for before stands."""
        until = self._clock.monotonic() + seconds
        with self._lock:
            self._paused_until = max(until, self._paused_until or until)

    def _reserve(self) -> float:
        """Take a token that is there or will be; return after how many seconds it is."""
        with self._lock:
            now = self._clock.monotonic()
            filled = self._tokens + (now - self._counted_at) * self._rate
            self._tokens = min(float(self._burst), filled) - 1
            self._counted_at = now
            return max(0.0, -self._tokens / self._rate)

    def _check_pause(self, operation: str) -> None:
        with self._lock:
            until = self._paused_until
        left = 0.0 if until is None else until - self._clock.monotonic()
        if left > 0:
            seconds = int(left) + 1
            detail = f"the cloud asked for a pause, {seconds} s of it are left"
            raise Unavailable(operation, detail, retry_after_s=seconds, is_undone=True)


_paces: WeakKeyDictionary[Clock, dict[tuple[object, ...], Pace]] = WeakKeyDictionary()
_paces_lock = threading.Lock()


def pace_of(account: tuple[object, ...], rate: float, burst: int, *, clock: Clock) -> Pace:
    """Return the pace that every space with this account, rate and burst shares."""
    with _paces_lock:
        paces = _paces.setdefault(clock, {})
        key = (*account, rate, burst)
        if key not in paces:
            paces[key] = Pace(rate, burst, clock=clock)
        return paces[key]
