"""The demo's processes: started, watched, and ended so that nothing is left behind."""

from __future__ import annotations

import getpass
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vcycled.clock import Clock
from vcycled.config import ConfigSource
from vcycled.config.places import database_url
from vcycled.demo.scene import SPACE, Scene
from vcycled.errors import OperatorError, SpaceError, StoreError
from vcycled.model import Order, OrderKind
from vcycled.spaces.local import LocalSpace
from vcycled.store import Store

START_S = 60.0
"""On a host that is busy; a manager that ended is noticed at once."""
END_S = 30.0
_POLL_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A demo that is running."""

    scene: Scene
    clock: Clock
    store: Store
    processes: tuple[subprocess.Popen[bytes], ...]

    def is_well(self) -> bool:
        """Return whether both processes still run."""
        return all(process.poll() is None for process in self.processes)


@contextmanager
def running(scene: Scene, clock: Clock) -> Iterator[Stage]:
    """Run the manager and the web process; at the end, end them and sweep up every machine.

    Raises:
        OperatorError: one of them does not start; the text names its log.
    """
    web = _start("vcycled.web", scene.web_conf, scene.web_log)
    manager = _start("vcycled.daemon", scene.conf, scene.log.with_suffix(".err"))
    try:
        with _opened_store(scene, clock, manager) as store:
            yield Stage(scene=scene, clock=clock, store=store, processes=(manager, web))
    finally:
        for process in (manager, web):
            _end(process)
        sweep(scene, clock)


def wind_down(stage: Stage, show: Callable[[], None]) -> None:
    """Order a drain and the deletion of what is left, and watch until it is all accounted for."""
    at, who = stage.clock.now(), getpass.getuser()
    stage.store.order(Order(kind=OrderKind.DRAIN, space=SPACE, at=at, who=who))
    for machine in stage.store.machines(space=SPACE):
        order = Order(
            kind=OrderKind.DELETE,
            space=SPACE,
            at=at,
            who=who,
            machinetype=machine.machinetype,
            machine=machine.name,
        )
        stage.store.order(order)

    def is_over() -> bool:
        return not stage.store.machines(space=SPACE) or not stage.is_well()

    _wait(stage.clock, END_S, is_over, show)


def watch(stage: Stage, seconds: float, show: Callable[[], None]) -> None:
    """Call `show` a few times a second for so long, or until a process ends."""
    _wait(stage.clock, seconds, lambda: not stage.is_well(), show)


def _wait(
    clock: Clock, seconds: float, is_over: Callable[[], bool], show: Callable[[], None]
) -> None:
    never, deadline = threading.Event(), clock.monotonic() + seconds
    while clock.monotonic() < deadline and not is_over():
        show()
        clock.wait(never, _POLL_S)
    show()


def _start(module: str, conf: Path, log: Path) -> subprocess.Popen[bytes]:
    command = f"import {module} as m; m.main()"
    with log.open("wb") as stream:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", command, "--config", str(conf)],
            stdout=stream,
            stderr=stream,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


@contextmanager
def _opened_store(scene: Scene, clock: Clock, manager: subprocess.Popen[bytes]) -> Iterator[Store]:
    url = database_url(ConfigSource([scene.conf]).current().manager)
    never, deadline = threading.Event(), clock.monotonic() + START_S
    store = None
    while store is None:
        try:
            store = Store.open(url, clock=clock, upgrade=False)
        except StoreError as error:
            if manager.poll() is not None or clock.monotonic() > deadline:
                message = f"the manager did not start ({error}); see {scene.log}"
                raise OperatorError(message) from error
            clock.wait(never, _POLL_S)
    with store:
        yield store


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def sweep(scene: Scene, clock: Clock) -> None:
    """Delete machines that outlived the manager, as machines do."""
    space_config = ConfigSource([scene.conf]).current().space(SPACE)
    assert space_config is not None
    assert isinstance(space_config.api_options, LocalSpace.Options)
    space = LocalSpace(SPACE, space_config.api_options, clock=clock)
    never, deadline = threading.Event(), clock.monotonic() + END_S
    while clock.monotonic() < deadline:
        with suppress(SpaceError):  # the next look may tell more
            left = space.machines()
            if not left:
                return
            for machine in left:
                space.delete(machine.name, machine.cloud_id)
        clock.wait(never, _POLL_S)
