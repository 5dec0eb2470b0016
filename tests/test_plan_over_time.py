"""Many cycles against a small cloud in memory: who gets how much in the end, and who starves."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import LARGE, NOW, SMALL, facts, intent, kind
from vcycled.model import (
    Create,
    Flavor,
    Limits,
    Machine,
    MachineState,
    Machinetype,
    MachinetypeMemory,
    Plan,
    Stage,
)
from vcycled.plan import plan_space

pytestmark = pytest.mark.no_cover  # thousands of plans: see tests/conftest.py

CYCLE_S = 60
SIZE = 100
"""Processors of the space."""


class Life(NamedTuple):
    """How long machines of a machinetype run; `is_broken`: the cloud refuses to make them."""

    seconds: int = 10_000_000
    is_broken: bool = False


@dataclass(kw_only=True)
class Cloud:
    """A space that does what is planned: a machine starts a cycle later and ends by its Life."""

    kinds: dict[str, Machinetype]
    lives: Mapping[str, Life]
    flavors: tuple[Flavor, ...] = (SMALL, LARGE)
    now: int = NOW
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    machines: list[Machine] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    """The machinetype of each creation asked for."""

    def run(self, cycles: int) -> list[Plan]:
        """Return the plans of so many cycles, one after the other."""
        return [self._cycle() for _ in range(cycles)]

    def processors(self, name: str) -> int:
        """Return what a machinetype has."""
        return sum(each.processors for each in self.machines if each.machinetype == name)

    @property
    def used(self) -> int:
        """Processors of all machines."""
        return sum(each.processors for each in self.machines)

    def _cycle(self) -> Plan:
        given = facts(
            *self.kinds.values(),
            machines=tuple(self.machines),
            limits=Limits(processors=SIZE),
            flavors=self.flavors,
        )
        plan = plan_space(given, now=self.now, rng=self.rng)
        deleted = {delete.machine.uuid for delete in plan.deletes}
        self.machines = [each for each in self.machines if each.uuid not in deleted]
        for create in plan.creates:
            self._create(create)
        assert self.used <= SIZE
        self.now += CYCLE_S
        self.machines = [self._grown(machine) for machine in self.machines]
        return plan

    def _create(self, create: Create) -> None:
        name = create.machinetype
        self.tries.append(name)
        if self._life(name).is_broken:
            before = self.kinds[name].memory
            failures = before.creation_failures + 1
            self._learn(replace(before, creation_failures=failures, creation_failed_at=self.now))
            return
        asked = intent(
            f"vcycle-{name}-{len(self.tries)}",
            machinetype=name,
            processors=create.flavor.processors,
            stage=Stage.LISTED,
            created_at=self.now,
        )
        self.machines.append(asked)

    def _grown(self, machine: Machine) -> Machine:
        if machine.started_at is None:
            return replace(machine, state=MachineState.RUNNING, started_at=self.now)
        ran = self.now - machine.started_at
        if (
            machine.state is not MachineState.RUNNING
            or ran < self._life(machine.machinetype).seconds
        ):
            return machine
        of = self.kinds[machine.machinetype]
        if ran < of.fizzle_seconds:
            self._learn(replace(of.memory, last_abort_at=self.now))
        else:
            self._learn(replace(of.memory, proven_at=machine.created_at))
        return replace(machine, state=MachineState.SHUTDOWN, stopped_at=self.now)

    def _life(self, name: str) -> Life:
        return self.lives.get(name, Life())

    def _learn(self, memory: MachinetypeMemory) -> None:
        of = self.kinds[memory.machinetype]
        self.kinds[of.name] = replace(of, memory=memory)


def cloud(kinds: Sequence[Machinetype], **lives: Life) -> Cloud:
    """Return an empty cloud for these machinetypes."""
    return Cloud(kinds={each.name: each for each in kinds}, lives=lives)


@given(
    shares=st.lists(st.sampled_from((1.0, 2.0, 3.0, 5.0)), min_size=2, max_size=4),
    sizes=st.lists(st.sampled_from((1, 2, 4, 8)), min_size=4, max_size=4),
)
def test_a_space_that_fills_comes_to_its_shares_within_a_machine(
    shares: list[float], sizes: list[int]
) -> None:
    """Nobody is ahead of another, share for share, by more than its own last machine."""
    kinds = [
        kind(f"k{each}", target_share=share, flavor_names=(f"f{sizes[each]}",))
        for each, share in enumerate(shares)
    ]
    space = cloud(kinds)
    space.flavors = tuple(Flavor(name=f"f{n}", processors=n, memory_mb=1) for n in set(sizes))
    space.run(16)
    assert SIZE - max(sizes) < space.used <= SIZE
    has = [space.processors(each.name) for each in kinds]
    ahead = max((has[n] - sizes[n]) / share for n, share in enumerate(shares))
    assert ahead <= min(has[n] / share for n, share in enumerate(shares))


def test_small_machines_do_not_starve_a_large_flavor() -> None:
    """In a space full of small ones, what they leave is kept until a large one fits."""
    wide = kind("wide", flavor_names=("large",), held="not yet")
    space = cloud([wide, kind("narrow")], narrow=Life(3600))
    space.run(30)
    assert (space.processors("wide"), space.processors("narrow")) == (0, SIZE)
    space.kinds["wide"] = replace(wide, held="")
    space.run(120)
    assert space.processors("wide") in {48, 56}
    assert SIZE - LARGE.processors < space.used


def test_turnover_keeps_the_shares() -> None:
    """Machines that end are replaced in proportion, over a day, with no drift."""
    kinds = [kind("a", target_share=3), kind("b", target_share=1, flavor_names=("large",))]
    space = cloud(kinds, a=Life(1800), b=Life(5400))
    space.run(60)
    has: list[int] = []
    for _ in range(300):
        space.run(1)
        has.append(space.processors("b"))
    assert 25 - LARGE.processors <= sum(has) / len(has) <= 25 + LARGE.processors


def test_a_machinetype_without_work_leaves_its_share_to_the_others() -> None:
    """It aborts, backs off, and from time to time one probe asks for work: no more than that."""
    space = cloud([kind("idle"), kind("busy")], idle=Life(120))
    hours = 6
    space.run(hours * 60)
    first_burst, backoff_s = 20, 900
    assert space.tries.count("idle") <= first_burst + hours * 3600 // backoff_s
    assert space.processors("busy") >= SIZE - 1


def test_a_machinetype_that_finds_work_again_gets_its_share_back() -> None:
    """A probe that lives proves it; what the other's machines leave is then its own."""
    space = cloud([kind("idle"), kind("busy")], idle=Life(120), busy=Life(3600))
    space.run(180)
    assert space.processors("idle") <= 1
    space.lives = {"busy": Life(3600)}
    space.run(180)
    assert space.processors("idle") in {49, 50, 51}


def test_a_slow_boot_after_an_abort_is_still_one_probe() -> None:
    """Not the time since the abort lets more go, but what the probe shows."""
    idle = kind("idle", start_timeout_seconds=100_000)
    remembered = replace(idle.memory, last_abort_at=NOW - 50_000)
    waiting = intent("vcycle-idle-0", machinetype="idle", stage=Stage.LISTED)
    given = facts(replace(idle, memory=remembered), machines=(waiting,))
    for hours in range(20):
        assert not plan_space(given, now=NOW + hours * 3600, rng=random.Random(1)).creates


def test_a_machinetype_that_cannot_be_made_starves_nobody() -> None:
    """It is the neediest for ever, and is tried ever less often."""
    space = cloud([kind("broken"), kind("busy")], broken=Life(is_broken=True))
    hours = 6
    space.run(hours * 60)
    assert space.processors("busy") == SIZE
    doubling = 7
    assert space.tries.count("broken") <= 10 + doubling + hours
