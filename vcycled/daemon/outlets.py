"""The sinks of this manager: made from the configuration, those of other hosts in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vcycled.accounting.base import Sink, SinkRefused, Verdict
from vcycled.calls import CallPool
from vcycled.clock import Clock
from vcycled.config import Config, SinkConfig, UnknownSink, make_sink
from vcycled.cycle.outlet import Outlet
from vcycled.errors import StoreError
from vcycled.kvlog import KVLogger
from vcycled.model import RunInterval
from vcycled.store import Store
from vcycled.store.sinks import NAMED_SECONDS

TICK_S = 5.0
"""How often it is looked what is due at a sink that is not local."""
_AT_ONCE = 1000
"""How many runs are claimed at once."""
_CALLS = 2
"""How many calls of a sink may be under way, those that were given up too."""


class Clerk:
    """Gives one sink what is due, in a thread of its own, so that no cycle waits for it."""

    def __init__(
        self, outlet: Outlet, *, spared: Callable[[], Collection[str]], timeout_s: float
    ) -> None:
        """Store what it works with.

        Args:
            outlet: of the sink.
            spared: gives the spaces of which nothing is published.
            timeout_s: after so long a call is given up.
        """
        self._outlet = outlet
        self._spared = spared
        self._calls = CallPool(_CALLS, timeout_s=timeout_s, clock=outlet.clock)
        self._trouble = ""
        self._is_stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopping = True
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the call under way; True if it has ended within real `timeout_s` seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._is_stopping:
            self.turn()
            self._outlet.clock.wait(self._wake, TICK_S)

    def turn(self) -> None:
        """Give the sink all that is due; made in the thread again and again."""
        try:
            while not (self._is_stopping or self._outlet.is_paused) and self._give_some():
                pass
            self._trouble = ""
        except StoreError as error:
            if not self._trouble:
                self._outlet.log.error("store-failed", error=str(error))
            self._trouble = str(error)
        except Exception:  # noqa: BLE001 - the top of a thread: a sink's bug is not the others'
            self._outlet.log.bug("sink-broken", sink=self._outlet.name)

    def _give_some(self) -> bool:
        """Return whether there may be more that the sink will take."""
        due = self._outlet.claim(besides=self._spared(), limit=_AT_ONCE)
        self._outlet.write(due, calls=self._calls)
        return len(due) == _AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A sink that is in use, and what it was made from."""

    made_from: tuple[SinkConfig, float]
    outlet: Outlet
    clerk: Clerk | None
    """None if the cycles write into it."""


class _Unmade(Sink):
    """Stands in for a sink that cannot be made."""

    is_local = True

    def __init__(self, why: str) -> None:
        self._why = why

    def put(self, runs: Sequence[RunInterval]) -> Iterable[Verdict]:  # noqa: ARG002
        """Take nothing."""
        raise SinkRefused(self._why)


class Outlets:
    """All the sinks that are configured."""

    def __init__(self, store: Store, *, manager: str, clock: Clock, log: KVLogger) -> None:
        self._store = store
        self._manager = manager
        self._clock = clock
        self._log = log
        self._config: Config | None = None
        self._opened: dict[str, _Opened] = {}
        self._name_at = 0.0
        """When it is kept again that these sinks are named."""
        self._naming: threading.Thread | None = None

    def current(self) -> tuple[Outlet, ...]:
        """Return those that are in use now."""
        return tuple(each.outlet for each in self._opened.values())

    def heed(self, config: Config) -> None:
        """Use the sinks of this configuration; new ones begin now.

        Raises:
            StoreError: they do not begin yet; repeat it.
        """
        if config is self._config:
            self._name_again(config.manager.accounting)
            return
        self._name(config.manager.accounting)
        timeout_s = float(config.manager.call_timeout_seconds)
        before, opened = dict(self._opened), dict[str, _Opened]()
        self._config = config
        for sink in config.sinks:
            known = before.get(sink.name)
            if known is not None and known.made_from == (sink, timeout_s):
                opened[sink.name] = before.pop(sink.name)
            else:
                opened[sink.name] = self._open(config, sink, timeout_s)
        self._opened = opened  # as a whole: cycles go through it meanwhile
        for each in before.values():
            _close(each)

    def _name_again(self, sinks: Iterable[str]) -> None:
        """Keep now and then that these are named, beside the caller, whom a lock would hold up."""
        is_due = self._clock.monotonic() >= self._name_at
        if is_due and (self._naming is None or not self._naming.is_alive()):
            self._naming = threading.Thread(target=self._try_to_name, args=(sinks,), daemon=True)
            self._naming.start()

    def _try_to_name(self, sinks: Iterable[str]) -> None:
        with suppress(StoreError):  # which the cycles tell; it is tried again at the next tick
            self._name(sinks)

    def _name(self, sinks: Iterable[str]) -> None:
        begun = self._clock.monotonic()
        self._store.begin(sinks)
        self._name_at = begun + NAMED_SECONDS

    def _open(self, config: Config, sink: SinkConfig, timeout_s: float) -> _Opened:
        made = self._made(sink, config.manager.root)
        outlet = Outlet(
            sink.name,
            made,
            store=self._store,
            manager=self._manager,
            clock=self._clock,
            log=self._log,
        )
        clerk = None
        if not made.is_local:
            clerk = Clerk(outlet, spared=self._spared, timeout_s=timeout_s)
            clerk.start()
        return _Opened(made_from=(sink, timeout_s), outlet=outlet, clerk=clerk)

    def _made(self, sink: SinkConfig, root: Path) -> Sink:
        """Return the sink; one that cannot be made fails, and hinders nothing else."""
        try:
            return make_sink(sink, root)
        except UnknownSink as error:
            self._log.bug("sink-broken", sink=sink.name)
            return _Unmade(str(error))

    def _spared(self) -> Collection[str]:
        """Return the spaces that are only watched: nothing of them is published."""
        spaces = self._config.spaces if self._config else ()
        return {space.name for space in spaces if space.options.mode == "observe"}

    def write_left(self, worked: Container[str]) -> None:
        """Give sinks of this host what no cycle will give them any more.

        That is what this manager took while it held other spaces, which nobody else may write, and
        what is due of spaces that nobody looks after.

        Args:
            worked: spaces whose cycles run here.

        Raises:
            StoreError: what left is not marked; repeat it.
        """
        tended = self._tended()
        for outlet in self.current():
            if outlet.sink.is_local:
                mine = self._store.taken(outlet.name, self._manager)
                outlet.write([each for each in mine if each.space not in worked])
                outlet.write(outlet.claim(besides=tended))

    def _tended(self) -> Collection[str]:
        """Return the spaces that some manager looks after, or would."""
        spaces = self._config.spaces if self._config else ()
        return self._store.spaces_held() | {space.name for space in spaces}

    def end(self, timeout_s: float) -> None:
        """Let calls under way end, for real `timeout_s` seconds at most."""
        deadline = self._clock.monotonic() + timeout_s
        for each in self._opened.values():
            if each.clerk is not None:
                each.clerk.stop()
        for each in self._opened.values():
            if each.clerk is not None:
                each.clerk.join(max(0.0, deadline - self._clock.monotonic()))
            _close(each)
        self.wait(max(0.0, deadline - self._clock.monotonic()))

    def wait(self, timeout_s: float) -> None:
        """Wait until it is kept that sinks are named, if that is under way, for real seconds."""
        if self._naming is not None:
            self._naming.join(timeout_s)


def _close(opened: _Opened) -> None:
    if opened.clerk is not None:
        opened.clerk.stop()
    opened.outlet.sink.close()
