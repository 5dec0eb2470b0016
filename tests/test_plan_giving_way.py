"""Preemption over hours in a small cloud: limits and promises hold, and no machine thrashes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.builders import NOW, facts, intent, kind, memory
from vcycled.model import (
    GRACE_SECONDS,
    Cause,
    Create,
    Delete,
    Flavor,
    Limits,
    Machine,
    MachineState,
    Machinetype,
    Plan,
    Reason,
    SpaceMemory,
    Stage,
)
from vcycled.options import Amount
from vcycled.plan import plan_space
from vcycled.remember.ledger import with_room, without_capacity

CYCLE_S = 60
SIZE = 16
"""Processors of the space."""
SIZES = (1, 2, 4)
FLAVORS = tuple(Flavor(name=f"f{size}", processors=size, memory_mb=1) for size in SIZES)
LAST_SIGHT_S = 120
"""A machine that finds no work is gone after so long."""


@dataclass(kw_only=True)
class Queue:
    """The work of a machinetype: when there is none, machines that start then abort."""

    idle_s: int = 0
    """Of each `period_s`, so long at its beginning there is no work."""
    period_s: int = 7200
    life_s: int = 10_000_000
    """How long a machine runs that found work."""

    def has_work(self, now: int) -> bool:
        """Return whether a machine that starts now finds work."""
        return (now - NOW) % self.period_s >= self.idle_s


@dataclass(kw_only=True)
class Space:
    """A space that does what is planned, and keeps what a manager would."""

    kinds: dict[str, Machinetype]
    queues: Mapping[str, Queue]
    cap: Amount
    patience_s: int
    rng: random.Random
    refusal: Cause | None = None
    """How a cloud that has SIZE processors refuses more, where no limit says so."""
    barred: str = ""
    """Machines of this flavor are refused always."""
    heeds: bool = True
    """Machines that are told to leave end two minutes before they must."""
    memory: SpaceMemory = field(default_factory=memory)
    now: int = NOW
    machines: dict[str, Machine] = field(default_factory=dict)
    told_at: dict[str, list[int]] = field(default_factory=dict)
    """When each machine was told to leave."""
    made_room: list[tuple[int, int]] = field(default_factory=list)
    """When preempted machines ended, and their processors."""
    refilled: list[int] = field(default_factory=list)
    """When preemptible machines were made."""
    made: int = 0

    def run(self, cycles: int) -> None:
        """Run so many cycles."""
        for _ in range(cycles):
            self._cycle()

    def processors(self, *names: str) -> int:
        """Return what machinetypes have."""
        mine = (each for each in self.machines.values() if each.machinetype in names)
        return sum(each.processors for each in mine)

    @property
    def room_made(self) -> int:
        """Processors that preempted machines left."""
        return sum(size for _, size in self.made_room)

    @property
    def used(self) -> int:
        """Processors of all machines."""
        return sum(each.processors for each in self.machines.values())

    def _cycle(self) -> None:
        given = facts(
            *self.kinds.values(),
            machines=tuple(self.machines.values()),
            memory=self.memory,
            limits=Limits(processors=None if self.refusal else SIZE),
            flavors=FLAVORS,
            creation_cap=self.cap,
            preempt_after_seconds=self.patience_s,
        )
        plan = plan_space(given, now=self.now, rng=self.rng)
        self._remember(plan)
        for tell in plan.tells:
            self._tell(replace(tell.machine, leave_by=tell.by, leave_why=tell.why or ""))
        for delete in plan.deletes:
            self._delete(delete)
        for create in plan.creates:
            self._create(create)
        assert self.used <= SIZE
        self.now += CYCLE_S
        self.machines = {uuid: self._later(each) for uuid, each in self.machines.items()}

    def _remember(self, plan: Plan) -> None:
        self.memory = replace(self.memory, preempted_at=plan.preempted_at)
        since = {wait.machinetype: wait.since for wait in plan.waits}
        for name, each in self.kinds.items():
            remembered = replace(each.memory, waiting_since=since.get(name))
            self.kinds[name] = replace(each, memory=remembered)

    def _tell(self, machine: Machine) -> None:
        if machine.leave_by is not None:
            self.told_at.setdefault(machine.uuid, []).append(self.now)
        self.machines[machine.uuid] = machine

    def _delete(self, delete: Delete) -> None:
        machine = self.machines[delete.machine.uuid]
        if delete.reason is Reason.PREEMPTED:
            assert self.kinds[machine.machinetype].preemptible
            assert self.now - self.told_at[machine.uuid][-1] > GRACE_SECONDS
            self.made_room.append((self.now, machine.processors))
        if machine.leave_why == Reason.PREEMPTED:
            self.memory = with_room(self.memory, now=self.now)
        del self.machines[machine.uuid]

    def _refuse(self, flavor: Flavor) -> None:
        """Learn that the cloud has no room; for the quota at most once in a cycle."""
        if self.refusal is Cause.NO_CAPACITY:
            self.memory = without_capacity(self.memory, flavor.name, "", now=self.now)
        elif self.memory.quota_failed_at != self.now:
            failures = self.memory.quota_failures + 1
            self.memory = replace(self.memory, quota_failures=failures, quota_failed_at=self.now)

    def _create(self, create: Create) -> None:
        of = self.kinds[create.machinetype]
        if create.flavor.name == self.barred or self.used + create.flavor.processors > SIZE:
            self._refuse(create.flavor)
            return
        if of.preemptible:
            self.refilled.append(self.now)
        self.made += 1
        new = intent(
            f"vcycle-{of.name}-{self.made:04}",
            machinetype=of.name,
            processors=create.flavor.processors,
            memory_mb=1,
            stage=Stage.LISTED,
            created_at=self.now,
        )
        self.machines[new.uuid] = new

    def _later(self, machine: Machine) -> Machine:
        """Return a machine as it is a cycle later."""
        if machine.started_at is None:
            if (self.memory.quota_failed_at or self.now) < machine.created_at:
                self.memory = replace(self.memory, quota_failures=0, quota_failed_at=None)
            return replace(machine, state=MachineState.RUNNING, started_at=self.now)
        if machine.state is not MachineState.RUNNING:
            return machine
        of, queue = self.kinds[machine.machinetype], self.queues[machine.machinetype]
        ran = self.now - machine.started_at
        if self.heeds and machine.leave_by is not None and self.now >= machine.leave_by - 120:
            self.made_room.append((self.now, machine.processors))
            return replace(machine, state=MachineState.SHUTDOWN, stopped_at=self.now)
        if not queue.has_work(machine.started_at) and ran >= LAST_SIGHT_S:
            self._learn(of, last_abort_at=self.now)
            return replace(machine, state=MachineState.SHUTDOWN, stopped_at=self.now)
        if ran >= queue.life_s:
            self._learn(of, proven_at=machine.created_at)
            return replace(machine, state=MachineState.SHUTDOWN, stopped_at=self.now)
        return machine

    def _learn(self, of: Machinetype, **changes: int) -> None:
        remembered = replace(of.memory, **changes)  # type: ignore[arg-type] # real fields
        self.kinds[of.name] = replace(of, memory=remembered)


sizes = st.sampled_from(FLAVORS).map(lambda flavor: (flavor.name,))
caps = st.sampled_from((Amount(count=2), Amount(count=5), Amount(percent=100.0)))
patiences = st.sampled_from((0, 60, 600))
refusals = st.sampled_from((Cause.NO_CAPACITY, Cause.QUOTA))


@st.composite
def populations(draw: st.DrawFn) -> dict[str, Machinetype]:
    """Return one to three machinetypes that are not preemptible, and one or two that are."""
    others = [
        kind(
            f"k{each}",
            target_share=draw(st.sampled_from((1.0, 2.0, 5.0))),
            flavor_names=draw(sizes),
            fizzle_seconds=draw(st.sampled_from((300, 600))),
        )
        for each in range(draw(st.integers(1, 3)))
    ]
    backs = [
        kind(f"b{each}", preemptible=True, flavor_names=draw(sizes))
        for each in range(draw(st.integers(1, 2)))
    ]
    return {each.name: each for each in (*others, *backs)}


def names(kinds: Mapping[str, Machinetype], *, preemptible: bool) -> list[str]:
    """Return those of the one or the other kind."""
    return [each.name for each in kinds.values() if each.preemptible is preemptible]


def space(
    kinds: Mapping[str, Machinetype], queues: Mapping[str, Queue], **changes: object
) -> Space:
    """Return a space that the preemptible ones have filled while the others were held."""
    held = {
        name: each if each.preemptible else replace(each, held="not yet")
        for name, each in kinds.items()
    }
    usual = {"cap": Amount(percent=100.0), "patience_s": 600, "rng": random.Random(7)}
    filled = Space(kinds=held, queues=queues, **{**usual, **changes})  # type: ignore[arg-type] # tests name real fields
    filled.run(12)
    filled.kinds = dict(kinds)
    return filled


@settings(max_examples=40)
@given(populations(), caps, patiences, st.booleans())
def test_others_come_to_their_shares_and_every_need_is_met_once(
    kinds: dict[str, Machinetype], cap: Amount, patience: int, heeds: bool
) -> None:
    """With work for all and for ever: who was told goes, and the room is taken and kept."""
    queues = {name: Queue() for name in kinds}
    over = space(kinds, queues, cap=cap, patience_s=patience, heeds=heeds)
    others = names(kinds, preemptible=False)
    before = over.processors(*others)
    over.run(SIZE // 2 * (GRACE_SECONDS // CYCLE_S + 3) + patience // CYCLE_S)
    largest = max(SIZES)
    assert all(len(each) == 1 for each in over.told_at.values())
    assert over.room_made <= over.processors(*others) - before + largest
    assert over.processors(*others) > SIZE - largest
    promised = sum(kinds[name].target_share for name in others)
    for name in others:
        due = SIZE * kinds[name].target_share / promised
        assert over.processors(name) > due - largest * len(others)


@st.composite
def tides(draw: st.DrawFn) -> Queue:
    """Return queues that run dry now and then, with machines of some lives."""
    return Queue(
        idle_s=draw(st.sampled_from((0, 1800, 5400))),
        period_s=draw(st.sampled_from((3600, 7200, 10_800))),
        life_s=draw(st.sampled_from((900, 3600, 20_000))),
    )


@settings(max_examples=12)
@given(populations(), refusals, caps, patiences, st.booleans())
def test_a_cloud_that_is_full_comes_to_the_shares_too(
    kinds: dict[str, Machinetype], refusal: Cause, cap: Amount, patience: int, heeds: bool
) -> None:
    """Where only its refusals say how much it has: room is made, taken and kept.

    Who was told may stay after all if the quota turns out to be enough for a while.
    """
    queues = {name: Queue() for name in kinds}
    over = space(kinds, queues, refusal=refusal, cap=cap, patience_s=patience, heeds=heeds)
    others = names(kinds, preemptible=False)
    first_s, round_s = 2 * 3600, GRACE_SECONDS + patience + 900
    over.run((len(others) * first_s + SIZE * round_s) // CYCLE_S)
    largest = max(SIZES)
    is_once = all(len(each) == 1 for each in over.told_at.values())
    assert is_once or refusal is Cause.QUOTA
    assert over.room_made <= over.processors(*others) + largest * len(others)
    assert over.processors(*others) > SIZE - largest
    promised = sum(kinds[name].target_share for name in others)
    for name in others:
        due = SIZE * kinds[name].target_share / promised
        assert over.processors(name) > due - largest * len(others)


@pytest.mark.parametrize("refusal", [Cause.NO_CAPACITY, Cause.QUOTA])
def test_a_cloud_that_takes_none_of_a_kind_costs_one_machine_an_hour(refusal: Cause) -> None:
    """As for want of hosts of another sort; where no quota forbids it the room is taken again."""
    kinds = {
        "wide": kind("wide", flavor_names=("f4",)),
        "back": kind("back", preemptible=True, flavor_names=("f1",)),
    }
    queues = {name: Queue() for name in kinds}
    over = space(kinds, queues, refusal=refusal, barred="f4", cap=Amount(count=8))
    hours = 12
    had = []
    for _ in range(hours * 60):
        over.run(1)
        had.append(over.processors("back"))
    assert 4 < over.room_made <= 4 * hours
    if refusal is Cause.NO_CAPACITY:
        assert sum(had) / len(had) > SIZE - 3


@settings(max_examples=40)
@given(
    st.data(),
    populations(),
    st.one_of(st.none(), refusals),
    caps,
    patiences,
    st.booleans(),
)
def test_room_that_was_made_is_not_given_back_before_it_is_known_to_be_left(
    data: st.DataObject,
    kinds: dict[str, Machinetype],
    refusal: Cause | None,
    cap: Amount,
    patience: int,
    heeds: bool,
) -> None:
    """Whatever queues do: no preemptible machine within fizzle and patience of a preemption."""
    queues = {
        name: Queue(life_s=7200) if each.preemptible else data.draw(tides())
        for name, each in kinds.items()
    }
    over = space(kinds, queues, refusal=refusal, cap=cap, patience_s=patience, heeds=heeds)
    over.run(120)
    event(f"{min(3, len(over.made_room))} or more preempted")
    fizzle = max(kinds[name].fizzle_seconds for name in names(kinds, preemptible=False))
    for at, _ in over.made_room:
        assert not any(at <= again < at + fizzle + patience for again in over.refilled)


def test_an_idle_queue_costs_one_machine_at_a_probe_at_most() -> None:
    """Its probes go on finding nothing; the others are left in peace."""
    kinds = {each.name: each for each in (kind("idle"), kind("back", preemptible=True))}
    for name, each in kinds.items():
        kinds[name] = replace(each, flavor_names=("f1",), backoff_seconds=7200)
    over = space(kinds, {"idle": Queue(idle_s=7200), "back": Queue()}, heeds=False)
    hours = 12
    over.run(hours * 60)
    first_need = SIZE
    cycle_s = 7200 + over.patience_s + GRACE_SECONDS
    assert len(over.made_room) <= first_need + hours * 3600 // cycle_s
    assert over.processors("back") >= SIZE - 2
