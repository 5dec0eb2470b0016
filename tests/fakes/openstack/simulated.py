"""What a cloud of our own is, whatever its API: scripted by tests, and knowing the truth."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from tests.fakes.openstack.faults import LOST, Fault, Script


class Living(Protocol):
    """A machine as its cloud truly knows it; times are Unix seconds of the cloud's clock."""

    id: str
    name: str
    created_at: int
    launched_at: int | None
    ended_at: int | None
    """When it ceased to run, whatever the API tells."""
    gone_at: int | None

    @property
    def processors(self) -> int:
        """That it has."""
        ...

    @property
    def is_ours(self) -> bool:
        """True if some manager asked for it."""
        ...

    @property
    def uuid(self) -> str:
        """What we gave it; empty for a foreign one."""
        ...


T = TypeVar("T", bound=Living)


class Ledger(Protocol[T]):
    """Every machine there is or was. Whoever calls holds the cloud's lock."""

    truth: list[T]
    """In order of creation."""
    peak_processors: Counter[str]

    @property
    def here(self) -> tuple[T, ...]:
        """Those there are."""
        ...

    def catch_up(self) -> None:
        """Let happen what is due."""
        ...


class SimulatedCloud(Generic[T]):
    """A cloud without its API, which a subclass adds.

    Args:
        ledger: of its machines.
    """

    def __init__(self, ledger: Ledger[T]) -> None:
        self.latency: Callable[[str], None] = lambda _operation: None
        """Called with the operation at the start of each call, side by side."""
        self.script = Script()
        self.calls: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._ledger = ledger

    # What a test does to calls.

    def fail_next(self, operation: str, *faults: Fault) -> None:
        """Let the next calls meet these faults, one each; those of `*` meet any operation."""
        self.script.add(operation, *faults)

    def lose_replies(self, operation: str, count: int = 1) -> None:
        """Let the next `count` calls do their work and be reset before they answer."""
        self.script.add(operation, *[LOST] * count)

    def hold(self, operation: str) -> threading.Event:
        """Let calls hang from now on until the event that is returned is set."""
        return self.script.hold(operation)

    # What a test asks.

    @property
    def truth(self) -> list[T]:
        """Every machine that ever was, in order of creation."""
        with self._lock:
            self._ledger.catch_up()
            return self._ledger.truth

    @property
    def here(self) -> tuple[T, ...]:
        """The machines there are now, listed or not."""
        with self._lock:
            self._ledger.catch_up()
            return self._ledger.here

    def of(self, name: str) -> T:
        """Return the youngest machine of this name, gone or not.

        Raises:
            KeyError: there never was one.
        """
        for machine in reversed(self.truth):
            if machine.name == name:
                return machine
        raise KeyError(name)

    @property
    def peak_processors(self) -> Counter[str]:
        """Most processors there were at once, by machinetype; all together under `*`."""
        return self._ledger.peak_processors
