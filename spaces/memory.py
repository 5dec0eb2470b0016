"""A cloud in memory whose behaviour is scripted, for tests and benches.

It has two faces. `MemorySpace` is what the manager is given: the contract and nothing else.
`MemoryCloud` is what a test holds: it moves machines from state to state, makes calls fail, hang
or lose their answers, cuts listings, and keeps the truth of every machine there ever was, so that
an auditor can compare it with what the manager believes. Several spaces of one cloud are several
managers, or one that was restarted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vcycled.spaces.base import (
    CreateRequest,
    Flavor,
    ImageStore,
    Leftover,
    Limits,
    ListedMachine,
    Space,
)
from vcycled.spaces.counting import CallCount
from vcycled.spaces.memory_cloud import MemoryCloud
from vcycled.spaces.memory_truth import FLAVORS, Extras, Listing, Truth

__all__ = ["FLAVORS", "Extras", "Listing", "MemoryCloud", "MemoryOptions", "MemorySpace", "Truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryOptions:
    """A cloud in memory has no options; it is scripted."""


class MemorySpace(Space):
    """One manager's view of a `MemoryCloud`."""

    Options = MemoryOptions
    needs_image = False

    def __init__(self, cloud: MemoryCloud) -> None:
        self._cloud = cloud
        self._count = CallCount()

    def connect(self) -> None:
        """Log in, which means nothing here but that it can fail."""
        with self._call("connect"):
            return

    def account(self) -> Mapping[str, str]:
        """Return what a test put there."""
        return dict(self._cloud.extras.account)

    def limits(self) -> Limits:
        """Return the cloud's quota."""
        with self._call("limits"):
            return self._cloud.limits

    def flavors(self) -> tuple[Flavor, ...]:
        """Return the cloud's flavors."""
        with self._call("flavors"):
            return self._cloud.flavors

    def machines(self) -> tuple[ListedMachine, ...]:
        """Return what a listing shows."""
        with self._call("machines"):
            return self._cloud.shown()

    def find(self, name: str, cloud_id: str = "") -> ListedMachine | None:
        """Return a machine as it truly is."""
        with self._call("find"):
            truth = self._cloud.look_up(name, cloud_id)
            return truth.listed if truth else None

    def create(self, request: CreateRequest) -> str:
        """Make a machine, unless there is one of this name."""
        with self._call("create"):
            truth = self._cloud.look_up(request.name, "") or self._cloud.make(request)
            return truth.listed.cloud_id

    def delete(self, name: str, cloud_id: str = "") -> None:
        """Delete a machine, if there is one."""
        with self._call("delete"):
            if truth := self._cloud.look_up(name, cloud_id):
                self._cloud.end(truth)

    def console(self, name: str, cloud_id: str) -> str:  # noqa: ARG002 - names are enough here
        """Return what a test put there."""
        with self._call("console"):
            return self._cloud.extras.consoles.get(name, "")

    def notices(self) -> Sequence[str]:
        """Return what a test put there."""
        return tuple(self._cloud.extras.notices)

    def credential_ends(self) -> Mapping[str, int]:
        """Return what a test put there."""
        return self._cloud.extras.credential_ends

    def leftovers(self, public_keys: Collection[str]) -> Sequence[Leftover]:
        """Return what a test left, but for the key pairs of these keys."""
        with self._call("leftovers"):
            left = self._cloud.extras.leftovers.values()
            return tuple(
                each for each in left if each.kind != "keypair" or each.name not in public_keys
            )

    def remove(self, leftover: Leftover) -> None:
        """Remove a leftover, if it is there."""
        with self._call("remove"):
            if self._cloud.extras.leftovers.pop(leftover.id, None):
                self._cloud.extras.removed.append(leftover.id)

    def image_store(self) -> ImageStore | None:
        """Return the cloud's images; None unless it takes some."""
        return self._cloud.images

    @property
    def calls(self) -> Counter[str]:
        """How many calls were made through this view, by what for."""
        return self._count.made()

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        self._count.add(operation)
        with self._cloud.call(operation):
            yield
