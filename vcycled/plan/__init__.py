"""The planner: what to delete and create in one space now, what is held and why.

A pure function of the facts, the time and a source of chance (design.md, law 8): no clock, no I/O,
no log. The rules are Vcycle's (compat.md 3) with the holes closed by design.md, "Planning"; the
operator's view of them stands in docs/reference/why.md and docs/reference/deletes.md.

    leaving ─ due ─ deletes ─┐        leaving: who must leave early      deletes: what goes now
    flavors ─┐               ├─ here  due: when a machine must go        holds: who may not grow
    holds ───┴─── creates ───┘        flavors: which flavor and zone     creates: who grows next

Preemption comes between: crowded (who lacks room in the cloud itself) and preempt (who gives way).
"""

from __future__ import annotations

import random

from vcycled.model import Plan, SpaceFacts, Stage
from vcycled.plan.creates import plan_creates
from vcycled.plan.crowded import crowded
from vcycled.plan.deletes import plan_deletes
from vcycled.plan.instants import wake_at
from vcycled.plan.leaving import leaves, tells
from vcycled.plan.preempt import plan_yielding
from vcycled.plan.shares import shares
from vcycled.plan.stock import stocks, total

__all__ = ["plan_space"]


def plan_space(facts: SpaceFacts, *, now: int, rng: random.Random) -> Plan:
    """Return what to do in a space at `now` and when to look again.

    Chance only breaks ties between machinetypes that are equally far from their shares. The order
    of machines, machinetypes and flavors changes nothing.
    """
    machines = [machine for machine in facts.machines if machine.stage is not Stage.GONE]
    stocked = stocks(facts.machinetypes, machines)
    counted = total(facts.memory, machines)
    lacking = crowded(facts, stocked, counted, machines, now=now)
    growth = plan_creates(facts, stocked, counted, now=now, rng=rng, kept_for=lacking.first)
    left = leaves(facts, machines, now=now)
    yielding = plan_yielding(facts, growth, lacking, machines, left, now=now)
    if yielding.uuids:
        left = leaves(facts, machines, now=now, giving_way=yielding.uuids)
    removal = plan_deletes(facts, machines, left, now=now)
    waits = [*removal.waits, *(hold.until for hold in growth.holds if hold.until is not None)]
    ready = [wait.since + facts.preempt_after_seconds for wait in yielding.waits]
    waits += [at for at in ready if at > now]
    return Plan(
        deletes=removal.deletes,
        deferred=removal.deferred,
        creates=growth.creates,
        holds=growth.holds,
        shares=shares(stocked),
        wake_at=wake_at(waits, now=now, cycle_seconds=facts.cycle_seconds),
        tells=tells(machines, left, (delete.machine.uuid for delete in removal.deletes)),
        waits=yielding.waits,
        preempted_at=now if yielding.uuids else facts.memory.preempted_at,
    )
