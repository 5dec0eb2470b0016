"""Managers and leases as rows of PostgreSQL, by the clock of its server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vcycled.store.database import upsert
from vcycled.store.schema import due, leases, managers, outages
from vcycled.store.sharing import Decision
from vcycled.store.tenure import BEATS, Lease, Manager, Presence, Roster

# Not now(), which stands still while a transaction waits for its turn to write.
_NOW = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
_SILENT = (_NOW - managers.c.beaten_at).label("silent_s")
_UP = (_NOW - managers.c.started_at).label("up_s")


def server_time(connection: Connection) -> float:
    """Return what the server's clock says, in Unix seconds."""
    now: float = connection.scalars(sa.select(_NOW)).one()
    return now


def revision(connection: Connection) -> str:
    """Return of which version the tables are."""
    found: str = connection.scalars(sa.text("SELECT version_num FROM alembic_version")).one()
    return found


def read(connection: Connection, *, space: str | None = None) -> Roster:
    """Return all managers and leases, or the lease of one space and who may hold it."""
    named = sa.select(managers, _SILENT, _UP)
    left = sa.select(leases)
    if space is not None:
        left = left.where(leases.c.space == space)
        named = named.join(leases, leases.c.holder == managers.c.name)
        named = named.where(leases.c.space == space)
    return Roster(
        managers={each["name"]: _manager(each) for each in connection.execute(named).mappings()},
        leases={each["space"]: Lease(**each) for each in connection.execute(left).mappings()},
    )


def living(connection: Connection) -> tuple[str, ...]:
    """Return the managers that are alive, in words.

    To be asked of tables of any version, so it reads only what all have had.
    """
    what = (managers.c.name, managers.c.host, managers.c.version, managers.c.beat_seconds)
    living = sa.select(*what, _SILENT, _UP).where(managers.c.ended_at.is_(None))
    found = connection.execute(living.order_by(managers.c.name)).mappings()
    return tuple(
        f"{each['name']} (Vcycle {each['version']} on {each['host']}, up for "
        f"{timedelta(seconds=int(each['up_s']))}, last sign of life {each['silent_s']:.0f} s ago)"
        for each in found
        if each["silent_s"] <= BEATS * each["beat_seconds"]
    )


def end_all(connection: Connection) -> None:
    """Free all spaces, so that nothing is written under the leases of before."""
    connection.execute(leases.update().values(holder="", epoch=leases.c.epoch + 1))


def _manager(found: sa.RowMapping) -> Manager:
    told = ("name", "run", "host", "root", "pid", "version", "beat_seconds")
    return Manager(
        presence=Presence(**{name: found[name] for name in told}),
        started_at=found["started_at"],
        up_s=found["up_s"],
        silent_s=found["silent_s"],
        ended_at=found["ended_at"],
        skew=found["skew"],
        spaces=frozenset(json.loads(found["spaces"])),
    )


def put(connection: Connection, manager: Manager, *, now: float) -> None:
    """Write that `manager` gave a sign of life just now."""
    said = manager.presence
    row: dict[str, object] = {
        "name": said.name,
        "run": said.run,
        "host": said.host,
        "root": said.root,
        "pid": said.pid,
        "version": said.version,
        "started_at": manager.started_at,
        "beaten_at": now,
        "beat_seconds": said.beat_seconds,
        "ended_at": manager.ended_at,
        "skew": manager.skew,
        "spaces": json.dumps(sorted(manager.spaces)),
    }
    upsert(connection, managers, [row])


def settle(
    connection: Connection, name: str, decision: Decision, *, now: float
) -> Mapping[str, Lease]:
    """Write what the manager `name` takes and gives up; return what it takes, by space."""
    taken = {
        space: Lease(space=space, holder=name, epoch=epoch, taken_at=int(now))
        for space, epoch in decision.taken.items()
    }
    given_up = leases.update().where(
        leases.c.holder == name, leases.c.space.in_(decision.given_up)
    )
    connection.execute(given_up.values(holder=""))
    rows: list[dict[str, object]] = [
        {
            "space": each.space,
            "holder": each.holder,
            "epoch": each.epoch,
            "taken_at": each.taken_at,
        }
        for each in taken.values()
    ]
    upsert(connection, leases, rows)
    return taken


def end(connection: Connection, presence: Presence) -> None:
    """Write that a manager ended in order, unless another run goes by its name by now."""
    is_it = sa.and_(managers.c.name == presence.name, managers.c.run == presence.run)
    ended = managers.update().where(is_it).values(ended_at=int(server_time(connection)))
    if connection.execute(ended).rowcount:
        connection.execute(
            leases.update().where(leases.c.holder == presence.name).values(holder="")
        )


def forget(connection: Connection, name: str) -> int:
    """Strike a manager off; return how many records it had taken that others may write now."""
    connection.execute(leases.update().where(leases.c.holder == name).values(holder=""))
    connection.execute(managers.delete().where(managers.c.name == name))
    connection.execute(outages.delete().where(outages.c.manager == name))
    freed = due.update().where(due.c.taken_by == name).values(taken_by="")
    return connection.execute(freed).rowcount
