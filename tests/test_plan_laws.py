"""What holds of every plan, whatever the facts (design.md, laws 1, 3 and 8)."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from hypothesis import event, given
from hypothesis import strategies as st

from tests.builders import NOW, plan
from tests.strategies import crowded_facts, space_facts
from vcycled.model import (
    GRACE_SECONDS,
    Cause,
    Machine,
    MachineState,
    Plan,
    Reason,
    SpaceFacts,
    Stage,
)
from vcycled.options import Amount

T = TypeVar("T")

CAPPED = {Reason.TOO_OLD, Reason.NOT_STARTED, Reason.SILENT}


def present(facts: SpaceFacts) -> list[Machine]:
    """Return the machines that count."""
    return [machine for machine in facts.machines if machine.stage is not Stage.GONE]


def shuffled(values: tuple[T, ...], chance: random.Random) -> tuple[T, ...]:
    """Return the values in another order."""
    return tuple(chance.sample(values, len(values)))


def keeps(limit: int | None, before: int, added: Iterable[int]) -> bool:
    """Tell whether `added` leaves the limit kept, or nothing is added where it was passed."""
    more = list(added)
    return limit is None or not more or before + sum(more) <= limit


@given(space_facts())
def test_never_passes_a_limit_of_the_space(facts: SpaceFacts) -> None:
    """Ours in any state, intents, others' and new ones together (law 1)."""
    made = plan(facts)
    event("creates" if made.creates else "creates nothing")
    new = [create.flavor for create in made.creates]
    here, others, limits = present(facts), facts.memory, facts.limits
    processors = others.foreign_processors + sum(each.processors for each in here)
    memory_mb = others.foreign_memory_mb + sum(each.memory_mb for each in here)
    assert keeps(limits.processors, processors, (each.processors for each in new))
    assert keeps(limits.memory_mb, memory_mb, (each.memory_mb for each in new))
    assert keeps(limits.machines, others.foreign_machines + len(here), (1 for _ in new))


@given(space_facts())
def test_never_passes_a_limit_of_a_machinetype(facts: SpaceFacts) -> None:
    """All of it, and what is starting of it; a machine made now counts once (law 1)."""
    made = plan(facts)
    for kind in facts.machinetypes:
        new = [each.flavor.processors for each in made.creates if each.machinetype == kind.name]
        mine = [each for each in present(facts) if each.machinetype == kind.name]
        starting = [
            each.processors
            for each in mine
            if each.state is MachineState.STARTING
            or (
                each.started_at is None
                and each.state in {MachineState.UNKNOWN, MachineState.RUNNING}
            )
        ]
        assert keeps(kind.processors_limit, sum(each.processors for each in mine), new)
        assert keeps(kind.max_starting_processors, sum(starting), new)


@given(space_facts())
def test_creates_no_more_than_the_cap_or_one(facts: SpaceFacts) -> None:
    """In processors."""
    made = plan(facts)
    limit = facts.limits.processors
    held = sum(each.processors for each in present(facts)) + facts.memory.foreign_processors
    most = facts.creation_cap.of(held if limit is None else limit)
    if limit is None and facts.creation_cap.percent is not None:
        most = max(10, most)
    assert len(made.creates) <= 1 or sum(c.flavor.processors for c in made.creates) <= most


@given(space_facts())
def test_creates_only_what_its_machinetype_allows(facts: SpaceFacts) -> None:
    """Nothing for held ones, one probe after an abort, flavors of the right size and zone."""
    made = plan(facts)
    kinds = {kind.name: kind for kind in facts.machinetypes}
    unfit = {(each.flavor, each.zone) for each in facts.memory.unfit if each.until > NOW}
    for create in made.creates:
        kind, flavor = kinds[create.machinetype], create.flavor
        assert kind.target_share > 0
        assert not kind.held
        ordered = facts.drains.get(kind.name)
        assert ordered is None or (ordered.until is not None and ordered.until <= NOW)
        assert flavor in facts.flavors
        assert flavor.processors > 0
        assert kind.min_processors <= flavor.processors
        assert kind.max_processors is None or flavor.processors <= kind.max_processors
        assert not kind.flavor_names or flavor.name in kind.flavor_names
        assert create.zone in (kind.zones or ("",))
        assert (flavor.name, create.zone) not in unfit
        aborted_at = kind.memory.last_abort_at
        assert aborted_at is None or aborted_at + kind.backoff_seconds <= NOW


@given(space_facts())
def test_says_of_every_machinetype_once_why_it_gets_no_more(facts: SpaceFacts) -> None:
    """Or once of the whole space, which then gets nothing."""
    made = plan(facts)
    for hold in made.holds:
        event(hold.cause.value)
        assert hold.detail
    names = [hold.machinetype for hold in made.holds]
    if names == [""]:
        assert not made.creates
    else:
        assert names == sorted(kind.name for kind in facts.machinetypes)


@given(space_facts())
def test_deletes_or_defers_each_machine_at_most_once(facts: SpaceFacts) -> None:
    """And only machines that it was told of and that are not gone."""
    made = plan(facts)
    touched = Counter(delete.machine.uuid for delete in made.deletes)
    touched.update(held.machine.uuid for held in made.deferred)
    assert all(count == 1 for count in touched.values())
    assert touched.keys() <= {machine.uuid for machine in present(facts)}


@given(space_facts())
def test_caps_deletions_of_what_may_still_work(facts: SpaceFacts) -> None:
    """A share of our machines in a cycle, at least one (law 3)."""
    made = plan(facts)
    capped = [each for each in made.deletes if each.reason in CAPPED]
    assert len(capped) <= max(1, facts.deletion_cap.of(len(present(facts))))


@given(space_facts())
def test_deletes_nothing_on_the_strength_of_a_listing_that_is_doubted(facts: SpaceFacts) -> None:
    """What the last listing omitted goes only by order; while it is suspect, nothing by age."""
    for delete in plan(facts).deletes:
        event(delete.reason.value)
        assert delete.machine.missing_since is None or delete.reason is Reason.ORDERED
        assert facts.memory.suspect_since is None or delete.reason not in CAPPED


@given(space_facts())
def test_deletes_by_age_only_what_is_old(facts: SpaceFacts) -> None:
    """Each rule as it is written in compat.md, computed the plain way."""
    kinds = {kind.name: kind for kind in facts.machinetypes}
    for delete in plan(facts).deletes:
        machine = delete.machine
        terms = kinds.get(machine.machinetype) or machine.terms
        if delete.reason is Reason.NOT_STARTED:
            assert NOW - machine.created_at > terms.start_timeout_seconds
        if delete.reason is Reason.TOO_OLD:
            assert machine.started_at is not None
            assert NOW - machine.started_at > terms.max_wallclock_seconds
        if delete.reason is Reason.SILENT:
            assert machine.started_at is not None
            assert NOW - machine.started_at > max(terms.fizzle_seconds, terms.heartbeat_seconds)
            assert machine.heartbeat_at is None or (
                NOW - machine.heartbeat_at > terms.heartbeat_seconds > 0
            )
            assert facts.receiver_up_since is not None
            assert NOW - facts.receiver_up_since >= terms.heartbeat_seconds


@given(crowded_facts())
def test_only_preemptible_machines_give_way_and_only_to_who_waited(facts: SpaceFacts) -> None:
    """Told with the grace, and while somebody waits none of their kind is made."""
    made = plan(facts)
    names = {kind.name for kind in facts.machinetypes if kind.preemptible}
    giving = [tell for tell in made.tells if tell.why is Reason.PREEMPTED]
    event("gives way" if giving else "nobody gives way")
    event("waits" if made.waits else "nobody waits")
    for tell in giving:
        assert tell.machine.machinetype in names
        assert tell.by is not None
        assert tell.by == tell.machine.leave_by or tell.by >= NOW + GRACE_SECONDS
        assert any(NOW - wait.since >= facts.preempt_after_seconds for wait in made.waits)
    for delete in made.deletes:
        if delete.reason is Reason.PREEMPTED:
            assert delete.machine.leave_by is not None
            assert delete.machine.leave_by < NOW
    assert not names & {wait.machinetype for wait in made.waits}
    assert not made.waits or not names & {create.machinetype for create in made.creates}


@given(space_facts())
def test_looks_again_within_a_cycle_and_no_hold_is_over_already(facts: SpaceFacts) -> None:
    """Later than now; everything that ends, ends later too, and is looked at in time."""
    made = plan(facts)
    assert NOW < made.wake_at <= NOW + facts.cycle_seconds
    ends = [hold.until for hold in made.holds] + [held.until for held in made.deferred]
    assert all(end is None or made.wake_at <= end for end in ends)


@given(space_facts())
def test_nothing_changes_before_it_wakes(facts: SpaceFacts) -> None:
    """With the same facts no machine falls due before wake_at, though its reason may change."""
    made = plan(facts)
    last = plan(facts, now=made.wake_at - 1)

    def due(each: Plan) -> set[str]:
        deleted = {delete.machine.uuid for delete in each.deletes}
        return deleted | {held.machine.uuid for held in each.deferred}

    assert due(last) == due(made)


@given(space_facts(), st.randoms(use_true_random=False), st.integers(0, 99))
def test_is_a_function_of_facts_whatever_their_order(
    facts: SpaceFacts, chance: random.Random, seed: int
) -> None:
    """Machines, machinetypes, flavors and what is unfit may stand in any order (law 8)."""
    assert plan(facts, seed=seed) == plan(facts, seed=seed)

    turned = replace(
        facts,
        machines=shuffled(facts.machines, chance),
        machinetypes=shuffled(facts.machinetypes, chance),
        flavors=shuffled(facts.flavors, chance),
        memory=replace(facts.memory, unfit=shuffled(facts.memory.unfit, chance)),
    )
    assert plan(turned, seed=seed) == plan(facts, seed=seed)


@given(space_facts(), st.integers(0, 99))
def test_chance_breaks_ties_and_nothing_else(facts: SpaceFacts, seed: int) -> None:
    """Deletes, shares and what a machinetype is held for by itself do not depend on it."""
    one, other = plan(facts, seed=seed), plan(facts, seed=seed + 1)
    assert (one.deletes, one.deferred, one.shares) == (other.deletes, other.deferred, other.shares)
    standing = {Cause.NO_SHARE, Cause.HELD, Cause.DRAIN, Cause.BACKOFF, Cause.NO_FLAVOR}
    assert [hold for hold in one.holds if hold.cause in standing] == [
        hold for hold in other.holds if hold.cause in standing
    ]


@given(space_facts())
def test_more_room_never_makes_it_delete_more(facts: SpaceFacts) -> None:
    """Deletes do not depend on limits or creation caps."""
    roomy = replace(
        facts, limits=replace(facts.limits, processors=None), creation_cap=Amount(count=999)
    )
    assert plan(roomy).deletes == plan(facts).deletes
