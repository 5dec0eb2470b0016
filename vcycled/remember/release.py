"""Machines that operators say are not to be waited for: closed with the best known end. Pure.

# Note [Forgetting]

What is forgotten counts against no limit and is looked for no more; its run is accounted with the
last sign of life as its end. If it turns up after all and bears our tags, it is adopted, and runs
in a new interval. So it would be in vain to forget a machine that the cloud shows with our tags,
and one that it shows without them goes on running with nobody to look after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vcycled.model import (
    Changes,
    Event,
    ListedMachine,
    Machine,
    Order,
    OrderKind,
    Reason,
    Records,
    Stage,
)
from vcycled.remember.ends import LastWords
from vcycled.remember.learn import stop
from vcycled.remember.ledger import Ledger
from vcycled.remember.match import CONFIRM_LISTINGS
from vcycled.remember.named import meant, why_unmeant

BLIND_SECONDS = 3600
"""A cloud that has not answered for so long may be gone for ever."""
_NOTHING = LastWords()


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What becomes of one order to forget."""

    order: Order
    machine: Machine | None = None
    """The machine to forget; None if the order is refused."""
    refusal: str = ""
    is_final: bool = False
    """True if force would not help either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudView:
    """What is known of the cloud."""

    listed: Mapping[str, ListedMachine] | None
    """By id, of the listing just made; None if the cloud did not answer."""
    installation: str


def releases(records: Records, view: CloudView, *, now: int) -> tuple[Release, ...]:
    """Return what becomes of each order to forget a machine."""
    machines = {machine.uuid: machine for machine in records.machines}
    found: list[Release] = []
    for order in records.orders:
        if order.kind is OrderKind.FORGET:
            machine = meant(machines.values(), order.machine)
            if machine is None:
                why = why_unmeant(machines.values(), order.machine)
                found.append(Release(order=order, refusal=why, is_final=True))
            else:
                del machines[machine.uuid]
                found.append(_release(order, machine, records, view, now=now))
    return tuple(found)


def _release(
    order: Order, machine: Machine, records: Records, view: CloudView, *, now: int
) -> Release:
    shown = _shown(machine, view)
    if shown is not None and shown.tags.get("vcycle_installation") == view.installation:
        why = f"the cloud shows it as {shown.state} with our tags: delete it instead"
        return Release(order=order, refusal=why, is_final=True)
    objection = _objection(machine, shown, records, view, now=now)
    if objection and not order.is_forced:
        return Release(order=order, refusal=objection)
    sighted_at = now if shown else machine.missing_since or records.memory.listed_at
    return Release(order=order, machine=replace(machine, missing_since=sighted_at))


def _shown(machine: Machine, view: CloudView) -> ListedMachine | None:
    return (view.listed or {}).get(machine.cloud_id) if machine.cloud_id else None


def _objection(
    machine: Machine, shown: ListedMachine | None, records: Records, view: CloudView, *, now: int
) -> str:
    """Return why a machine is not forgotten without force; see note [Forgetting]."""
    if machine.stopped_at is not None:
        return ""
    if shown is not None:
        return f"the cloud shows it as {shown.state}, where it would run on as foreign"
    if view.listed is None:
        ago = now - (records.memory.listed_at or machine.created_at)
        return f"the cloud answered {ago} s ago and may be back" if ago < BLIND_SECONDS else ""
    if machine.missing_listings < CONFIRM_LISTINGS:
        number = machine.missing_listings
        return f"{number} of {CONFIRM_LISTINGS} listings lack it, after which it is looked for"
    return ""


def forgotten(
    records: Records, released: tuple[Release, ...], words: Mapping[str, LastWords], *, now: int
) -> Changes:
    """Return what is remembered once the orders are carried out.

    Args:
        records: as they are.
        released: what becomes of each order.
        words: what the machines to forget left, by uuid.
        now: an upper bound of their ends.
    """
    ledger = Ledger(records, records.memory, now)
    for release in released:
        if release.machine is not None:
            _forget(ledger, release.machine, words.get(release.machine.uuid, _NOTHING))
    changes = ledger.changes()
    return replace(
        changes,
        memory=None,
        done_orders=tuple(release.order.id for release in released),
        events=(*(_event(release, now) for release in released), *changes.events),
    )


def _forget(ledger: Ledger, machine: Machine, words: LastWords) -> None:
    if machine.stopped_at is None:
        # Ours to end it: it says nothing of its machinetype.
        reason = machine.delete_reason or Reason.ORDERED
        machine = stop(ledger, replace(machine, delete_reason=reason), None, words)
    if not machine.is_closed:
        ledger.account(machine, is_final=True)
    gone = replace(machine, stage=Stage.GONE, gone_at=ledger.now, is_closed=True)
    ledger.put(gone, "machine-gone", "forgotten by order")


def _event(release: Release, now: int) -> Event:
    order, machine = release.order, release.machine
    said = "it is waited for no more" if machine is not None else f"refused: {release.refusal}"
    return Event(
        at=now,
        space=order.space,
        event="order-forget",
        machinetype=order.machinetype,
        machine=order.machine if machine is None else machine.name,
        detail=f"by {order.who}: {said}",
    )
