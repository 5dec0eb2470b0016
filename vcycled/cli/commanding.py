"""Each order that can be given: by a command, and by a path of the API.

An order is prepared (whom it concerns, what will come of it), then left in the store for the
manager. The same order given twice is one: an open order that says the same is not repeated,
unless something else was ordered in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from vcycled.cli.alive import ManagerState
from vcycled.cli.asking import Ordered
from vcycled.cli.orders import (
    Target,
    check_by,
    doomed,
    drain_promise,
    hold_promise,
    leave_promise,
    machine_line,
    machine_order,
    release_promise,
    stay_promise,
    target,
    undrain_promise,
)
from vcycled.cli.printing import Json
from vcycled.cli.session import Session
from vcycled.cli.unattended import order_waits
from vcycled.cli.views import SpaceView, View
from vcycled.errors import OperatorError
from vcycled.model import Machine, Order, OrderKind
from vcycled.store import Store


class Command(Protocol):
    """An order as it is given; its fields are what it says."""

    @property
    def path(self) -> str:
        """Where vcycle-admin takes it, below /api/v1."""
        ...

    def body(self) -> Mapping[str, Json]:
        """Return what is sent there."""
        ...

    def prepare(self, session: Session, who: str) -> Ordered:
        """Return what would be ordered by `who`.

        Raises:
            OperatorError: it concerns nothing, or cannot be done.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainIt:
    """Create no more machines of a space or machinetype, or tell single machines to leave."""

    path: ClassVar[str] = "/drain"
    target: tuple[str, ...]
    """SPACE, MACHINETYPE, both, or names or uuids of machines."""
    by: int | None = None

    def body(self) -> Mapping[str, Json]:
        """Return what it says."""
        return {"target": list(self.target), "by": self.by}

    def prepare(self, session: Session, who: str) -> Ordered:
        """Find whom it concerns."""
        now, words = session.now, session.words
        try:
            check_by(self.by, now=now)
        except ValueError as error:
            raise OperatorError(str(error)) from error
        found = _find(session, self.target)
        if isinstance(found, Target):
            order = found.order(OrderKind.DRAIN, now=now, who=who, by=self.by)
            return Ordered(orders=(order,), promise=tuple(drain_promise(found, self.by, words)))
        return Ordered(
            orders=_each(session, OrderKind.DRAIN, found.named, who, self.by),
            promise=tuple(leave_promise(found.machines, self.by, words)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndrainIt:
    """Lift a drain."""

    path: ClassVar[str] = "/undrain"
    target: tuple[str, ...]
    """As it was drained."""

    def body(self) -> Mapping[str, Json]:
        """Return what it says."""
        return {"target": list(self.target)}

    def prepare(self, session: Session, who: str) -> Ordered:
        """Find whom it concerns."""
        words, found = session.words, _find(session, self.target)
        if isinstance(found, Target):
            order = found.order(OrderKind.UNDRAIN, now=session.now, who=who)
            return Ordered(orders=(order,), promise=tuple(undrain_promise(found, words)))
        return Ordered(
            orders=_each(session, OrderKind.UNDRAIN, found.named, who),
            promise=tuple(stay_promise(found.machines, found.spaces, words)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldIt:
    """Create no more machines for a while; those there are told nothing."""

    path: ClassVar[str] = "/hold"
    target: tuple[str, ...]
    """SPACE, MACHINETYPE, or both."""
    until: int | None = None
    reason: str = ""

    def body(self) -> Mapping[str, Json]:
        """Return what it says."""
        return {"target": list(self.target), "until": self.until, "reason": self.reason}

    def prepare(self, session: Session, who: str) -> Ordered:
        """Find whom it concerns."""
        now = session.now
        if self.until is not None and self.until <= now:
            raise OperatorError("until: that is over already; a hold must end later than now")
        found = _group(session, self.target)
        order = found.order(OrderKind.HOLD, now=now, who=who, by=self.until, reason=self.reason)
        promise = tuple(hold_promise(found, self.until, session.words))
        return Ordered(orders=(order,), promise=promise)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseIt:
    """Lift a hold."""

    path: ClassVar[str] = "/release"
    target: tuple[str, ...]
    """As it was held."""

    def body(self) -> Mapping[str, Json]:
        """Return what it says."""
        return {"target": list(self.target)}

    def prepare(self, session: Session, who: str) -> Ordered:
        """Find whom it concerns."""
        found = _group(session, self.target)
        order = found.order(OrderKind.RELEASE, now=session.now, who=who)
        return Ordered(orders=(order,), promise=tuple(release_promise(found, session.words)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteIt:
    """Delete machines at once."""

    path: ClassVar[str] = "/delete"
    target: tuple[str, ...]
    """Their names or uuids."""

    def body(self) -> Mapping[str, Json]:
        """Return what it says."""
        return {"target": list(self.target)}

    def prepare(self, session: Session, who: str) -> Ordered:
        """Find whom it concerns."""
        with session.store() as store:
            chosen = doomed(self.target, store.machines(), _ever(self.target, store))
        lines = tuple(machine_line(each, session.words) for each in chosen.values())
        return Ordered(
            orders=_each(session, OrderKind.DELETE, chosen, who),
            promise=tuple(f"{each} is deleted at the next cycle" for each in lines),
            stakes=lines,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Single:
    """Machines that were named one by one."""

    named: Mapping[str, Machine]
    """By name or uuid, as they will be once the open orders are carried out."""
    spaces: tuple[SpaceView, ...]

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All of them."""
        return tuple(self.named.values())


def _find(session: Session, words: tuple[str, ...]) -> Target | _Single:
    """Return what was named: single machines if one of the words is the name of one."""
    with session.store() as store:
        spaces = session.view(store).spaces
        known = _ever(words, store)
    if known:
        live = [each for space in spaces for each in space.machines(now=session.now)]
        return _Single(named=doomed(words, live, known), spaces=spaces)
    return target(words, spaces, "space, machinetype or machine")


def _group(session: Session, words: tuple[str, ...]) -> Target:
    """Return the space or machinetype that was named."""
    with session.store() as store:
        return target(words, session.view(store).spaces)


def _ever(words: Iterable[str], store: Store) -> tuple[str, ...]:
    """Return those of `words` that are the name or the uuid of a machine, gone or not."""
    typed = tuple(words)
    uuids = store.known(typed)
    return tuple(word for word in typed if word in uuids or store.machine(word))


def _each(
    session: Session,
    kind: OrderKind,
    machines: Mapping[str, Machine],
    who: str,
    by: int | None = None,
) -> tuple[Order, ...]:
    now = session.now
    return tuple(
        machine_order(kind, machine, now=now, who=who, by=by, word=word)
        for word, machine in machines.items()
    )


def leave(session: Session, prepared: Ordered) -> Ordered:
    """Leave the orders in the store; return them with their numbers, and what they wait for."""
    with session.store(writing=True) as store:
        left = tuple(_left(store, order) for order in prepared.orders)
        view = session.view(store)
    return replace(prepared, orders=left, waits=tuple(_waits(view, {each.space for each in left})))


def _waits(view: View, names: AbstractSet[str]) -> Iterator[str]:
    """Yield what orders for the spaces of these names wait for beyond the next cycle."""
    alone = {each.name for each in view.spaces if each.is_unattended} & names
    yield from order_waits(alone)
    if view.staff is not None:
        unheld = {view.staff.why_unheld(name) for name in names - alone} - {""}
        for why in sorted(unheld):
            yield f"No manager holds the space: {why}; the order waits."
    elif view.manager is ManagerState.STOPPED:
        yield "vcycled is not running: the order waits until it does."


def _left(store: Store, order: Order) -> Order:
    """Leave an order unless it is there; return it with its number.

    One that something else was ordered after is left anew: orders are carried out one by one.
    """
    for known in reversed(store.records(order.space).orders):
        said = replace(known, id=0, at=order.at, who=order.who)
        if said == order:
            return known
        if replace(said, machinetype=order.machinetype, machine=order.machine) != order:
            break
    return replace(order, id=store.order(order))


def ordered_json(ordered: Ordered, *, is_rehearsal: bool) -> Json:
    """Return what was ordered, or would be, as a document."""
    return {
        "is_rehearsal": is_rehearsal,
        "orders": [_order_json(each) for each in ordered.orders],
        "promise": list(ordered.promise),
        "stakes": list(ordered.stakes),
        "waits": list(ordered.waits),
    }


def _order_json(order: Order) -> Json:
    return {
        "id": order.id or None,
        "kind": order.kind,
        "space": order.space,
        "machinetype": order.machinetype,
        "machine": order.machine,
        "by": order.by,
        "reason": order.reason,
        "at": order.at,
        "who": order.who,
    }
