"""Clocks for tests: one that moves when told, others that run faster than real time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from vcycled.clock import SystemClock

START = 1_800_000_000
"""Where a FakeClock starts unless told otherwise: 2027-01-15 08:00 UTC."""


class FakeClock:
    """A clock that stands still until `advance`; waiting moves it and never blocks."""

    def __init__(self, now: int = START) -> None:
        self._now = float(now)
        self._monotonic = 0.0

    def now(self) -> int:
        """Return the wall time."""
        return int(self._now)

    def now_ns(self) -> int:
        """Return the wall time in nanoseconds; each call is one tick of 10 ns later."""
        self._now += 1e-6
        return int(self._now * 1e9)

    def monotonic(self) -> float:
        """Return the time that has passed by `advance` and `wait`."""
        return self._monotonic

    def of_stamp(self, stamp: float) -> int:
        """Return `stamp`: tests set file times from this clock."""
        return int(stamp)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let `timeout_s` pass at once unless `event` is set."""
        if not event.is_set():
            self.advance(timeout_s)
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as a bad NTP server would."""
        self._now += seconds


class FastClock:
    """Real time, `speed` times as fast since `origin` (a real Unix time all processes share)."""

    def __init__(self, origin: float, speed: float) -> None:
        self._origin = origin
        self._speed = speed
        self._real = SystemClock()

    def now(self) -> int:
        """Return the sped-up wall time."""
        return self.now_ns() // 1_000_000_000

    def now_ns(self) -> int:
        """Return the sped-up wall time in nanoseconds."""
        origin = int(self._origin * 1e9)
        return origin + int((self._real.now_ns() - origin) * self._speed)

    def monotonic(self) -> float:
        """Return sped-up elapsed seconds."""
        return self._real.monotonic() * self._speed

    def of_stamp(self, stamp: float) -> int:
        """Return when the kernel's `stamp` was on this clock."""
        return int(self._origin + (stamp - self._origin) * self._speed)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait `timeout_s` sped-up seconds or until `event` is set."""
        return self._real.wait(event, timeout_s / self._speed)


class WrongClock(FastClock):
    """A FastClock that is set wrong now and then, as a file says that all processes share.

    Each line of it has a real Unix time, and by how many seconds the wall clock is fast from then
    on. Time stamps that the kernel made before keep what the clock was then.
    """

    def __init__(self, origin: float, speed: float, *, settings: Path) -> None:
        super().__init__(origin, speed)
        self._settings = settings

    def set_ahead(self, seconds: int) -> None:
        """Set the clock of all who share the file to so many seconds ahead; 0 is right."""
        with self._settings.open("a", encoding="ascii") as stream:
            stream.write(f"{self._real.now_ns() / 1e9} {seconds}\n")

    def now_ns(self) -> int:
        """Return the wall time, sped up and wrong, in nanoseconds."""
        return super().now_ns() + self._ahead_at(self._real.now_ns() / 1e9) * 1_000_000_000

    def of_stamp(self, stamp: float) -> int:
        """Return when the kernel's `stamp` was on this clock, as it was set then."""
        return super().of_stamp(stamp) + self._ahead_at(stamp)

    def _ahead_at(self, real: float) -> int:
        return next((ahead for since, ahead in self._latest_first() if since <= real), 0)

    def _latest_first(self) -> Iterator[tuple[float, int]]:
        text = self._settings.read_text(encoding="ascii") if self._settings.exists() else ""
        for line in reversed(text.splitlines()):
            since, ahead = line.split()
            yield float(since), int(ahead)
