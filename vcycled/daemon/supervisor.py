"""Keeps one worker for each space, tells what is wrong with the configuration, ends in order."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from vcycled.config import (
    Config,
    ManagerOptions,
    SpaceConfig,
    lost_limits,
)
from vcycled.config.pipe_shelf import Shelf
from vcycled.cycle import SpaceCycle
from vcycled.daemon.outfit import Outfit, context_of
from vcycled.daemon.outlets import Outlets
from vcycled.daemon.pipes import PipeKeeper
from vcycled.daemon.tenant import Tenant
from vcycled.daemon.unattended import Unattended
from vcycled.daemon.worker import SpaceWorker
from vcycled.errors import OperatorError, Outdated, StoreError
from vcycled.house.disks import disk_hold
from vcycled.house.keeper import Housekeeper
from vcycled.machinedir import MachineDir
from vcycled.store import Lease, Wishes
from vcycled.systemd import Notifier

TICK_S = 1.0
"""How often the configuration, new orders and signals are looked at."""
EXIT_S = 30.0
"""How long the cycles under way may go on after the order to end, in real seconds."""
LEFT_S = 60
"""How often it is looked for records that no cycle writes."""
RELEASE_S = 3600
"""How long a removed space without machines is kept for what else is left in its cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Team:
    """A worker and what it was made from."""

    worker: SpaceWorker
    made_from: tuple[Lease | None, str, object, ManagerOptions]


class Supervisor:
    """The manager's main thread."""

    def __init__(
        self, outfit: Outfit, *, exit_s: float = EXIT_S, systemd: Notifier | None = None
    ) -> None:
        self._outfit = outfit
        self._exit_s = exit_s
        self._systemd = systemd or Notifier()
        self._config = outfit.configs.current()
        self._lost: dict[str, tuple[str, float]] = {}
        """By space: which limits vanished from the configuration, and when, as monotonic time."""
        self._teams: dict[str, _Team] = {}
        self._dead: frozenset[str] = frozenset()
        """Spaces whose worker was found dead in this tick; they get another one."""
        self._emptied_at: dict[str, float] = {}
        """By removed space: since when it has had no machines, on the monotonic clock."""
        self._bug: type[Exception] | None = None
        """What keeps the configuration from being read, which was told."""
        self._pipe_bugs: set[tuple[str, str, type[Exception]]] = set()
        """By space and pipe: what their documents met, which was told."""
        self._pipes = PipeKeeper(clock=outfit.clock, log=outfit.log)
        self._outlets = Outlets(
            outfit.store, manager=outfit.host, clock=outfit.clock, log=outfit.log
        )
        self._house = Housekeeper(
            outfit.store,
            outfit.queue,
            MachineDir(self._config.manager.root, clock=outfit.clock),
            clock=outfit.clock,
            log=outfit.log,
        )
        self._tenant = Tenant(
            outfit.store.leases,
            self._wishes,
            beat_seconds=self._config.manager.manager_heartbeat_seconds,
            clock=outfit.clock,
            log=outfit.log,
        )
        self._unattended = Unattended(outfit.store, clock=outfit.clock, log=outfit.log)
        self._stop = threading.Event()
        self._is_stopping = False
        self._reopen: Callable[[], None] | None = None
        self._order_seen = 0
        self._write_left_at = 0.0
        self._uprooted: Path | None = None
        """A file of ours that is not at its path any more: we are nobody, and end."""
        self._trouble = ""
        """Why the last tick failed; empty if it did not."""

    def stop(self) -> None:
        """End after the calls under way; safe to call from a signal handler."""
        self._is_stopping = True

    def reopen_logs(self, reopen: Callable[[], None]) -> None:
        """Call `reopen` at the next tick; safe to call from a signal handler."""
        self._reopen = reopen

    def run(self) -> None:
        """Work until `stop` was called and the cycles have ended, or `exit_s` is over.

        Raises:
            StoreError: this manager cannot be one of this database now, or not any more.
            OperatorError: what it stands on was deleted or replaced.
        """
        outfit = self._outfit
        self._tell(self._config)
        self._tenant.start()
        while not (self._is_stopping or self._tenant.outdated or self._uprooted):
            self._try_tick()
            self._tell_systemd()
            outfit.clock.wait(self._stop, TICK_S)
        self._end()
        if self._tenant.outdated:
            raise Outdated(self._tenant.outdated)
        if self._uprooted:
            raise OperatorError(f"{self._uprooted} was deleted or replaced while vcycled ran")

    def _try_tick(self) -> None:
        """Let a database that is away hinder nothing but this tick; it is told once."""
        try:
            if not self._is_uprooted():
                self._tick()
        except StoreError as error:
            if not self._trouble:
                self._outfit.log.error("store-failed", error=str(error))
            self._trouble = str(error)
        else:
            self._trouble = ""

    def _is_uprooted(self) -> bool:
        """Look whether another manager could be where we are, as our files are not.

        Raises:
            StoreError: the file system does not say.
        """
        self._uprooted = self._outfit.footing.lost()
        if self._uprooted:
            detail = "deleted or replaced: this manager creates and deletes nothing more, and ends"
            self._outfit.log.error("files-replaced", path=str(self._uprooted), detail=detail)
        return self._uprooted is not None

    def _tick(self) -> None:
        reopen, self._reopen = self._reopen, None
        if reopen is not None:
            self._systemd.reloading()
            reopen()
        dead = (name for name, team in self._teams.items() if not team.worker.is_alive)
        self._dead = frozenset(dead)
        self._heed_config()
        self._outlets.heed(self._config)
        self._tend_pipes()
        for space in self._config.spaces:
            self._staff(space)
        self._release()
        self._heed_orders()
        self._write_left()
        self._unattended.look(self._config)
        self._house.tend(self._config)

    def _tell_systemd(self) -> None:
        """Say how it goes, and that we live while that is worth something."""
        is_working = self._is_working()
        self._systemd.status(self._status() if is_working else "No cycle makes any progress.")
        self._systemd.ready()
        if is_working:
            self._systemd.alive()

    def _is_working(self) -> bool:
        """Return whether some space that we hold has a worker that gets on, if we hold any."""
        spaces = (space.name for space in self._config.spaces)
        ours = [name for name in spaces if name in self._teams]
        return not ours or any(
            name not in self._dead and not self._teams[name].worker.is_stuck for name in ours
        )

    def _status(self) -> str:
        if self._trouble:
            return "The database cannot be used; the log says why."
        spaces, held = self._config.spaces, self._tenant.held
        number = sum(space.name in held for space in spaces)
        errors = len(self._config.errors)
        wrong = f" Errors in the configuration: {errors}." if errors else ""
        return f"Looks after {number} of {len(spaces)} spaces.{wrong}"

    def _heed_config(self) -> None:
        outfit = self._outfit
        config = self._read_config()
        if config is self._config:
            return
        for space, why in lost_limits(self._config, config).items():
            outfit.log.error("limits-vanished", space=space, detail=why)
            self._lost[space] = (why, outfit.clock.monotonic())
        self._config = config
        self._tell(config)
        self._tenant.kick()
        for team in self._teams.values():
            team.worker.kick()

    def _read_config(self) -> Config:
        """Return the configuration; what there was if a bug keeps the new one from being read."""
        try:
            config = self._outfit.configs.current()
        except Exception as error:  # noqa: BLE001 - the spaces go on under what was good
            if self._bug is not type(error):
                self._outfit.log.bug("config-broken")
            self._bug = type(error)
            return self._config
        self._bug = None
        return config

    def _tend_pipes(self) -> None:
        spaces = (space for space in self._config.spaces if not space.is_removed)
        shelf = Shelf(root=self._config.manager.root)
        self._pipes.tend((pipe for space in spaces for pipe in space.pipes), shelf)

    def _tell(self, config: Config) -> None:
        log = self._outfit.log
        for problem in config.problems:
            say = log.warning if problem.is_warning else log.error
            say("config-warning" if problem.is_warning else "config-error", detail=str(problem))
        for bug in config.bugs:
            if (bug.space, bug.pipe, type(bug.error)) not in self._pipe_bugs:
                log.bug("pipe-broken", caught=bug.error, space=bug.space, pipe=bug.pipe)
        self._pipe_bugs = {(bug.space, bug.pipe, type(bug.error)) for bug in config.bugs}
        errors = sum(not problem.is_warning for problem in config.problems)
        log.info("config-read", spaces=len(config.spaces), errors=errors)

    def _staff(self, space: SpaceConfig) -> None:
        """See to it that a space that we hold has a worker made from its present options."""
        lease = self._lease(space.name)
        made_from = (lease, space.api, space.api_options, self._config.manager)
        team = self._teams.get(space.name)
        if team is not None and team.made_from != made_from:
            team.worker.stop()
            if not team.worker.join(0):
                return  # its cycle ends first; two of one space never run at once
            team = None
        if lease is None:
            self._teams.pop(space.name, None)
            return
        if team is not None and team.worker.is_alive:
            return
        worker = self._worker(space, lease)
        self._teams[space.name] = _Team(worker=worker, made_from=made_from)
        worker.start()

    def _lease(self, name: str) -> Lease | None:
        """Return under what a cycle may begin; a space that is to be handed over has none."""
        is_leaving = name == self._tenant.to_hand_over  # asked first: it changes last
        return None if is_leaving else self._tenant.held.get(name)

    def _release(self) -> None:
        """Let go of spaces of ours that were removed from the configuration and have drained."""
        held = self._tenant.held
        spaces = (space for space in self._config.spaces if space.is_removed)
        removed = [space.name for space in spaces if space.name in held]
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

    def _wishes(self) -> Wishes:
        spaces, leaving = self._config.spaces, self._tenant.to_hand_over
        is_idle = leaving and leaving not in self._teams
        return Wishes(
            spaces=frozenset(each.name for each in spaces if not each.is_removed),
            removed=frozenset(each.name for each in spaces if each.is_removed),
            idle=frozenset({leaving} if is_idle else ()),
        )

    def _worker(self, space: SpaceConfig, lease: Lease) -> SpaceWorker:
        outfit, manager = self._outfit, self._config.manager
        log = outfit.log.bind(space=space.name)
        context = replace(
            context_of(space, manager, outfit, lambda: self._is_stopping),
            store=outfit.store.under(lease),
            may_act=lambda: outfit.store.leases.may_act(lease) and outfit.footing.is_firm(),
            configured=lambda: self._config.spaces,
            outlets=self._outlets.current,
        )
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
        """Return why nothing may be created: limits that just vanished, or a full disk."""
        why, since = self._lost.get(space.name, ("", -math.inf))
        is_fresh = self._outfit.clock.monotonic() - since < space.options.cycle_seconds
        return why if is_fresh else disk_hold(self._config.manager)

    def _heed_orders(self) -> None:
        """Let the spaces that have new orders begin their next cycle now."""
        newest, spaces = self._outfit.store.spaces_with_orders(since=self._order_seen)
        self._order_seen = newest
        for name in spaces:
            if name in self._teams:
                self._teams[name].worker.kick()

    def _write_left(self) -> None:
        """Write the records that no cycle of this manager writes, now and then."""
        now = self._outfit.clock.monotonic()
        if now >= self._write_left_at:
            self._write_left_at = now + LEFT_S
            self._outlets.write_left(self._teams)

    def _end(self) -> None:
        log, clock = self._outfit.log, self._outfit.clock
        log.info("ending", workers=len(self._teams))
        self._systemd.stopping()
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
        self._outlets.end(max(0.0, deadline - clock.monotonic()))
        self._house.end()
        self._tenant.end()
        log.info("ended")
