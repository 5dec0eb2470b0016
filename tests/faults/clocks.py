"""What time it truly is, whatever somebody sets the manager's clock to."""

from __future__ import annotations

import threading

from vcycled.testing.clock import START, FakeClock


class TrueClock:
    """The time that has passed on a FakeClock, without its jumps: the clock of everybody else."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> int:
        """Return the true wall time."""
        return START + int(self.monotonic())

    def now_ns(self) -> int:
        """Return the true wall time in nanoseconds."""
        return START * 10**9 + int(self.monotonic() * 1e9)

    def monotonic(self) -> float:
        """Return the time that has passed."""
        return self._clock.monotonic()

    def of_stamp(self, stamp: float) -> int:
        """Return `stamp`: tests set file times by hand."""
        return int(stamp)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let `timeout_s` pass at once unless `event` is set."""
        return self._clock.wait(event, timeout_s)
