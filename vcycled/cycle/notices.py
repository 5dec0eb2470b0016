"""What a space wants known though all works: told once when it is new, reported while it is so."""

from __future__ import annotations

from vcycled.cycle.context import Context


class Notices:
    """Looks at the notices of one space, cycle after cycle."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told: frozenset[str] = frozenset()

    def now(self) -> tuple[str, ...]:
        """Return today's notices; those that were not there at the last call are logged."""
        notices = tuple(self._context.space.notices())
        for notice in notices:
            if notice not in self._told:
                self._context.log.warning("space-notice", detail=notice)
        self._told = frozenset(notices)
        return notices
