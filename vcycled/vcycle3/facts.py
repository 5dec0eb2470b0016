"""The tree of Vcycle 3 as it was found. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from vcycled.model import ShutdownMessage


class Place(StrEnum):
    """Where a machine's folder stood."""

    CURRENT = "current"
    """Vcycle 3 saw it in its last listing."""
    DELETED = "deleted"
    """A listing omitted it: it is gone, or Vcycle 3 lost sight of it."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Trouble:
    """Something of the tree that could not be read or used."""

    path: str
    """Relative to the root."""
    why: str
    is_left_out: bool = False
    """True if a machine is not taken over because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldMachine:
    """One machine, as far as its folder tells; None and empty are what it does not tell."""

    space: str
    name: str
    machinetype: str
    place: Place
    modified_at: int
    """Of the folder."""
    cloud_id: str = ""
    created_at: int | None = None
    updated_at: int | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    """When it stopped. Whoever wrote the file went on to write the accounting record."""
    deleted_at: int | None = None
    """Last time that the cloud was asked to delete it."""
    seen_at: int | None = None
    """Last listing in which its manager saw it."""
    zone: str = ""
    processors: int | None = None
    memory_mb: int | None = None
    power: float | None = None
    """HS06 of all its processors."""
    wallclock_seconds: int | None = None
    """What it was promised."""
    message: ShutdownMessage | None = None
    is_ours: bool = False
    """True if this Vcycle made it: it is found by its tags, not by its folder."""

    @property
    def path(self) -> str:
        """Its folder, relative to the root."""
        return f"shared/spaces/{self.space}/{self.place}/{self.name}"

    @property
    def first_known_at(self) -> int:
        """When it was asked for or, if no file says so, the first time that any tells of."""
        if self.created_at is not None:
            return self.created_at
        told = (self.started_at, self.updated_at, self.seen_at, self.stopped_at, self.modified_at)
        return min(each for each in told if each is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldTree:
    """All that was found."""

    machines: tuple[OldMachine, ...] = ()
    last_aborts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By space and machinetype."""
    active_at: int | None = None
    """Last sign of life of any Vcycle 3 that works on this tree."""
    active_path: str = ""
    """Where that sign is, relative to the root."""
    troubles: tuple[Trouble, ...] = ()
