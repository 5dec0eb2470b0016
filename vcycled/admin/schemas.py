"""Schemas of the documents, in JSON Schema 2020-12: from the model where a document is made of it.

Keys may be added to a document later, so none forbids others; all that are there now are required.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from enum import Enum
from typing import Union, get_args, get_origin, get_type_hints

from vcycled.cli.as_json import CONDITIONS, NOT_SHOWN
from vcycled.cli.printing import Json, Tone
from vcycled.cli.probe import Level
from vcycled.errors import Problem
from vcycled.house.ledger import Area
from vcycled.model import (
    Drain,
    Event,
    Hold,
    Limits,
    Machine,
    MachineState,
    OrderKind,
    RunInterval,
    Share,
    Terms,
)
from vcycled.store import Outage, Refused

Schema = dict[str, Json]

_PLAIN: Mapping[type, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    types.NoneType: {"type": "null"},
}
TEXT, WHOLE, NUMBER, FLAG = (dict(_PLAIN[each]) for each in (str, int, float, bool))
AT: Schema = {"type": "integer", "description": "Unix seconds"}


def of(kind: type, *, without: frozenset[str] = frozenset(), more: Schema | None = None) -> Schema:
    """Return the schema of a document of a dataclass.

    Args:
        kind: that class.
        without: fields that are not in the document.
        more: keys that are there besides, or are told in another way than the field.
    """
    hints = get_type_hints(kind)
    names = [each.name for each in dataclasses.fields(kind) if each.name not in without]
    own = {} if more is None else more
    fields: Schema = {name: _of_hint(hints[name]) for name in names if name not in own}
    return record(**own, **fields)


def record(**properties: Json) -> Schema:
    """Return the schema of an object with these keys."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def several(schema: Schema) -> Schema:
    """Return the schema of a list of these."""
    return {"type": "array", "items": schema}


def maybe(schema: Schema) -> Schema:
    """Return the schema of this or null."""
    return {"anyOf": [schema, dict(_PLAIN[types.NoneType])]}


def each_of(schema: Schema) -> Schema:
    """Return the schema of an object with any keys, and these values."""
    return {"type": "object", "additionalProperties": schema}


def named(name: str) -> Schema:
    """Return a reference to a schema among the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(*values: str) -> Schema:
    """Return the schema of some texts."""
    return {"type": "string", "enum": list(values)}


def _of_hint(hint: object) -> Schema:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return one_of(*(str(each.value) for each in hint))
    if isinstance(hint, type) and hint in _PLAIN:
        return dict(_PLAIN[hint])
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return of(hint)
    assert get_origin(hint) in {Union, types.UnionType}, hint
    return {"anyOf": [_of_hint(each) for each in get_args(hint)]}


_CYCLE = record(
    at=AT,
    wake_at=AT,
    is_late=FLAG,
    error=TEXT,
    creates=WHOLE,
    deletes=WHOLE,
    records=WHOLE,
    api_calls=WHOLE,
    stuck_calls=WHOLE,
    seconds=each_of(NUMBER),
)
_KIND: Schema = {
    "machinetype": TEXT,
    "is_preemptible": FLAG,
    "wanted": maybe(NUMBER),
    "had": maybe(NUMBER),
    "processors": WHOLE,
    "machines": WHOLE,
}
_SPACE = record(
    name=TEXT,
    api=maybe(TEXT),
    mode=one_of("manage", "observe"),
    is_configured=FLAG,
    manager=maybe(TEXT),
    held=TEXT,
    limits=named("Limits"),
    processors=WHOLE,
    foreign_processors=WHOLE,
    machines=record(**{str(state): WHOLE for state in MachineState}),
    machinetypes=several(record(**_KIND)),
    holds=several(named("Hold")),
    deferred=several(TEXT),
    slow_deletes=several(TEXT),
    notices=several(TEXT),
    leftovers=several(TEXT),
    drains=several(named("Drain")),
    leaving=each_of(WHOLE),
    open_orders=WHOLE,
    last_cycle=maybe(_CYCLE),
)
_DISK = record(
    folder=TEXT,
    total_bytes=WHOLE,
    free_bytes=WHOLE,
    free_files=maybe(WHOLE),
    total_files=maybe(WHOLE),
    shortage=TEXT,
)
_SINK = record(
    name=TEXT,
    records=WHOLE,
    oldest_at=maybe(AT),
    spaces=several(record(space=TEXT, records=WHOLE, oldest_at=maybe(AT), refused=WHOLE)),
    outages=several(of(Outage, without=frozenset({"sink"}))),
    refused=several(of(Refused, without=frozenset({"sink"}))),
    left_at=maybe(AT),
    credential_ends=each_of(AT),
)
_MANAGER = record(
    name=TEXT,
    is_live=FLAG,
    silent_seconds=NUMBER,
    beat_seconds=WHOLE,
    started_at=AT,
    ended_at=maybe(AT),
    clock_ahead_seconds=NUMBER,
    is_clock_off=FLAG,
    host=TEXT,
    root=TEXT,
    pid=WHOLE,
    version=TEXT,
    spaces=several(TEXT),
    unwritten_records=WHOLE,
)
_LEASE = record(
    space=TEXT, manager=maybe(TEXT), epoch=maybe(WHOLE), since=maybe(AT), why_unheld=TEXT
)
_MACHINE_KEYS = of(
    Machine, without=NOT_SHOWN, more={"condition": one_of(*map(str, MachineState), *CONDITIONS)}
)
_RUN = of(
    RunInterval,
    without=frozenset({"terms"}),
    more={
        "exported_at": maybe(AT),
        "element": TEXT,
        "is_waiting": FLAG,
    },
)
_LINE = record(text=TEXT, tone=one_of(*(each.lower() for each in Tone.__members__)), indent=WHOLE)


def _with(schema: Schema, **more: Json) -> Schema:
    """Return the schema of an object with more keys."""
    properties = schema["properties"]
    assert isinstance(properties, Mapping)
    return record(**properties, **more)


def _table() -> Schema:
    cell: Schema = {"anyOf": [TEXT, _LINE]}
    return record(
        headings=several(TEXT), rows=several(several(cell)), numbers=several(TEXT), indent=WHOLE
    )


COMPONENTS: Mapping[str, Schema] = {
    "Drain": of(Drain),
    "Event": of(Event),
    "Hold": of(Hold),
    "Limits": of(Limits),
    "Problem": of(Problem),
    "Share": of(Share),
    "Terms": of(Terms),
    "Machine": _MACHINE_KEYS,
    "Status": record(
        now=AT,
        manager=record(state=one_of("running", "stopped", "unknown"), newest_report_at=maybe(AT)),
        managers=several(_MANAGER),
        disks=several(_DISK),
        sinks=several(_SINK),
        problems=several(named("Problem")),
        unusable=each_of(TEXT),
        spaces=several(_SPACE),
    ),
    "Why": record(
        space=TEXT,
        manager=maybe(TEXT),
        doubts=several(TEXT),
        notes=several(TEXT),
        wake_at=maybe(AT),
        machinetypes=several(
            record(
                machinetype=TEXT,
                holds=several(_with(of(Hold), advice=TEXT)),
                unusable=TEXT,
            )
        ),
    ),
    "Plan": record(
        space=TEXT,
        deletes=several(record(machine=named("Machine"), reason=TEXT)),
        deferred=several(record(machine=named("Machine"), reason=TEXT, why=TEXT, until=maybe(AT))),
        tells=several(record(machine=named("Machine"), by=maybe(AT), why=maybe(TEXT))),
        creates=several(
            record(machinetype=TEXT, flavor=TEXT, processors=WHOLE, zone=TEXT, why=TEXT)
        ),
        holds=several(named("Hold")),
        shares=several(named("Share")),
        wake_at=AT,
    ),
    "Machinetypes": several(record(space=TEXT, **_KIND, holds=several(named("Hold")))),
    "MachinePart": record(machines=several(named("Machine")), next=maybe(TEXT)),
    "Story": _with(
        _MACHINE_KEYS,
        terms=named("Terms"),
        heartbeat_at=maybe(AT),
        folder=TEXT,
        outputs=several(record(name=TEXT, size=WHOLE, written_at=AT)),
        console=TEXT,
        events=several(named("Event")),
        records=several(_RUN),
    ),
    "Stories": several(named("Story")),
    "Events": several(named("Event")),
    "Managers": record(is_shared=FLAG, managers=several(_MANAGER), spaces=several(_LEASE)),
    "Accounting": record(
        month=TEXT,
        open_runs=WHOLE,
        usage=several(
            record(
                space=TEXT,
                machinetype=TEXT,
                fqan=TEXT,
                machines=WHOLE,
                wall_seconds=WHOLE,
                cpu_seconds=WHOLE,
                power_per_processor=maybe(NUMBER),
                power_unit=TEXT,
            )
        ),
    ),
    "Configuration": record(
        errors=several(named("Problem")),
        warnings=several(named("Problem")),
        unusable=each_of(TEXT),
    ),
    "Disk": record(
        now=AT,
        disks=several(_DISK),
        areas=several(of(Area, more={"path": maybe(TEXT), "is_overdue": FLAG})),
        doubts=several(TEXT),
    ),
    "Check": record(
        level=one_of(*Level.__members__),
        findings=several(record(level=one_of(*Level.__members__), text=TEXT)),
    ),
    "Ordered": record(
        is_rehearsal=FLAG,
        orders=several(
            record(
                id=maybe(WHOLE),
                kind=one_of(*map(str, OrderKind)),
                space=TEXT,
                machinetype=TEXT,
                machine=TEXT,
                by=maybe(AT),
                reason=TEXT,
                at=AT,
                who=TEXT,
            )
        ),
        promise=several(TEXT),
        stakes=several(TEXT),
        waits=several(TEXT),
    ),
    "Blocks": several(
        {"anyOf": [record(line=_LINE), record(table=_table())]},
    ),
    "Failure": record(type=TEXT, title=TEXT, status=WHOLE, detail=TEXT),
}
