"""What orders and plans make us remember: drains, deletions, and who waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.remember_kit import T0, machine, only, records
from vcycled.model import Changes, Drain, MachinetypeMemory, Order, OrderKind, Plan, Stage, Wait
from vcycled.remember import noted, obey, updated


def order(kind: OrderKind, **changes: object) -> Order:
    """Return an order given by ops at T0."""
    usual = Order(kind=kind, space="a.example", at=T0, who="ops", id=7)
    return replace(usual, **changes)  # type: ignore[arg-type] # tests name real fields


def planned(*waits: Wait, preempted_at: int | None = None) -> Plan:
    """Return a plan that says only who waits and when room was made."""
    empty = Plan(deletes=(), deferred=(), creates=(), holds=(), shares=(), wake_at=T0)
    return replace(empty, waits=waits, preempted_at=preempted_at)


def test_who_waits_is_remembered_until_nobody_does() -> None:
    """Of a machinetype that was known or not; nothing is written where nothing changed."""
    other = MachinetypeMemory(space="a.example", machinetype="other", last_abort_at=T0)
    before = replace(records(), machinetypes=(other,))
    waits = (Wait(machinetype="prod", since=T0 - 5), Wait(machinetype="other", since=T0 - 9))
    changes = noted(before, planned(*waits))
    assert changes is not None
    assert changes.machinetypes == (
        replace(other, waiting_since=T0 - 9),
        MachinetypeMemory(space="a.example", machinetype="prod", waiting_since=T0 - 5),
    )
    after = updated(before, changes)
    assert noted(after, planned(*waits)) is None
    over = noted(after, planned())
    assert over is not None
    assert {each.waiting_since for each in over.machinetypes} == {None}
    assert noted(updated(after, over), planned()) is None


def test_that_room_was_made_is_remembered() -> None:
    """Though nobody waits."""
    changes = noted(records(), planned(preempted_at=T0))
    assert changes is not None
    assert changes.memory is not None
    assert (changes.memory.preempted_at, changes.memory.listed_at) == (T0, T0 + 940)
    assert changes.machinetypes == ()


def test_no_orders_change_nothing() -> None:
    """A cycle without orders writes nothing for them."""
    assert obey(records(), now=T0) is None


def test_a_drain_is_set_replaced_and_lifted() -> None:
    """The last order for a machinetype holds."""
    drain = order(OrderKind.DRAIN, machinetype="prod", by=T0 + 6000)
    changes = obey(replace(records(), orders=(drain,)), now=T0)
    assert changes is not None
    assert changes.drains == (
        Drain(space="a.example", machinetype="prod", since=T0, by=T0 + 6000, who="ops"),
    )
    assert changes.done_orders == (7,)
    assert changes.drains is not None
    lift = order(OrderKind.UNDRAIN, machinetype="prod", id=8)
    lifted = obey(replace(records(), drains=changes.drains, orders=(lift,)), now=T0)
    assert lifted is not None
    assert lifted.drains == ()


HELD = Drain(
    space="a.example",
    machinetype="prod",
    since=T0,
    who="ops",
    is_hold=True,
    until=T0 + 60,
    reason="the queue moves",
)
DRAINED = Drain(space="a.example", machinetype="prod", since=T0 - 9, who="ops")


@pytest.mark.parametrize(
    ("before", "kind", "after", "said"),
    [
        (None, OrderKind.HOLD, HELD, f"nothing more is created until {T0 + 60}"),
        (
            replace(HELD, until=None),
            OrderKind.HOLD,
            HELD,
            f"nothing more is created until {T0 + 60}",
        ),
        (DRAINED, OrderKind.HOLD, DRAINED, "drains already"),
        (HELD, OrderKind.RELEASE, None, "hold lifted"),
        (DRAINED, OrderKind.RELEASE, DRAINED, "was not held"),
        (None, OrderKind.RELEASE, None, "was not held"),
        (HELD, OrderKind.UNDRAIN, HELD, "was not draining"),
        (
            HELD,
            OrderKind.DRAIN,
            replace(DRAINED, since=T0, by=T0 + 600),
            "nothing more is created",
        ),
    ],
)
def test_a_hold_is_less_than_a_drain(
    before: Drain | None, kind: OrderKind, after: Drain | None, said: str
) -> None:
    """Each is lifted by its own order; a drain takes the place of a hold, never the reverse."""
    given = order(kind, machinetype="prod", by=T0 + 60, reason="the queue moves")
    there = () if before is None else (before,)
    changes = obey(replace(records(), drains=there, orders=(given,)), now=T0)
    assert changes is not None
    assert changes.drains == (() if after is None else (after,))
    assert changes.events[0].detail.startswith(f"by ops: {said}")


@pytest.mark.parametrize(("late", "is_over"), [(-1, False), (0, True), (1, True)])
def test_a_hold_is_over_by_itself(late: int, is_over: bool) -> None:
    """Without an order; the story tells it. What has no end has none."""
    kept = replace(HELD, machinetype="", until=None)
    changes = obey(replace(records(), drains=(HELD, kept)), now=T0 + 60 + late)
    assert (changes is not None) == is_over
    if changes is not None:
        assert changes.drains == (kept,)
        (event,) = changes.events
        assert (event.event, event.machinetype) == ("hold-over", "prod")
        assert event.detail == f"it was until {T0 + 60}"


def test_a_hold_without_end_says_none() -> None:
    """Until it is released."""
    given = order(OrderKind.HOLD)
    changes = obey(replace(records(), orders=(given,)), now=T0)
    assert changes is not None
    assert changes.events[0].detail == "by ops: nothing more is created"


@pytest.mark.parametrize(("by", "kept"), [(599, 600), (600, 600), (601, 601)])
def test_a_drain_keeps_the_promised_grace(by: int, kept: int) -> None:
    """Machines were told grace_secs = 600, so no order ends them sooner."""
    changes = obey(replace(records(), orders=(order(OrderKind.DRAIN, by=T0 + by),)), now=T0)
    assert changes is not None
    assert changes.drains is not None
    assert changes.drains[0].by == T0 + kept


@pytest.mark.parametrize(
    ("wanted", "by"), [(None, 600), (0, 600), (599, 600), (600, 600), (601, 601)]
)
def test_a_drain_of_a_machine_says_when_it_must_leave(wanted: int | None, by: int) -> None:
    """As soon as it may be promised, unless a later time is given; from when it is carried out."""
    when = None if wanted is None else T0 + wanted
    one = order(OrderKind.DRAIN, machine=machine().name, by=when, at=T0 - 5000)
    changes = obey(replace(records(machine()), orders=(one,)), now=T0)
    assert changes is not None
    assert only(changes).drain_by == T0 + by
    assert changes.drains == ()
    assert changes.events[0].detail == f"by ops: it must leave by {T0 + by}"


def test_the_last_order_for_a_machine_holds() -> None:
    """A later one finds what the earlier one left, also within one cycle."""
    name = machine().name
    orders = (
        order(OrderKind.DRAIN, machine=name),
        order(OrderKind.UNDRAIN, machine=name, id=8),
        order(OrderKind.UNDRAIN, machine=name, id=9),
        order(OrderKind.DELETE, machine=name, id=10),
    )
    changes = obey(replace(records(machine()), orders=orders), now=T0)
    assert changes is not None
    assert only(changes).drain_by is None
    assert only(changes).is_delete_ordered
    assert [each.detail for each in changes.events][1:3] == [
        "by ops: drain lifted",
        "by ops: was not drained",
    ]


def test_a_name_that_two_machines_bear_means_neither() -> None:
    """A uuid means one of them; the story is told of its name."""
    one, two = machine(), replace(machine(), uuid="u2")
    orders = (
        order(OrderKind.DELETE, machine=one.name),
        order(OrderKind.DELETE, machine="u2", id=8),
    )
    changes = obey(replace(records(one, two), orders=orders), now=T0)
    assert changes is not None
    assert only(changes).uuid == "u2"
    assert [(each.machine, each.detail) for each in changes.events] == [
        (one.name, "by ops: several machines have this name now; say which by its uuid"),
        (one.name, "by ops: it will be deleted"),
    ]


@pytest.mark.parametrize("kind", [OrderKind.DRAIN, OrderKind.UNDRAIN, OrderKind.DELETE])
def test_an_order_for_a_machine_that_is_gone_is_told(kind: OrderKind) -> None:
    """And changes nothing, least of all its whole machinetype."""
    lost = order(kind, machine="vcycle-prod-nosuchone0", machinetype="prod")
    changes = obey(replace(records(), orders=(lost,)), now=T0)
    assert changes is not None
    assert (changes.machines, changes.drains) == ((), ())
    assert changes.events[0].detail == "by ops: no such machine now"


def test_a_delete_order_marks_the_machine() -> None:
    """An order for a machine that is not there is answered in the story, not forgotten."""
    here = order(OrderKind.DELETE, machine=machine().name)
    lost = order(OrderKind.DELETE, machine="vcycle-prod-nosuchone0", id=9)
    failing = machine(delete_attempts=5, delete_attempt_at=T0 - 1)
    changes = obey(replace(records(failing), orders=(here, lost)), now=T0)
    assert changes is not None
    assert only(changes).is_delete_ordered
    assert only(changes).delete_attempt_at is None
    assert changes.done_orders == (7, 9)
    assert "no such machine" in changes.events[1].detail


def test_records_after_changes_are_as_the_store_holds_them() -> None:
    """Machines that are GONE and orders that are done leave."""
    before = replace(
        records(machine(1), machine(2)),
        orders=(order(OrderKind.DRAIN), order(OrderKind.DRAIN, id=8)),
    )
    gone = replace(machine(1), stage=Stage.GONE)
    after = updated(
        before, Changes(space="a.example", machines=(gone, machine(3)), done_orders=(7,))
    )
    assert [each.uuid for each in after.machines] == ["uuid-2", "uuid-3"]
    assert [each.id for each in after.orders] == [8]
