"""Looking at a cloud as the next cycle would, without doing anything."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vcycled import kvlog
from vcycled.apel.queue import Queue
from vcycled.cli.names import demand
from vcycled.cli.session import NoStore, Session
from vcycled.cli.unattended import refusal
from vcycled.config import ConfigSource, InstalledSpaces, SpaceConfig
from vcycled.cycle import Context, SpaceCycle
from vcycled.daemon.outfit import Outfit, context_of
from vcycled.errors import OperatorError
from vcycled.house.disks import disk_hold
from vcycled.model import Plan
from vcycled.store import Store


def planned(session: Session, space: str) -> Plan:
    """Return what the next cycle of a space would do.

    Raises:
        OperatorError: it has no configuration that can be used.
        SpaceError: the cloud cannot be looked at.
    """
    config = space_config(session, space)
    with session.store() as store, look_context(session, config, store) as context:
        plan = SpaceCycle(context).preview(config, held=disk_hold(session.config.manager)).plan
    assert plan is not None, "preview raises if the cloud cannot be looked at"
    return plan


@contextmanager
def look_context(session: Session, config: SpaceConfig, store: Store) -> Iterator[Context]:
    """Give what a cycle of the manager would work with, on a store that cannot be written."""
    manager = session.config.manager
    outfit = Outfit(
        configs=ConfigSource(),
        store=store,
        queue=Queue(session.root),
        clock=session.clock,
        rng=random.SystemRandom(),
        host=session.host,
        installation=manager.installation_id or store.installation_id(),
        registry=InstalledSpaces(),
        log=kvlog.get("vcycle"),
    )
    context = context_of(config, manager, outfit, lambda: False)
    try:
        yield context
    finally:
        context.space.close()


def space_config(session: Session, name: str) -> SpaceConfig:
    """Return the configuration of a space.

    Raises:
        OperatorError: it has none, or one that cannot be used.
    """
    config = session.config
    if why := config.unusable.get(f"space {name}"):
        raise OperatorError(f"the section of space {name} cannot be used: {why}")
    known = {space.name: space for space in config.spaces}
    if name not in known and (why := _refusal(session, name)):
        raise OperatorError(why)
    return known[demand("space", name, known)]


def _refusal(session: Session, name: str) -> str:
    """Return why nothing can be done in a space that has machines, but no section; else empty."""
    with suppress(NoStore), session.store() as store:
        return refusal(name, session.view(store).spaces)
    return ""
