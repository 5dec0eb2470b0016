"""Deleting servers, also those that the cloud keeps for a while after it was asked to.

A cloud with a reclaim interval answers a delete with a server that is SOFT_DELETED: no longer
listed, but it holds its volumes and addresses, and a further delete only prolongs that. So one
that is to be deleted again is looked at first, and if that is how it is, it is deleted for good.
"""

from __future__ import annotations

import threading

from vcycled.clock import Clock
from vcycled.spaces.openstack.servers import Servers

KEPT_SECONDS = 86_400
"""How long it is known that a server was to be deleted: longer than the manager waits between two
attempts (an hour)."""


class Deletion:
    """Deletes servers; knows which ones it was asked to delete before."""

    def __init__(self, servers: Servers, *, clock: Clock) -> None:
        self._servers = servers
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}

    def delete(self, server_id: str) -> None:
        """Ask for a server to be deleted; one that is gone already is fine."""
        if self._was_asked(server_id):
            server = self._servers.shown("delete", server_id)
            if server is None:
                return
            if server.text("status", "").upper() == "SOFT_DELETED":
                self._servers.force_delete(server_id)
                return
        self._servers.delete(server_id)

    def _was_asked(self, server_id: str) -> bool:
        """Return whether a server was to be deleted before; from now on it was."""
        now = self._clock.monotonic()
        with self._lock:
            known = self._asked.pop(server_id, None)  # the oldest stay in front
            self._asked[server_id] = now
            while now - next(iter(self._asked.values())) > KEPT_SECONDS:
                del self._asked[next(iter(self._asked))]
        return known is not None
