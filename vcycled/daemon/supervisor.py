"""Keeps one worker for each space, tells what is wrong with the configuration, ends in order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from vcycled import files
from vcycled.apel.queue import Queue
from vcycled.calls import CallPool
from vcycled.clock import Clock
from vcycled.config import (
    Config,
    ConfigSource,
    ManagerOptions,
    Registry,
    SpaceConfig,
    find_space,
    lost_limits,
)
from vcycled.config.pipe_shelf import Shelf
from vcycled.cycle import Context, SpaceCycle
from vcycled.daemon.pipes import PipeKeeper
from vcycled.daemon.worker import SpaceWorker
from vcycled.errors import OperatorError, StoreError
from vcycled.kvlog import KVLogger
from vcycled.machinedir import MachineDir
from vcycled.store import Store

TICK_S = 1.0
"""How often the configuration, new orders and signals are looked at."""
EXIT_S = 30.0
"""How long the cycles under way may go on after the order to end, in real seconds."""
HOUSEKEEPING_S = 3600
ERRANDS = 3
ERRAND_S = 20.0
"""How many calls that may be left undone a space makes at once, and how long each may take."""
RELEASE_S = 3600
"""How long a removed space without machines is kept for what else is left in its cloud."""
HISTORY_S = 90 * 86400
"""How long the story of a machine that is gone can be read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """What the manager is given from outside."""

    configs: ConfigSource
    store: Store
    queue: Queue
    clock: Clock
    rng: random.Random
    host: str
    installation: str
    registry: Registry
    """Kinds of spaces; those in the configuration were found to be installed."""
    log: KVLogger


@dataclass(frozen=True, slots=True, kw_only=True)
class _Team:
    """A worker and what it was made from."""

    worker: SpaceWorker
    made_from: tuple[str, object, ManagerOptions]


class Supervisor:
    """The manager's main thread."""

    def __init__(self, outfit: Outfit, *, exit_s: float = EXIT_S) -> None:
        self._outfit = outfit
        self._exit_s = exit_s
        self._config = outfit.configs.current()
        self._lost: dict[str, tuple[str, int]] = {}
        """By space: which limits vanished from the configuration, and when."""
        self._teams: dict[str, _Team] = {}
        self._emptied_at: dict[str, float] = {}
        """By removed space: since when it has had no machines, on the monotonic clock."""
        self._pipes = PipeKeeper(clock=outfit.clock, log=outfit.log)
        self._stop = threading.Event()
        self._unclaimed = ""
        """Why another manager may be at the same database; empty if it is ours."""
        self._is_stopping = False
        self._reopen: Callable[[], None] | None = None
        self._kept_house_at: int | None = None
        self._order_seen = 0

    def stop(self) -> None:
        """End after the calls under way; safe to call from a signal handler."""
        self._is_stopping = True

    def reopen_logs(self, reopen: Callable[[], None]) -> None:
        """Call `reopen` at the next tick; safe to call from a signal handler."""
        self._reopen = reopen

    def run(self) -> None:
        """Work until `stop` was called and the cycles have ended, or `exit_s` is over."""
        outfit = self._outfit
        self._tell(self._config)
        while not self._is_stopping:
            try:
                self._tick()
            except StoreError as error:
                outfit.log.error("store-failed", error=str(error))
            outfit.clock.wait(self._stop, TICK_S)
        self._end()

    def _tick(self) -> None:
        reopen, self._reopen = self._reopen, None
        if reopen is not None:
            reopen()
        self._keep_claim()
        self._heed_config()
        self._tend_pipes()
        for space in self._config.spaces:
            self._staff(space)
        self._release()
        self._heed_orders()
        self._keep_house()

    def _keep_claim(self) -> None:
        """Hold creation everywhere while it is not certain that the database is ours alone."""
        try:
            self._outfit.store.claim()
        except StoreError as error:
            if not self._unclaimed:
                self._outfit.log.error("claim-lost", error=str(error))
            self._unclaimed = str(error)
        else:
            self._unclaimed = ""

    def _heed_config(self) -> None:
        outfit = self._outfit
        config = outfit.configs.current()
        if config is self._config:
            return
        for space, why in lost_limits(self._config, config).items():
            outfit.log.error("limits-vanished", space=space, detail=why)
            self._lost[space] = (why, outfit.clock.now())
        self._config = config
        self._tell(config)
        for team in self._teams.values():
            team.worker.kick()

    def _tend_pipes(self) -> None:
        spaces = (space for space in self._config.spaces if not space.is_removed)
        shelf = Shelf(root=self._config.manager.root)
        self._pipes.tend((pipe for space in spaces for pipe in space.pipes), shelf)

    def _tell(self, config: Config) -> None:
        log = self._outfit.log
        for problem in config.problems:
            say = log.warning if problem.is_warning else log.error
            say("config-warning" if problem.is_warning else "config-error", detail=str(problem))
        errors = sum(not problem.is_warning for problem in config.problems)
        log.info("config-read", spaces=len(config.spaces), errors=errors)

    def _staff(self, space: SpaceConfig) -> None:
        """See to it that the space has a worker made from its present options."""
        made_from = (space.api, space.api_options, self._config.manager)
        team = self._teams.get(space.name)
        if team is not None and team.made_from != made_from:
            team.worker.stop()
            if not team.worker.join(0):
                return  # its cycle ends first; two of one space never run at once
            team = None
        if team is not None and team.worker.is_alive:
            return
        worker = self._worker(space)
        self._teams[space.name] = _Team(worker=worker, made_from=made_from)
        worker.start()

    def _release(self) -> None:
        """Let go of spaces that were removed from the configuration and have drained."""
        removed = [space.name for space in self._config.spaces if space.is_removed]
        since = self._emptied_at
        self._emptied_at = {name: since[name] for name in removed if name in since}
        if not removed:
            return
        busy = self._outfit.store.spaces_with_machines()
        for name in removed:
            if name in busy:
                self._emptied_at.pop(name, None)
            elif self._is_settled(name) and self._is_swept(name):
                self._outfit.configs.forget(name)
                self._outfit.log.info("space-removed", space=name)

    def _is_settled(self, name: str) -> bool:
        team = self._teams.get(name)
        return team is None or not team.worker.owes

    def _is_swept(self, name: str) -> bool:
        """Return whether nothing of ours is left in the cloud of a space without machines.

        A cloud that is gone too, or keeps what is left, is not waited for for ever.
        """
        now, team = self._outfit.clock.monotonic(), self._teams.get(name)
        emptied_at = self._emptied_at.setdefault(name, now)
        if team is not None and team.worker.is_swept:
            return True
        if now - emptied_at < RELEASE_S:
            return False
        detail = f"the space is forgotten, but its cloud was not seen clean within {RELEASE_S} s"
        self._outfit.log.warning("leftover-failed", space=name, detail=detail)
        return True

    def _worker(self, space: SpaceConfig) -> SpaceWorker:
        outfit, manager = self._outfit, self._config.manager
        log = outfit.log.bind(space=space.name)
        context = context_of(space, manager, outfit, lambda: self._is_stopping)
        context = replace(context, configured=lambda: self._config.spaces)
        name = space.name
        return SpaceWorker(
            SpaceCycle(context), lambda: self._wanted(name), clock=outfit.clock, log=log
        )

    def _wanted(self, name: str) -> tuple[SpaceConfig, str] | None:
        """Return the space as configured now, and why it is held from outside, if at all."""
        for space in self._config.spaces:
            if space.name == name:
                return space, self._held(space)
        return None

    def _held(self, space: SpaceConfig) -> str:
        """Return why nothing may be created: no claim, or limits that vanished a moment ago."""
        if self._unclaimed:
            return self._unclaimed
        why, since = self._lost.get(space.name, ("", 0))
        is_fresh = self._outfit.clock.now() - since < space.options.cycle_seconds
        return why if is_fresh else ""

    def _heed_orders(self) -> None:
        """Let the spaces that have new orders begin their next cycle now."""
        newest, spaces = self._outfit.store.spaces_with_orders(since=self._order_seen)
        self._order_seen = newest
        for name in spaces:
            if name in self._teams:
                self._teams[name].worker.kick()

    def _keep_house(self) -> None:
        now = self._outfit.clock.now()
        if self._kept_house_at is not None and now - self._kept_house_at < HOUSEKEEPING_S:
            return
        self._kept_house_at = now
        self._outfit.store.forget_before(now - HISTORY_S)

    def _end(self) -> None:
        log, clock = self._outfit.log, self._outfit.clock
        log.info("ending", workers=len(self._teams))
        for team in self._teams.values():
            team.worker.stop()
        deadline = clock.monotonic() + self._exit_s
        late = [
            name
            for name, team in self._teams.items()
            if not team.worker.join(max(0.0, deadline - clock.monotonic()))
        ]
        for name in late:
            log.warning("cycle-abandoned", space=name, detail="a call did not return in time")
        log.info("ended")


def context_of(
    space: SpaceConfig, manager: ManagerOptions, outfit: Outfit, is_stopping: Callable[[], bool]
) -> Context:
    """Return what the cycles of `space` work with."""
    cloud = find_space(space.api, outfit.registry)
    return Context(
        name=space.name,
        space=cloud(space.name, space.api_options, clock=outfit.clock),
        store=outfit.store,
        tree=MachineDir(manager.root, clock=outfit.clock),
        queue=outfit.queue,
        calls=CallPool(
            manager.parallel_calls, timeout_s=manager.call_timeout_seconds, clock=outfit.clock
        ),
        errands=CallPool(
            ERRANDS,
            timeout_s=min(ERRAND_S, manager.call_timeout_seconds),
            clock=outfit.clock,
        ),
        clock=outfit.clock,
        rng=outfit.rng,
        manager=manager,
        host=outfit.host,
        installation=outfit.installation,
        log=outfit.log.bind(space=space.name),
        is_stopping=is_stopping,
    )


def installation_of(manager: ManagerOptions, store: Store) -> str:
    """Return the id that marks our machines: the option, else the file beside the store, else new.

    It is kept in a file too, so that a lost database does not make our own machines foreign.

    Raises:
        OperatorError: the file and the store disagree, or the file cannot be written.
    """
    path = manager.root / "installation_id"
    try:
        wanted = manager.installation_id or files.read_text(path)
        if wanted:
            store.adopt_installation_id(wanted)
        installation = store.installation_id()
        if installation != files.read_text(path):
            files.write(path, f"{installation}\n")
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from error
    return installation
