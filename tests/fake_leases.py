"""Leases that a test gives and takes, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from vcycled.errors import Outdated, StoreError
from vcycled.store import Lease, Presence, Wishes


@dataclass
class Leases:
    """Leases that a test gives and takes."""

    is_shared: bool = True
    held: Mapping[str, Lease] = field(default_factory=dict)
    to_hand_over: str = ""
    skew: float = 0.0
    beats: int = 0
    error: str = ""
    """Why a beat fails."""
    is_outdated: bool = False
    """Whether it fails because of a newer Vcycle."""
    is_any_open: bool = False
    has_left: bool = False
    wishes: Wishes | None = None
    """What was wished for last."""

    def enrol(self, presence: Presence) -> None:
        """Take note of nothing."""

    def beat(self, wishes: Wishes) -> None:
        """Count it."""
        self.wishes = wishes
        if self.is_outdated:
            raise Outdated(self.error)
        if self.error:
            raise StoreError(self.error)
        self.beats += 1

    def is_worth_a_beat(self, wishes: Wishes) -> bool:
        """Return what the test says."""
        return self.is_any_open

    def may_act(self, lease: Lease) -> bool:
        """Return whether it is held."""
        return self.held.get(lease.space) == lease

    def leave(self) -> None:
        """Note it."""
        if self.error:
            raise StoreError(self.error)
        self.has_left = True

    def close(self) -> None:
        """Hold nothing."""

    def fence(self, connection: Connection, space: str, lease: Lease | None) -> None:
        """Let everything pass."""
