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
from vcycled.remember.named import meant, why_unmeant

_NEED_A_LOOK = frozenset({OrderKind.ADOPT, OrderKind.FORGET})
"""What a machine is in the cloud decides about these: see claims and release."""


def obey(records: Records, *, now: int) -> Changes | None:
    """Return what the open orders of a space change, and holds that are over; None if nothing.

    Those to adopt and to forget wait for a listing.
    """
    orders = [order for order in records.orders if order.kind not in _NEED_A_LOOK]
    over = [each for each in records.drains if each.until is not None and each.until <= now]
    if not orders and not over:
        return None
    left = tuple(each for each in records.drains if each not in over)
    desk = _Desk(replace(records, drains=left), now)
    events = tuple(
        Event(
            at=now,
            space=order.space,
            event=f"order-{order.kind}",
            machinetype=order.machinetype,
            machine=desk.name(order),
            detail=f"by {order.who}: {desk.carry_out(order)}",
        )
        for order in orders
    )
    return Changes(
        space=records.memory.space,
        machines=tuple(desk.changed.values()),
        drains=tuple(desk.drains.values()),
        done_orders=tuple(order.id for order in orders),
        events=(*(_over(each, now) for each in over), *events),
    )


def _over(drain: Drain, now: int) -> Event:
    return Event(
        at=now,
        space=drain.space,
        event="hold-over",
        machinetype=drain.machinetype,
        detail=f"it was until {drain.until}",
    )


class _Desk:
    """Carries out orders one by one; a later one finds what an earlier one left."""

    def __init__(self, records: Records, now: int) -> None:
        self._now = now
        self._machines = {machine.uuid: machine for machine in records.machines}
        self.changed: dict[str, Machine] = {}
        """By uuid."""
        self.drains = {drain.machinetype: drain for drain in records.drains}

    def name(self, order: Order) -> str:
        """Return the name of the machine that `order` means, or else what it says."""
        machine = meant(self._machines.values(), order.machine)
        return order.machine if machine is None else machine.name

    def carry_out(self, order: Order) -> str:
        """Carry out `order` and say what came of it."""
        if not order.machine:
            return self._drain(order)
        machine = meant(self._machines.values(), order.machine)
        if machine is None:
            return why_unmeant(self._machines.values(), order.machine)
        after, said = self._of_machine(machine, order)
        self._machines[after.uuid] = self.changed[after.uuid] = after
        return said

    def _of_machine(self, machine: Machine, order: Order) -> tuple[Machine, str]:
        """Return `machine` under an order, and what that means for it.

        Whatever attempts to delete it failed before, an order to delete is tried at once.
        """
        if order.kind is OrderKind.DELETE:
            ordered = replace(
                machine, is_delete_ordered=True, delete_attempts=0, delete_attempt_at=None
            )
            return ordered, "it will be deleted"
        if order.kind is OrderKind.DRAIN:
            by = self._in_time(order.by or 0)
            return replace(machine, drain_by=by), f"it must leave by {by}"
        was = "was not drained" if machine.drain_by is None else "drain lifted"
        return replace(machine, drain_by=None), was

    def _drain(self, order: Order) -> str:
        """Set or lift the drain or the hold of a space or machinetype."""
        if order.kind is OrderKind.UNDRAIN:
            return self._lift(order, "drain lifted", "was not draining", is_hold=False)
        if order.kind is OrderKind.RELEASE:
            return self._lift(order, "hold lifted", "was not held", is_hold=True)
        if order.kind is OrderKind.HOLD:
            return self._hold(order)
        by = None if order.by is None else self._in_time(order.by)
        self.drains[order.machinetype] = Drain(
            space=order.space,
            machinetype=order.machinetype,
            since=order.at,
            by=by,
            who=order.who,
        )
        return "nothing more is created" + (f", machines gone by {by}" if by is not None else "")

    def _lift(self, order: Order, lifted: str, not_so: str, *, is_hold: bool) -> str:
        """Lift a hold, or a drain that is none."""
        was = self.drains.get(order.machinetype)
        if was is None or was.is_hold != is_hold:
            return not_so
        del self.drains[order.machinetype]
        return lifted

    def _hold(self, order: Order) -> str:
        """Hold a space or machinetype, which is less than a drain."""
        was = self.drains.get(order.machinetype)
        if was is not None and not was.is_hold:
            return "drains already"
        self.drains[order.machinetype] = Drain(
            space=order.space,
            machinetype=order.machinetype,
            since=order.at,
            who=order.who,
            is_hold=True,
            until=order.by,
            reason=order.reason,
        )
        return "nothing more is created" + ("" if order.by is None else f" until {order.by}")

    def _in_time(self, by: int) -> int:
        """Return `by`, but not sooner than machines are promised to be told."""
        return max(by, self._now + GRACE_SECONDS)


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
