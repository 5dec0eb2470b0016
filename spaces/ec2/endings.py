"""Which ended machines are still worth showing.

# Note [Terminated instances]

EC2 shows a terminated instance for about an hour. It holds nothing and counts against nothing, but
its entry says when and why it ended, which matters for accounting and for machines that could not
be made. So one of ours is listed as ended for five minutes, or until its deletion is asked for;
from then on it is gone. `find` tells of it also later, for a manager that was away.
"""

from __future__ import annotations

import threading

from vcycled.clock import Clock

SHOWN_SECONDS = 300
"""No longer than the manager needs to hold a machine for gone, so that one that it has written off
does not come back after a restart."""
KEPT_SECONDS = 7200
"""Longer than EC2 shows them."""


class Endings:
    """The terminated machines of ours that were seen, and those whose deletion was asked for."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._first_seen: dict[str, float] = {}
        self._deleted: dict[str, float] = {}

    def is_listed(self, instance_id: str, ended_at: int | None) -> bool:
        """Return whether a terminated machine is still part of listings.

        Args:
            instance_id: of it.
            ended_at: when it ended, if EC2 says so.
        """
        now = self._clock.monotonic()
        with self._lock:
            first = self._first_seen.setdefault(instance_id, now)
        age = now - first if ended_at is None else self._clock.now() - ended_at
        return age < SHOWN_SECONDS and self.is_found(instance_id)

    def is_found(self, instance_id: str) -> bool:
        """Return whether `find` tells of a terminated machine."""
        with self._lock:
            return instance_id not in self._deleted

    def is_over(self, instance_id: str) -> bool:
        """Return whether a machine was seen to be terminated."""
        with self._lock:
            return instance_id in self._first_seen

    def delete(self, instance_id: str) -> None:
        """The end of this machine is known: once it is terminated it is gone."""
        with self._lock:
            self._deleted[instance_id] = self._clock.monotonic()

    def forget_old(self) -> None:
        """Forget what EC2 has forgotten too."""
        oldest = self._clock.monotonic() - KEPT_SECONDS
        with self._lock:
            for known in (self._first_seen, self._deleted):
                for instance_id in [key for key, at in known.items() if at <= oldest]:
                    del known[instance_id]
