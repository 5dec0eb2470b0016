"""How long something holds that a test switched on."""

from __future__ import annotations

from vcycled.clock import Clock


class Span:
    """So many uses, so many seconds, both, or until whoever keeps it drops it.

    Args:
        clock: of the cloud.
        uses: after which it is over; None is any number.
        seconds: after which it is over; None is for ever.
    """

    def __init__(
        self, clock: Clock, *, uses: int | None = None, seconds: int | None = None
    ) -> None:
        self._clock = clock
        self._uses = uses
        self._ends_at = None if seconds is None else clock.now() + seconds

    def use(self) -> bool:
        """Return whether it holds now; that is one use, if it does."""
        if self._ends_at is not None and self._clock.now() >= self._ends_at:
            return False
        if self._uses is not None:
            self._uses -= 1
            return self._uses >= 0
        return True
