"""Machines that were just made, which EC2 may not know of everywhere yet.

"Eventual consistency" of the EC2 developer guide: for some time after RunInstances has returned an
id, other calls may say that there is no such instance. So their word is no proof of absence until
the machine was seen once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from vcycled.clock import Clock
from vcycled.errors import Unavailable

MOST_SECONDS = 600
"""Longest that EC2 is allowed to take."""


class Fresh:
    """Ids of machines that were made and have not been seen, names that were asked for."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._unseen: dict[str, float] = {}
        self._asked: dict[str, float] = {}

    def made(self, instance_id: str) -> None:
        """A machine was made."""
        with self._lock:
            self._unseen[instance_id] = self._clock.monotonic()

    def seen(self, instance_ids: Iterable[str]) -> None:
        """These machines are known everywhere."""
        with self._lock:
            for each in instance_ids:
                self._unseen.pop(each, None)

    def check_absent(self, operation: str, instance_id: str) -> None:
        """Raise Unavailable if a machine that EC2 does not know may come up yet."""
        with self._lock:
            made_at = self._unseen.get(instance_id)
        if made_at is not None and self._clock.monotonic() - made_at < MOST_SECONDS:
            raise Unavailable(
                operation, f"EC2 does not show {instance_id} yet, which it just made"
            )

    def was_asked(self, name: str) -> bool:
        """Return whether a machine of this name was asked for; from now on it was."""
        with self._lock:
            was_asked = name in self._asked
            self._asked[name] = self._clock.monotonic()
        return was_asked

    def forget_old(self) -> None:
        """Forget what was so long ago that EC2 surely shows it."""
        oldest = self._clock.monotonic() - MOST_SECONDS
        with self._lock:
            self._unseen = {key: at for key, at in self._unseen.items() if at > oldest}
            self._asked = {key: at for key, at in self._asked.items() if at > oldest}
