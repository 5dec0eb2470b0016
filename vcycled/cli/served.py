"""The certificates that our own web sites show, and when they end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vcycled.certificates import end_of
from vcycled.config import ManagerOptions
from vcycled.machinedir import MachineDir

CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The certificate of one site, with those above it."""

    owner: str
    ends_at: int | None
    """When the first of them ends; None if that cannot be read."""


def served(manager: ManagerOptions, tree: MachineDir, *, now: int) -> Iterator[Served]:
    """Yield that of each vcycle-web that is up, by its own word, and that of vcycle-admin.

    `vcycle-web` may be on another host, where alone its files are.
    """
    for mark in tree.web_marks(now):
        yield Served(owner=f"vcycle-web on {mark.host}", ends_at=mark.certificate_ends_at)
    if manager.admin_cert is not None:
        yield Served(owner="vcycle-admin", ends_at=end_of(manager.admin_cert))
