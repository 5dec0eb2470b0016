"""What time it truly is, whatever somebody sets the manager's clock to, and how wrong that was."""

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


class Offsets:
    """By how many seconds a clock was ahead, and since when, in true time."""

    def __init__(self) -> None:
        self._settings: list[tuple[int, int]] = [(0, 0)]

    def note(self, at: int, ahead_s: int) -> None:
        """Note how far it is ahead from `at` on."""
        self._settings.append((at, ahead_s))

    def between(self, since: int, until: int) -> list[int]:
        """Return by how much it was ahead, each time, between the two."""
        later = [at for at, _ in self._settings[1:]]
        spans = zip(self._settings, [*later, until], strict=True)
        return [ahead for (at, ahead), over in spans if at <= until and over >= since]

    def worst(self, since: int, until: int) -> int:
        """Return how wrong it was at most between the two."""
        return max(map(abs, self.between(since, until)), default=0)

    def behind(self, at: int) -> int:
        """Return how far it was behind then, in seconds; 0 if it was not."""
        return max(0, -min(self.between(at, at), default=0))

    def is_right(self, at: int) -> bool:
        """Return whether it was right then, and not about to be set."""
        return not any(self.between(at, at))
