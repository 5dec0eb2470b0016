"""What the managers of the benches share: their configuration, and what they are given."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vcycled import kvlog
from vcycled.apel.queue import Queue
from vcycled.config import ConfigSource, SpaceConfig
from vcycled.cycle import SpaceCycle
from vcycled.daemon.outfit import Outfit, context_of
from vcycled.machinedir import MachineDir
from vcycled.spaces.base import Clock, Space
from vcycled.store import Store

KINDS: Final = 10
"""Machinetypes of each space."""

_MANAGER = """\
[vcycle]
root = {root}
manager_hostname = manager.example.org
heartbeat_receiver = external
"""
_SPACE = """
[space {space}]
{options}cycle_seconds = 3600
processors_limit = {machines}
max_creations_per_cycle = 100%
gocdb_sitename = EXAMPLE
"""
_KIND = """
[machinetype {space} {kind}]
target_share = 1
fizzle_seconds = 600
backoff_seconds = 600
max_wallclock_seconds = 172800
user_data = template
{options}"""


def kind(number: int) -> str:
    """Return the name of a machinetype."""
    return f"kind{number}"


def manager_section(root: Path) -> str:
    """Return the first lines of a configuration."""
    return _MANAGER.format(root=root)


def space_section(space: str, *, machines: int, **options: object) -> str:
    """Return a space for so many machines of one processor."""
    return _SPACE.format(space=space, machines=machines, options=_lines(options))


def kind_section(tree: MachineDir, space: str, number: int, **options: object) -> str:
    """Return a machinetype, and write its template."""
    folder = tree.layout.files(space, kind(number))
    folder.mkdir(parents=True)
    (folder / "template").write_text("#!/bin/sh\n: ##user_data_machine_hostname##\n")
    return _KIND.format(space=space, kind=kind(number), options=_lines(options))


def outfit(
    root: Path, config: Path, store: Store, registry: Mapping[str, type[Space]], clock: Clock
) -> Outfit:
    """Return what a manager of these files is given."""
    return Outfit(
        configs=ConfigSource([config], registry=registry),
        store=store,
        queue=Queue(root),
        clock=clock,
        rng=random.Random(1),
        host="manager.example.org",
        installation=store.installation_id(),
        registry=registry,
        log=kvlog.get("bench"),
    )


def space_of(outfit: Outfit, name: str) -> SpaceConfig:
    """Return a space as the configuration has it."""
    config = outfit.configs.current()
    assert not config.problems, config.problems
    (found,) = (each for each in config.spaces if each.name == name)
    return found


def cycle_of(outfit: Outfit, space: SpaceConfig) -> SpaceCycle:
    """Return a manager of one space that has just been started."""
    manager = outfit.configs.current().manager
    return SpaceCycle(context_of(space, manager, outfit, lambda: False))


def _lines(options: Mapping[str, object]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in options.items())
