"""Foreign machines that operators claim for us: on their word, not on that of a tag. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from vcycled.model import Changes, Event, ListedMachine, Order, OrderKind

_NAME = re.compile(r"vcycle-(.+)-[a-z0-9]{10}")
"""How Vcycle 3, and this one, make a machine's name from its machinetype."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What becomes of one order to adopt."""

    order: Order
    listed: ListedMachine | None = None
    """The machine that is meant; None if the order is refused."""
    machinetype: str = ""
    refusal: str = ""
    is_final: bool = True
    """Of a refusal: that no force overrules it."""

    @property
    def uuid(self) -> str:
        """What the machine is known by: as its tags say, else the cloud's id."""
        assert self.listed is not None, "only of a claim that is granted"
        return self.listed.tags.get("vcycle_uuid") or self.listed.cloud_id

    @property
    def other(self) -> str:
        """The installation whose mark the machine bears; empty if it bears none."""
        return "" if self.listed is None else self.listed.tags.get("vcycle_installation", "")


def claims(
    orders: Sequence[Order], foreign: Sequence[ListedMachine], ours: Collection[str]
) -> tuple[Claim, ...]:
    """Return what becomes of each order to adopt.

    Args:
        orders: all that are open.
        foreign: the foreign machines of a listing.
        ours: names of the machines that we have.
    """
    left = list(foreign)
    found: list[Claim] = []
    for order in orders:
        if order.kind is OrderKind.ADOPT:
            claim = _claim(order, left, ours)
            left = [each for each in left if each is not claim.listed]
            found.append(claim)
    return tuple(found)


def heard(changes: Changes, claimed: Sequence[Claim], *, now: int) -> Changes:
    """Return `changes` with the orders of `claimed` carried out or refused, and that told."""
    if not claimed:
        return changes
    return replace(
        changes,
        done_orders=(*changes.done_orders, *(claim.order.id for claim in claimed)),
        events=(*changes.events, *(_event(claim, now) for claim in claimed)),
    )


def _event(claim: Claim, now: int) -> Event:
    order, listed = claim.order, claim.listed
    said = f"refused: {claim.refusal}"
    if listed is not None:
        said = f"{listed.cloud_id} is ours from now on, as {claim.machinetype}"
    return Event(
        at=now,
        space=order.space,
        event="order-adopt",
        machinetype=claim.machinetype,
        machine=order.machine if listed is None else listed.name,
        detail=f"by {order.who}: {said}",
    )


def _claim(order: Order, foreign: Sequence[ListedMachine], ours: Collection[str]) -> Claim:
    meant = [each for each in foreign if order.machine in {each.name, each.cloud_id}]
    if not meant and order.machine in ours:
        return Claim(order=order, refusal="it is ours already")
    if not meant:
        return Claim(order=order, refusal="no foreign machine of this name or id is listed")
    if len(meant) > 1:
        ids = ", ".join(sorted(each.cloud_id for each in meant))
        return Claim(order=order, refusal=f"several machines have this name; say which: {ids}")
    (listed,) = meant
    if listed.name in ours:
        return Claim(order=order, refusal="a machine of ours has its name, and so its folder")
    machinetype = order.machinetype or _machinetype_of(listed)
    if not machinetype:
        return Claim(order=order, refusal="nothing tells its machinetype: say it")
    return _unless_marked(Claim(order=order, listed=listed, machinetype=machinetype))


def _unless_marked(claim: Claim) -> Claim:
    """Return `claim`, refused if the machine bears another's mark and nobody says that is known.

    Its manager may be at work: then both would delete it, and account it.
    """
    if not claim.other or claim.order.is_forced:
        return claim
    why = f"it bears the mark of another installation, {claim.other}, which may look after it"
    return Claim(order=claim.order, refusal=why, is_final=False)


def _machinetype_of(listed: ListedMachine) -> str:
    """Return what its tags say, or else its name; empty if neither does."""
    match = _NAME.fullmatch(listed.name)
    return listed.tags.get("machinetype", "") or (match[1] if match else "")
