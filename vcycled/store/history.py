"""What people ask: machines past and present, their stories, and how the last cycles went."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import sqlalchemy as sa

from vcycled.model import Event, Machine
from vcycled.remember import Tally
from vcycled.store import rows
from vcycled.store.database import Mode, upsert
from vcycled.store.room import Room
from vcycled.store.schema import events, machines, reports
from vcycled.store.totals import raise_totals, read_totals

_NOTHING: Mapping[Tally, int] = MappingProxyType({})


class Report(NamedTuple):
    """What a cycle came to, as JSON, and when."""

    at: int
    report: str


class History(Room):
    """The part of the store that commands and pages read."""

    def machine(self, name: str) -> tuple[Machine, ...]:
        """Return every machine that ever bore `name`, oldest first, gone ones too."""
        query = sa.select(*rows.MACHINE_COLUMNS).where(machines.c.name == name)
        return self._machines(query.order_by(machines.c.created_at, machines.c.uuid))

    def machines(
        self, *, space: str | None = None, include_gone: bool = False, limit: int | None = None
    ) -> tuple[Machine, ...]:
        """Return machines of one space or of all, youngest first."""
        order = (machines.c.created_at.desc(), machines.c.uuid)
        query = sa.select(*rows.MACHINE_COLUMNS).order_by(*order).limit(limit)
        if space is not None:
            query = query.where(machines.c.space == space)
        if not include_gone:
            query = query.where(machines.c.stage.in_(rows.LIVE))
        return self._machines(query)

    def _machines(self, query: sa.Executable) -> tuple[Machine, ...]:
        with self._database.read() as connection:
            known = self._terms.load(connection)
            return tuple(rows.to_machine(each, known) for each in rows.fetch(connection, query))

    def events(
        self,
        *,
        space: str | None = None,
        machinetype: str | None = None,
        machine: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        oldest_first: bool = False,
    ) -> tuple[Event, ...]:
        """Return events in the order they were recorded, the newest first unless told otherwise.

        Args:
            space: only those of this space.
            machinetype: only those of this machinetype.
            machine: only those of the machine of this name.
            since: only those at this instant or later.
            limit: at most so many.
            oldest_first: begin with the oldest.
        """
        wanted = {"space": space, "machinetype": machinetype, "machine": machine}
        columns = [events.c[name] for name in rows.EVENT]
        query = sa.select(*columns).limit(limit)
        query = query.order_by(events.c.id.asc() if oldest_first else events.c.id.desc())
        for name, value in wanted.items():
            if value is not None:
                query = query.where(events.c[name] == value)
        if since is not None:
            query = query.where(events.c.at >= since)
        with self._database.read() as connection:
            return tuple(Event(**each) for each in connection.execute(query).mappings())

    def save_report(
        self, space: str, report: str, at: int, *, raised: Mapping[Tally, int] = _NOTHING
    ) -> None:
        """Keep what the last cycle of `space` came to; a power cut may bring back the one before.

        Args:
            space: its name.
            report: as JSON.
            at: when that was.
            raised: by how much the cycle raised totals.

        Raises:
            LeaseLost: another manager holds the space.
            StoreError: it was not taken.
        """
        row: dict[str, object] = {"space": space, "at": at, "report": report}
        with self._database.write(Mode.RELAXED) as connection:
            self._fence(connection, space)
            upsert(connection, reports, [row])
            raise_totals(connection, raised)

    def totals(self) -> Mapping[Tally, int]:
        """Return how often things happened since the database was made."""
        with self._database.read() as connection:
            return read_totals(connection)

    def reports(self) -> Mapping[str, Report]:
        """Return what the last cycle of each space came to."""
        query = sa.select(reports.c.space, reports.c.at, reports.c.report)
        with self._database.read() as connection:
            found = connection.execute(query)
            return {space: Report(at, report) for space, at, report in found}
