"""What a space and each of its machinetypes have, as limits and shares count it.

Limits count every machine that is not gone, whatever its state. Shares count the living: intents,
starting and running ones, and those of which the cloud cannot say. A machine whose delete is
planned counts in both until it is seen to have ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vcycled.model import (
    FATE,
    Fate,
    Flavor,
    Limits,
    Machine,
    MachineState,
    Machinetype,
    SpaceMemory,
)

LIVING = frozenset(state for state, fate in FATE.items() if fate not in {Fate.REMOVE, Fate.GOING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Machines added up in each unit that a space limits."""

    machines: int
    processors: int
    memory_mb: int

    def plus(self, one: Flavor | Machine) -> Count:
        """Return the count with one more machine."""
        return Count(
            machines=self.machines + 1,
            processors=self.processors + one.processors,
            memory_mb=self.memory_mb + one.memory_mb,
        )

    def minus(self, one: Machine) -> Count:
        """Return the count with one machine less."""
        return Count(
            machines=self.machines - 1,
            processors=self.processors - one.processors,
            memory_mb=self.memory_mb - one.memory_mb,
        )

    def excess(self, limits: Limits, others: Count | None = None) -> str | None:
        """Return in words in what this is more than `limits` allow; None if in nothing.

        `others` is the part of this that is not ours.
        """
        theirs = others or Count(machines=0, processors=0, memory_mb=0)
        units = (
            ("processors", self.processors, limits.processors, theirs.processors),
            ("machines", self.machines, limits.machines, theirs.machines),
            ("MB", self.memory_mb, limits.memory_mb, theirs.memory_mb),
        )
        for unit, amount, most, part in units:
            if most is not None and amount > most:
                told = f", {part} of which others have" if part else ""
                return f"{amount} of {most} {unit} of the space{told}"
        return None


def foreign(memory: SpaceMemory) -> Count:
    """Return what others have in the space."""
    return Count(
        machines=memory.foreign_machines,
        processors=memory.foreign_processors,
        memory_mb=memory.foreign_memory_mb,
    )


def total(memory: SpaceMemory, machines: Sequence[Machine]) -> Count:
    """Return what the space holds: our `machines` and what others have."""
    return Count(
        machines=memory.foreign_machines + len(machines),
        processors=memory.foreign_processors + sum(each.processors for each in machines),
        memory_mb=memory.foreign_memory_mb + sum(each.memory_mb for each in machines),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What there is of one machinetype, in processors unless it says otherwise."""

    machinetype: Machinetype
    living: tuple[Machine, ...]
    """Its machines that shares count, in no order."""
    limited: int
    """What limits count."""
    starting: int
    """Part of the shared ones that has not started yet."""
    shared: int
    """What shares count."""
    power: float
    """Weight of one processor."""

    @property
    def name(self) -> str:
        """Name of the machinetype."""
        return self.machinetype.name

    @property
    def weight(self) -> float:
        """What it has, as shares weigh it."""
        return self.shared * self.power

    def plus(self, flavor: Flavor) -> Stock:
        """Return the stock with one more machine of `flavor` asked for."""
        return replace(
            self,
            limited=self.limited + flavor.processors,
            starting=self.starting + flavor.processors,
            shared=self.shared + flavor.processors,
        )


def is_starting(machine: Machine) -> bool:
    """Tell whether a living machine has yet to start; one of unknown state has if it ever did."""
    return machine.state is MachineState.STARTING or machine.started_at is None


def stocks(machinetypes: Iterable[Machinetype], machines: Iterable[Machine]) -> list[Stock]:
    """Return the stock of each machinetype, by name; machines of others are left out."""
    named: defaultdict[str, list[Machine]] = defaultdict(list)
    for machine in machines:
        named[machine.machinetype].append(machine)
    kinds = sorted(machinetypes, key=lambda kind: kind.name)
    powers = _powers(kinds)
    return [_stock(kind, named[kind.name], powers[kind.name]) for kind in kinds]


def _stock(kind: Machinetype, machines: Sequence[Machine], power: float) -> Stock:
    living = tuple(machine for machine in machines if machine.state in LIVING)
    return Stock(
        machinetype=kind,
        living=living,
        limited=sum(machine.processors for machine in machines),
        starting=sum(machine.processors for machine in living if is_starting(machine)),
        shared=sum(machine.processors for machine in living),
        power=power,
    )


def _powers(kinds: Sequence[Machinetype]) -> dict[str, float]:
    """Return the weight of a processor of each: its power if all state one, else 1."""
    stated = {kind.name: kind.power_per_processor for kind in kinds if kind.power_per_processor}
    return stated if len(stated) == len(kinds) else {kind.name: 1.0 for kind in kinds}
