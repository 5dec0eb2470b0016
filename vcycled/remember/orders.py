"""What operators ordered, turned into what is remembered."""

from __future__ import annotations

from dataclasses import replace

from vcycled.model import (
    GRACE_SECONDS,
    Changes,
    Drain,
    Event,
    Machine,
    Order,
    OrderKind,
    Records,
    Stage,
)


def obey(records: Records, *, now: int) -> Changes | None:
    """Return what the open orders of a space change; None if there are none."""
    if not records.orders:
        return None
    drains = {drain.machinetype: drain for drain in records.drains}
    machines = {machine.name: machine for machine in records.machines}
    ordered: dict[str, Machine] = {}
    events: list[Event] = []
    for order in records.orders:
        said = _drain(drains, order) if order.kind is not OrderKind.DELETE else None
        if order.kind is OrderKind.DELETE:
            machine = machines.get(order.machine)
            said = "no such machine now" if machine is None else "it will be deleted"
            if machine is not None:
                ordered[machine.uuid] = _ordered(machine)
        events.append(
            Event(
                at=now,
                space=order.space,
                event=f"order-{order.kind}",
                machinetype=order.machinetype,
                machine=order.machine,
                detail=f"by {order.who}: {said}",
            )
        )
    return Changes(
        space=records.memory.space,
        machines=tuple(ordered.values()),
        drains=tuple(drains.values()),
        done_orders=tuple(order.id for order in records.orders),
        events=tuple(events),
    )


def _ordered(machine: Machine) -> Machine:
    """Return `machine` to be deleted at once, whatever attempts failed before."""
    return replace(machine, is_delete_ordered=True, delete_attempts=0, delete_attempt_at=None)


def _drain(drains: dict[str, Drain], order: Order) -> str:
    """Set or lift a drain, never with less than the promised grace; say what happened."""
    if order.kind is OrderKind.UNDRAIN:
        was = drains.pop(order.machinetype, None)
        return "was not draining" if was is None else "drain lifted"
    by = None if order.by is None else max(order.by, order.at + GRACE_SECONDS)
    drains[order.machinetype] = Drain(
        space=order.space,
        machinetype=order.machinetype,
        since=order.at,
        by=by,
        who=order.who,
    )
    return "nothing more is created" + (f", machines gone by {by}" if by is not None else "")


def updated(records: Records, changes: Changes) -> Records:
    """Return `records` as the store holds them once `changes` are saved."""
    machines = {machine.uuid: machine for machine in records.machines}
    machines.update({machine.uuid: machine for machine in changes.machines})
    memories = {memory.machinetype: memory for memory in records.machinetypes}
    memories.update({memory.machinetype: memory for memory in changes.machinetypes})
    return Records(
        memory=changes.memory or records.memory,
        machines=tuple(each for each in machines.values() if each.stage is not Stage.GONE),
        machinetypes=tuple(memories.values()),
        drains=records.drains if changes.drains is None else changes.drains,
        orders=tuple(each for each in records.orders if each.id not in changes.done_orders),
    )
