"""Facts of vcycled.model as rows of tables, and back.

Most fields are columns of the same name. The exceptions: a machine's or interval's terms are kept
once and named by number, a shutdown message is three columns, `unfit` and `account` are JSON, and
a machine's heartbeat is not kept at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from operator import attrgetter
from typing import TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from vcycled.model import (
    Drain,
    EndSource,
    Event,
    Machine,
    MachineState,
    MachinetypeMemory,
    Order,
    OrderKind,
    RunInterval,
    ShutdownMessage,
    SpaceMemory,
    Stage,
    Terms,
    Unfit,
)
from vcycled.store import schema
from vcycled.store.database import insert_new

LIVE = tuple(each.value for each in Stage if each is not Stage.GONE)
_AT_ONCE = 1000
_STAGES = {each.value: each for each in Stage}
_STATES = {each.value: each for each in MachineState}
_SOURCES = {each.value: each for each in EndSource}

Fact: TypeAlias = (
    Drain | Event | Machine | MachinetypeMemory | Order | RunInterval | SpaceMemory | Terms
)
Cell: TypeAlias = str | int | float | bool | None


def _plain(fact: type, *, without: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names of the fields of `fact` that are columns as they are."""
    return tuple(each.name for each in dataclasses.fields(fact) if each.name not in {*without})


TERMS = _plain(Terms)
MACHINE = _plain(Machine, without=("terms", "message", "heartbeat_at", "is_heartbeat_known"))
MACHINETYPE = _plain(MachinetypeMemory)
_SPACE = _plain(SpaceMemory, without=("unfit", "account"))
DRAIN = _plain(Drain)
ORDER = _plain(Order, without=("id",))
EVENT = _plain(Event)
INTERVAL = _plain(RunInterval, without=("terms",))

MACHINE_COLUMNS = tuple(
    schema.machines.c[name]
    for name in (*MACHINE, "terms_id", "message_code", "message_text", "message_written_at")
)
"""In the order that `to_machine` takes."""
SPACE_COLUMNS = (*_SPACE, "unfit", "account")
INTERVAL_COLUMNS = tuple(schema.intervals.c[name] for name in (*INTERVAL, "terms_id"))
_NEWER_TERMS = sa.select(schema.terms).where(schema.terms.c.id > sa.bindparam("last"))


def row(fact: Fact, names: tuple[str, ...], **more: Cell) -> dict[str, object]:
    """Return the fields `names` of `fact`, and `more`, as a row; enumerations by value."""
    values: tuple[object, ...] = attrgetter(*names)(fact)
    cells = [each.value if isinstance(each, Enum) else each for each in values]
    return {**dict(zip(names, cells, strict=True)), **more}


def of_machine(machine: Machine, numbers: Mapping[Terms, int]) -> dict[str, object]:
    """Return the row of `machine`, whose terms are among `numbers`."""
    said = machine.message
    return row(
        machine,
        MACHINE,
        terms_id=numbers[machine.terms],
        message_code=said.code if said else None,
        message_text=said.text if said else None,
        message_written_at=said.written_at if said else None,
    )


def of_interval(interval: RunInterval, numbers: Mapping[Terms, int]) -> dict[str, object]:
    """Return the row of `interval`, whose terms are among `numbers`."""
    return row(interval, INTERVAL, terms_id=numbers[interval.terms])


def of_space(memory: SpaceMemory) -> dict[str, object]:
    """Return the row of `memory`."""
    unfit = json.dumps([dataclasses.asdict(each) for each in memory.unfit])
    account = json.dumps(dict(memory.account), sort_keys=True)
    return row(memory, _SPACE, unfit=unfit, account=account)


def to_space(found: RowMapping) -> SpaceMemory:
    """Return the memory of a space that `found` holds."""
    unfit = tuple(Unfit(**each) for each in json.loads(found["unfit"]))
    account = json.loads(found["account"])
    return SpaceMemory(**{**found, "unfit": unfit, "account": account})


def to_order(found: RowMapping) -> Order:
    """Return the order that `found` holds."""
    return Order(**{**found, "kind": OrderKind(found["kind"])})


def to_interval(found: RowMapping, known: Mapping[int, Terms]) -> RunInterval:
    """Return the interval that `found` holds, whose terms are `known`."""
    cells = {name: found[name] for name in INTERVAL}
    source = EndSource(found["end_source"])
    return RunInterval(**{**cells, "end_source": source, "terms": known[found["terms_id"]]})


MachineRow: TypeAlias = tuple[
    str, str, str, str,  # uuid, name, space, machinetype
    str, str, int, int, str,  # stage, state, processors, memory_mb, flavor
    int, str, str, str,  # created_at, zone, cloud_id, address
    int | None, int | None, int | None, str | None,  # seen_at, started_at, stopped_at, end_source
    bool, bool, int,  # is_aborted, is_closed, interval
    int | None, int | None, int,  # missing_since, missing_first_at, missing_listings
    str, int, int | None, bool,  # delete_reason, _attempts, _attempt_at, is_…_acknowledged
    str, bool,  # delete_error, is_delete_ordered
    int | None, str, str,  # gone_at, fault, token_hash
    str, int | None,  # warning, ends_at
    int | None, int | None, str,  # drain_by, leave_by, leave_why
    int,  # terms_id
    int | None, str | None, int | None,  # message_code, message_text, message_written_at
]  # fmt: skip


def to_machine(found: MachineRow, known: Mapping[int, Terms]) -> Machine:
    """Return the machine that `found` holds (MACHINE_COLUMNS), whose terms are `known`."""
    (
        uuid, name, space, machinetype,
        stage, state, processors, memory_mb, flavor,
        created_at, zone, cloud_id, address,
        seen_at, started_at, stopped_at, end_source,
        is_aborted, is_closed, interval,
        missing_since, missing_first_at, missing_listings,
        delete_reason, delete_attempts, delete_attempt_at, is_acknowledged,
        delete_error, is_ordered,
        gone_at, fault, token_hash,
        warning, ends_at,
        drain_by, leave_by, leave_why,
        terms_id,
        code, text, written_at,
    ) = found  # fmt: skip
    return Machine(
        uuid=uuid,
        name=name,
        space=space,
        machinetype=machinetype,
        stage=_STAGES[stage],
        state=_STATES[state],
        processors=processors,
        memory_mb=memory_mb,
        flavor=flavor,
        terms=known[terms_id],
        created_at=created_at,
        zone=zone,
        cloud_id=cloud_id,
        address=address,
        seen_at=seen_at,
        started_at=started_at,
        stopped_at=stopped_at,
        end_source=None if end_source is None else _SOURCES[end_source],
        message=None if written_at is None else _message(code, text, written_at),
        is_aborted=is_aborted,
        is_closed=is_closed,
        interval=interval,
        missing_since=missing_since,
        missing_first_at=missing_first_at,
        missing_listings=missing_listings,
        delete_reason=delete_reason,
        delete_attempts=delete_attempts,
        delete_attempt_at=delete_attempt_at,
        is_delete_acknowledged=is_acknowledged,
        delete_error=delete_error,
        is_delete_ordered=is_ordered,
        gone_at=gone_at,
        fault=fault,
        token_hash=token_hash,
        warning=warning,
        ends_at=ends_at,
        drain_by=drain_by,
        leave_by=leave_by,
        leave_why=leave_why,
    )


def _message(code: int | None, text: str | None, written_at: int) -> ShutdownMessage:
    return ShutdownMessage(code=code, text=text or "", written_at=written_at)


def fetch(
    connection: Connection, query: sa.Executable, values: Mapping[str, str] | None = None
) -> Iterator[MachineRow]:
    """Give the rows that `query` finds, which selects MACHINE_COLUMNS; few at a time in memory."""
    for some in connection.execute(query, values).partitions(_AT_ONCE):
        for found in some:
            yield cast(MachineRow, tuple(found))


class MachineShelf:
    """Machines as they were read last, by space: what did not change is not made again."""

    def __init__(self) -> None:
        self._spaces: dict[str, dict[str, tuple[MachineRow, Machine]]] = {}

    def refresh(
        self, space: str, rows: Iterable[MachineRow], known: Mapping[int, Terms]
    ) -> tuple[Machine, ...]:
        """Return the machines of `rows`, all those of `space`."""
        before = self._spaces.get(space, {})
        now: dict[str, tuple[MachineRow, Machine]] = {}
        for found in rows:
            kept = before.get(found[0])
            if kept is None or kept[0] != found:
                kept = (found, to_machine(found, known))
            now[found[0]] = kept
        self._spaces[space] = now
        return tuple(machine for _, machine in now.values())


class TermsBook:
    """Terms by number; each is one object in memory, however many machines have it.

    Rows of terms are never changed or removed, so what was read once stays true. What a
    transaction adds becomes known by the next `load`, when it is certain to be committed.
    """

    def __init__(self) -> None:
        self._known: dict[int, Terms] = {}
        self._numbers: dict[Terms, int] = {}
        self._lock = threading.Lock()

    def load(self, connection: Connection) -> Mapping[int, Terms]:
        """Return all terms by number."""
        with self._lock:
            last = max(self._known, default=0)
            for found in connection.execute(_NEWER_TERMS, {"last": last}).mappings():
                terms = Terms(**{name: found[name] for name in TERMS})
                self._known[found["id"]] = terms
                self._numbers[terms] = found["id"]
            return self._known.copy()

    def numbers(self, connection: Connection, wanted: Iterable[Terms]) -> Mapping[Terms, int]:
        """Return numbers for all `wanted` terms, adding rows for new ones."""
        with self._lock:
            numbers = self._numbers.copy()
        new = {digest(each): each for each in {*wanted} - numbers.keys()}
        if new:
            rows = [row(each, TERMS, digest=key) for key, each in sorted(new.items())]
            insert_new(connection, schema.terms, rows)
            query = sa.select(schema.terms.c.digest, schema.terms.c.id)
            found = connection.execute(query.where(schema.terms.c.digest.in_(new)))
            numbers.update({new[key]: number for key, number in found})
        return numbers


def digest(terms: Terms) -> str:
    """Return what tells these terms from all others."""
    text = json.dumps(dataclasses.asdict(terms), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
