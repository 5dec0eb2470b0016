"""What every part of the store works with."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from vcycled.clock import Clock
from vcycled.store.database import Database
from vcycled.store.leases import Leases
from vcycled.store.rows import TermsBook
from vcycled.store.tenure import Lease


class Room:
    """Part of a Store: methods about one subject, over the same database."""

    def __init__(self, database: Database, terms: TermsBook, leases: Leases, clock: Clock) -> None:
        self._database = database
        self._terms = terms
        self._clock = clock
        self.leases = leases
        """Who may write of which space."""
        self.lease: Lease | None = None
        """Under which it is written; None for commands."""

    def _fence(self, connection: Connection, space: str) -> None:
        """Refuse to write of `space` in this transaction if another manager holds it.

        Raises:
            LeaseLost: one does.
        """
        self.leases.fence(connection, space, self.lease)
