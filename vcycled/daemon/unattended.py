"""Tells of spaces that have machines and that no manager could look after.

The last good configuration, which lets a space drain whose section was removed, may be lost; then
only the database knows of its machines. Without the section nobody can log in to their cloud.
"""

from __future__ import annotations

from collections.abc import Mapping

from vcycled.clock import Clock
from vcycled.config import Config
from vcycled.kvlog import KVLogger
from vcycled.store import Store

LOOK_S = 60
"""How often it is looked for them, and how long managers that share a database have to start."""
REPEAT_S = 3600
"""How often it is told, while it is so."""


class Unattended:
    """Looks for them now and then."""

    def __init__(self, store: Store, *, clock: Clock, log: KVLogger) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._look_at = 0.0
        self._found: Mapping[str, int] = {}
        """Of the last look."""
        self._told_at: dict[str, float] = {}
        """By space, on the monotonic clock."""

    def look(self, config: Config) -> None:
        """Look if that is due; to be called often.

        Raises:
            StoreError: the database does not answer.
        """
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        found = self._store.unattended(space.name for space in config.spaces)
        self._look_at = now + LOOK_S
        self._told_at = {name: at for name, at in self._told_at.items() if name in found}
        for name, machines in sorted(found.items()):
            if self._is_certain(name) and self._is_news(name, now):
                self._told_at[name] = now
                self._tell(name, machines)
        self._found = found

    def _is_certain(self, name: str) -> bool:
        """Return whether no other manager may be about to say that the space is its own."""
        return not self._store.leases.is_shared or name in self._found

    def _is_news(self, name: str, now: float) -> bool:
        return name not in self._told_at or now - self._told_at[name] >= REPEAT_S

    def _tell(self, name: str, machines: int) -> None:
        detail = (
            "no section that can be used has this space, so nobody looks after its machines:"
            " put its section back"
        )
        self._log.error("space-unattended", space=name, machines=machines, detail=detail)
