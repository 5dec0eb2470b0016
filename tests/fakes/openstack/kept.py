"""A service that keeps things of one kind: volumes, or images."""

from __future__ import annotations

import itertools
from typing import Generic, Protocol, TypeVar

from tests.fakes.openstack.messages import Rejected, Service
from tests.fakes.openstack.settings import Settings
from vcycled.clock import Clock


class Thing(Protocol):
    """One there is or was."""

    id: str
    gone_at: int | None


T = TypeVar("T", bound=Thing)


class Keeper(Service, Generic[T]):
    """What Cinder and Glance have in common.

    Args:
        settings: of the cloud.
        clock: of the cloud.
        project_id: whose the things are.
    """

    missing: str
    """What is said of an id that there is not; `{}` stands for it."""

    def __init__(self, settings: Settings, clock: Clock, project_id: str) -> None:
        self.truth: list[T] = []
        """Every one that ever was."""
        self.by_id: dict[str, T] = {}
        self._settings = settings
        self._clock = clock
        self._project_id = project_id
        self._numbers = itertools.count(1)

    def _keep(self, thing: T) -> T:
        self.truth.append(thing)
        self.by_id[thing.id] = thing
        return thing

    def _find(self, thing_id: str) -> T:
        if thing_id not in self.by_id:
            raise Rejected(404, self.missing.format(thing_id))
        return self.by_id[thing_id]

    def _drop(self, thing: T) -> None:
        thing.gone_at = self._clock.now()
        del self.by_id[thing.id]
