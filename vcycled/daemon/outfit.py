"""What the manager is given from outside, and what it gives each of its spaces."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from vcycled import files
from vcycled.apel.queue import Queue
from vcycled.calls import CallPool
from vcycled.clock import Clock
from vcycled.config import ConfigSource, ManagerOptions, Registry, SpaceConfig, find_space
from vcycled.cycle import Context
from vcycled.daemon.footing import Footing
from vcycled.errors import OperatorError
from vcycled.kvlog import KVLogger
from vcycled.machinedir import MachineDir
from vcycled.store import Store

ERRANDS = 3
ERRAND_S = 20.0
"""How many calls that may be left undone a space makes at once, and how long each may take."""


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
    footing: Footing = Footing()
    """The files without which this is not the only manager."""


def context_of(
    space: SpaceConfig, manager: ManagerOptions, outfit: Outfit, is_stopping: Callable[[], bool]
) -> Context:
    """Return what the cycles of `space` work with; who is to hold it is not looked at."""
    cloud = find_space(space.api, outfit.registry)
    return Context(
        name=space.name,
        space=cloud(space.name, space.api_options, clock=outfit.clock),
        store=outfit.store,
        tree=MachineDir(manager.root, clock=outfit.clock),
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
