"""What the cycles of one space work with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from vcycled.calls import CallPool
from vcycled.clock import Clock
from vcycled.config import ManagerOptions, SpaceConfig
from vcycled.cycle.outlet import Outlet
from vcycled.kvlog import KVLogger
from vcycled.machinedir import MachineDir
from vcycled.model import Changes, Event, Machine, Records
from vcycled.proxy import Mint
from vcycled.remember import updated
from vcycled.spaces.base import Space
from vcycled.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything outside that a cycle touches; built by the daemon, one for each space."""

    name: str
    space: Space
    store: Store
    tree: MachineDir
    calls: CallPool
    errands: CallPool
    """For calls that may be left undone: few at once, with little patience."""
    clock: Clock
    rng: random.Random
    manager: ManagerOptions
    host: str
    """Name of the manager's host in records, tags and user_data."""
    installation: str
    log: KVLogger
    is_stopping: Callable[[], bool]
    """True once the manager was told to end: finish what was begun, begin nothing."""
    may_act: Callable[[], bool] = lambda: True
    """False while another manager may hold the space: ask the cloud for no change."""
    configured: Callable[[], Iterable[SpaceConfig]] = tuple
    """Every space of this manager as it is configured now: several may share an account."""
    outlets: Callable[[], Sequence[Outlet]] = tuple
    """Where records go."""
    ended: list[Machine] = field(default_factory=list)
    """Machines that were seen to end since VacMon was last told."""
    mint: Mint = field(default_factory=Mint)
    """Makes the proxies of the space's machines."""
    warned: set[tuple[str, str]] = field(default_factory=set)
    """Machinetypes and patterns that were warned about."""
    offered: set[str] = field(default_factory=set)
    """Machines whose user_data waits for them at the web site."""

    def save(self, records: Records, changes: Changes) -> Records:
        """Save `changes` in one transaction, log their events, return the records after them."""
        self.store.save(changes)
        self.tell(changes.events)
        return updated(records, changes)

    def tell(self, events: Iterable[Event]) -> None:
        """Log each event as one line."""
        for event in events:
            say = self.log.warning if event.event in _WARNINGS else self.log.info
            say(
                event.event,
                machinetype=event.machinetype or None,
                machine=event.machine or None,
                detail=event.detail or None,
            )


_WARNINGS: Sequence[str] = (
    "creation-failed",
    "creation-undone",
    "creation-unknown",
    "delete-failed",
    "machine-missing",
    "machine-warned",
    "no-capacity",
    "quota-exceeded",
    "sink-failing",
    "times-rewound",
)
