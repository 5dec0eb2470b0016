"""What people ask and order of the managers that share a database."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from vcycled.errors import OperatorError
from vcycled.store import roster as rosters
from vcycled.store.room import Room
from vcycled.store.schema import due
from vcycled.store.tenure import Roster


class Managers(Room):
    """The part of the store that `vcycle managers` works with."""

    def roster(self) -> Roster:
        """Return all managers and leases; nothing for SQLite, which has one manager only."""
        if not self.leases.is_shared:
            return Roster(managers={}, leases={})
        with self._database.read() as connection:
            return rosters.read(connection)

    def unwritten(self) -> Mapping[str, int]:
        """Return how many runs each manager has taken that are still due."""
        count = sa.select(due.c.taken_by, sa.func.count()).where(due.c.taken_by != "")
        with self._database.read() as connection:
            found = connection.execute(count.group_by(due.c.taken_by))
            return {name: number for name, number in found}  # noqa: C416 - rows are no pairs to mypy

    def forget_manager(self, name: str) -> int:
        """Strike off a manager that never comes back.

        Returns:
            How many records it had taken and not marked as written; others write them now.

        Raises:
            OperatorError: there is none of this name, or it lives.
            StoreError: the database does not answer.
        """
        if not self.leases.is_shared:
            raise OperatorError("a SQLite database has one manager only")
        with self._database.write() as connection:
            found = rosters.read(connection).managers.get(name)
            if found is None:
                raise OperatorError(f"there is no manager {name!r}")
            if found.is_live:
                raise OperatorError(
                    f"{name} lives: it gave a sign of life {found.silent_s:.0f} s ago"
                )
            return rosters.forget(connection, name)
