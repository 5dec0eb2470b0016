"""Whether the wall clock can be trusted with what is removed for its age."""

from __future__ import annotations

from vcycled.clock import Clock

JUMP_SECONDS = 60
"""A wall clock that differs so much from the monotonic one was set."""


class Calm:
    """Watches the wall clock; to be asked often, as a jump is only seen between two looks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead: float | None = None
        """How far the wall clock was ahead of the monotonic one when we last looked."""
        self._since = 0.0

    def seconds(self) -> float:
        """Return for how long the wall clock has gone on without a jump, as far as was seen."""
        elapsed = self._clock.monotonic()
        lead = self._clock.now() - elapsed
        if self._lead is None or abs(lead - self._lead) >= JUMP_SECONDS:
            self._since = elapsed
        self._lead = lead
        return elapsed - self._since
