"""The only place that asks what time it is or waits.

Everything else is handed a `Clock`, or an instant (`now`), so that tests need not wait.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time, elapsed time, and waiting."""

    def now(self) -> int:
        """Return the wall time in whole Unix seconds."""
        ...

    def now_ns(self) -> int:
        """Return the wall time in nanoseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that only goes forward; only differences mean anything."""
        ...

    def of_stamp(self, stamp: float) -> int:
        """Return the instant on this clock of a time stamp that the kernel made (`st_mtime`)."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set or `timeout_s` seconds of this clock are over; True if set."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> int:
        """Return the wall time in whole Unix seconds."""
        return int(time.time())  # noqa: TID251 - this is the clock

    def now_ns(self) -> int:
        """Return the wall time in nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Return seconds since some fixed instant."""
        return time.monotonic()

    def of_stamp(self, stamp: float) -> int:
        """Return `stamp` in whole seconds: the kernel's clock is ours."""
        return int(stamp)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until `event` is set or `timeout_s` seconds are over; True if it is set."""
        return event.wait(timeout=max(0.0, timeout_s))


class JumpMeter:
    """Compares the wall clock with the monotonic one; to be asked often.

    What comes in small steps is no jump: a clock is slewed when its server sets it right gently.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead = self._measured()

    def jump(self) -> float:
        """Return by how many seconds the wall clock was set since the last call."""
        before, self._lead = self._lead, self._measured()
        return self._lead - before

    def _measured(self) -> float:
        return self._clock.now() - self._clock.monotonic()
