"""What pages show a part of: machines and events, found by what people ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from vcycled.model import Event, Machine, MachineState, Stage
from vcycled.store import rows
from vcycled.store.room import Room
from vcycled.store.schema import events, machines


class Place(NamedTuple):
    """Where in the list of machines, the youngest first, one stands."""

    created_at: int
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMachines:
    """Which machines are wanted; empty is any."""

    space: str = ""
    machinetype: str = ""
    condition: str = ""
    """A state, or a stage of those that are not listed."""
    text: str = ""
    """Part of the name; or the whole uuid, id in the cloud or address."""
    has_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEvents:
    """Which events are wanted; empty is any."""

    space: str = ""
    machinetype: str = ""
    machine: str = ""
    kinds: frozenset[str] = frozenset()
    """Names of events."""
    since: int | None = None
    """At this instant or later; without it, a rare kind is looked for in all that is kept."""


class Numbered(NamedTuple):
    """An event, and its place in the order of events."""

    number: int
    event: Event


class Search(Room):
    """The part of the store that finds what is asked for, page by page."""

    def find_machines(
        self, wanted: WantedMachines, *, after: Place | None = None, limit: int
    ) -> tuple[Machine, ...]:
        """Return at most `limit` machines, youngest first: those that follow `after`."""
        query = sa.select(*rows.MACHINE_COLUMNS).where(*_conditions(wanted))
        if after is not None:
            is_older = machines.c.created_at < after.created_at
            is_next = sa.and_(
                machines.c.created_at == after.created_at, machines.c.uuid > after.uuid
            )
            # The first condition says nothing new, but that is what the index can be used for.
            query = query.where(machines.c.created_at <= after.created_at, is_older | is_next)
        query = query.order_by(machines.c.created_at.desc(), machines.c.uuid).limit(limit)
        with self._database.read() as connection:
            known = self._terms.load(connection)
            return tuple(rows.to_machine(each, known) for each in rows.fetch(connection, query))

    def find_events(
        self, wanted: WantedEvents, *, before: int | None = None, limit: int
    ) -> tuple[Numbered, ...]:
        """Return at most `limit` events, the newest first: those numbered below `before`."""
        columns = [events.c[name] for name in rows.EVENT]
        query = sa.select(events.c.id, *columns).order_by(events.c.id.desc()).limit(limit)
        for name in ("space", "machinetype", "machine"):
            if value := getattr(wanted, name):
                query = query.where(events.c[name] == value)
        if wanted.kinds:
            query = query.where(events.c.event.in_(sorted(wanted.kinds)))
        if before is not None:
            query = query.where(events.c.id < before)
        with self._database.read() as connection:
            if wanted.since is not None:
                is_new = events.c.at >= wanted.since
                first = connection.scalar(sa.select(sa.func.min(events.c.id)).where(is_new))
                # Numbers grow with time, so nothing older is looked through.
                query = query.where(is_new, events.c.id >= (first or 0))
            found = connection.execute(query)
            return tuple(
                Numbered(number, Event(**dict(zip(rows.EVENT, cells, strict=True))))
                for number, *cells in found
            )


def _conditions(wanted: WantedMachines) -> list[sa.ColumnElement[bool]]:
    found = []
    if wanted.space:
        found.append(machines.c.space == wanted.space)
    if wanted.machinetype:
        found.append(machines.c.machinetype == wanted.machinetype)
    if wanted.condition in set(MachineState):
        found += [
            machines.c.stage == Stage.LISTED.value,
            machines.c.state == wanted.condition,
        ]
    elif wanted.condition:
        found.append(machines.c.stage == wanted.condition)
    elif not wanted.has_gone:
        found.append(machines.c.stage.in_(rows.LIVE))
    if wanted.text:
        exact = (machines.c.uuid, machines.c.cloud_id, machines.c.address)
        is_named = machines.c.name.contains(wanted.text, autoescape=True)
        found.append(sa.or_(is_named, *(column == wanted.text for column in exact)))
    return found
