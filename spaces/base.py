"""The contract of a space: what the manager asks of a cloud, and nothing else.

A space lists, creates and deletes machines of one project on one cloud. It never retries, sleeps,
decides or remembers: the manager calls it again at its next cycle, from several threads at once
(`create`, `delete` and `find` must bear that), and gives up on a call that outlives its timeout.
What must be known later is tagged on the machine and comes back in every listing.

Every method raises only the family of `vcycled.errors.SpaceError`; an SDK's errors are translated
in one function of the module. Every call that leaves the process has a timeout.

A module is in when its subclass of `vcycled.testing.contract.SpaceContract` passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from vcycled.clock import Clock
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.model import Flavor, Limits, ListedMachine, MachineState

__all__ = [
    "Clock",
    "CreateRequest",
    "Flavor",
    "Limits",
    "ListedMachine",
    "MachineState",
    "NoCapacity",
    "QuotaExceeded",
    "Refused",
    "Space",
    "SpaceError",
    "Unavailable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """One machine to make.

    `tags` must come back from `machines()` and `find()` as they are here; among them are
    `vcycle_installation`, `vcycle_uuid`, `machinetype` and the URLs `machinefeatures`,
    `jobfeatures` and `joboutputs` (compat.md 2).
    """

    name: str
    uuid: str
    machinetype: str
    flavor: str
    zone: str
    """Empty lets the cloud choose."""
    user_data: bytes
    tags: Mapping[str, str]
    image: str = ""
    """`root_image` as configured."""
    public_key: str = ""
    """One line of OpenSSH public key, or empty."""
    volume_gb: int = 0


class Space(ABC):
    """One project on one cloud; constructed with its options, does nothing until `connect`."""

    Options: ClassVar[type]
    """Options class (see vcycled.options) of what this API adds to a [space] section."""
    needs_image: ClassVar[bool] = True
    """False if machinetypes need no root_image here."""

    @abstractmethod
    def __init__(self, name: str, options: object, *, clock: Clock) -> None:
        """Store the name of the space and its `Options`; call nothing yet."""

    @abstractmethod
    def connect(self) -> None:
        """Make ready for the calls below; called once a cycle, cheap when nothing has expired.

        Raises:
            Unavailable: the cloud does not answer; the next cycle tries again.
            Refused: the credentials or options are wrong.
        """

    @abstractmethod
    def limits(self) -> Limits:
        """Return the project's quota; a limit the cloud does not state is None."""

    @abstractmethod
    def flavors(self) -> Sequence[Flavor]:
        """Return every flavor that can be asked for."""

    @abstractmethod
    def machines(self) -> Sequence[ListedMachine]:
        """Return every machine of the project, ours and foreign, all pages, in any order.

        Two machines of one name are two entries.

        Raises:
            Unavailable: the listing may be incomplete. A partial list is never returned: the
                manager would count too little and make too many.
        """

    @abstractmethod
    def find(self, name: str, cloud_id: str = "") -> ListedMachine | None:
        """Return the machine with this cloud id or, without one, this name; None if there is none.

        Asked of the cloud afresh, never from a cache: None is proof of absence.
        """

    @abstractmethod
    def create(self, request: CreateRequest) -> str:
        """Ask for a machine and return its cloud id, without waiting until it runs.

        A machine of this name that is there already counts as made.

        Raises:
            NoCapacity: nothing was made; the planner tries another flavor or zone.
            QuotaExceeded: nothing was made; creation stops here for a while.
            Refused: nothing was made; a person must act.
            Unavailable: the outcome is unknown; the manager looks for it by name.
        """

    @abstractmethod
    def delete(self, name: str, cloud_id: str = "") -> None:
        """Ask for a machine to be deleted, without waiting; one that is gone already is fine."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release connections; the machines stay."""

    @property
    def calls(self) -> int:
        """How many calls to the cloud's API were made since construction; 0 if not counted."""
        return 0
