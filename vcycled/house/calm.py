"""Whether the wall clock can be trusted with what is removed for its age."""

from __future__ import annotations

from vcycled.clock import Clock, JumpMeter
from vcycled.model import CLOCK_SLACK_SECONDS


class Calm:
    """Watches the wall clock; to be asked often, as a jump is only seen between two looks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._meter = JumpMeter(clock)
        self._since = clock.monotonic()

    def seconds(self) -> float:
        """Return for how long the wall clock has gone on without a jump, as far as was seen."""
        elapsed = self._clock.monotonic()
        if abs(self._meter.jump()) >= CLOCK_SLACK_SECONDS:
            self._since = elapsed
        return elapsed - self._since
