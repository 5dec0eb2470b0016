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

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from vcycled.clock import Clock
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.model import Flavor, Limits, ListedMachine, MachineState

__all__ = [
    "Clock",
    "CreateRequest",
    "Flavor",
    "ImageFile",
    "ImageStore",
    "Leftover",
    "Limits",
    "ListedMachine",
    "MachineState",
    "NoCapacity",
    "QuotaExceeded",
    "Refused",
    "Space",
    "SpaceError",
    "StoredImage",
    "Unavailable",
    "owner_mark",
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
    """`root_image` as configured if the cloud has it, else `image:ID` of what was uploaded."""
    public_key: str = ""
    """One line of OpenSSH public key, or empty."""
    volume_gb: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something that an installation of ours left in the cloud: no machine, and used by none.

    The manager removes what is its own: by the tag `vcycle_installation` or, for what can bear no
    tags, by the mark in its name.
    """

    kind: str
    """As the field calls it: `volume`, `keypair`, `interface`."""
    id: str
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    owner_mark: str = ""
    """`owner_mark` of the installation, as the name tells it; empty where tags do."""


def owner_mark(installation: str) -> str:
    """Return 12 hex digits that stand for an installation in names that take no more.

    A key pair, which no cloud lets us tag, is called `vcycle-MARK-HASH-OF-THE-KEY`.
    """
    return hashlib.sha256(installation.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A disk image on this host that the cloud is to have."""

    name: str
    path: Path
    format: str
    """`raw`, `qcow2` or `iso`."""
    size_bytes: int
    tags: Mapping[str, str]
    """Must come back in `StoredImage.tags`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image that some installation of ours uploaded to the cloud."""

    id: str
    name: str
    is_ready: bool
    """False while it is uploaded, and for ever if that was cut short."""
    is_used: bool
    """True if a machine of the last listing was made of it."""
    size_bytes: int
    created_at: int | None
    tags: Mapping[str, str]


class ImageStore(ABC):
    """Where a cloud keeps images: the part of a space that takes root images from this host.

    `upload` runs in a thread of its own, beside the other calls, and may take hours.
    """

    @abstractmethod
    def images(self) -> Sequence[StoredImage]:
        """Return the images that carry the tag `vcycle_installation`, whatever its value."""

    @abstractmethod
    def upload(self, image: ImageFile, progress: Callable[[int], None]) -> str:
        """Upload a file, streamed, and return the id of the image once it can be used.

        Args:
            image: what to upload.
            progress: told every now and then how many bytes have gone.

        Raises:
            SpaceError: it did not get there; what is left of it, if anything, is listed as an
                image that is not ready.
        """

    @abstractmethod
    def delete_image(self, image_id: str) -> None:
        """Delete an image; one that is gone already is fine."""


class Space(ABC):
    """One project on one cloud; constructed with its options, does nothing until `connect`."""

    Options: ClassVar[type]
    """Options class (see vcycled.options) of what this API adds to a [space] section."""
    needs_image: ClassVar[bool] = True
    """False if machinetypes need no root_image here."""
    user_data_limit: ClassVar[int | None] = None
    """Most bytes of user_data that the cloud takes; None if it does not say."""
    takes_gzip: ClassVar[bool] = False
    """True if user_data may be binary, so that it can be packed if it is too long."""

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

    def account(self) -> Mapping[str, str]:
        """Return where in the cloud this space is, by parts that stay the same: project, region.

        A part that is not known is left out, and so says nothing. Without any, a section that was
        pointed elsewhere finds no machine, and each is taken for gone. At most one call, the first
        time after `connect`.
        """
        return {}

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

    def console(self, name: str, cloud_id: str) -> str:  # noqa: ARG002 - most have none
        """Return the last lines of the machine's console, or "" if the cloud has none.

        Asked of machines that failed to start, before they are deleted.
        """
        return ""

    def notices(self) -> Sequence[str]:
        """Return what a person should know though all works, as a credential that ends soon.

        One sentence each, the same every time while it is so; costs no call.
        """
        return ()

    def credential_ends(self) -> Mapping[str, int]:
        """Return until when what opens this cloud is valid, by its name, as far as is known.

        In Unix seconds; costs no call.
        """
        return {}

    def image_store(self) -> ImageStore | None:
        """Return where images of this host can be uploaded; None if they cannot."""
        return None

    def leftovers(self, public_keys: Collection[str]) -> Sequence[Leftover]:  # noqa: ARG002
        """Return what installations of ours left that no machine uses: volumes, key pairs.

        One of another installation may be among them if tag or mark tell so; what bears neither
        is somebody else's. Asked for every ten minutes or so.

        Args:
            public_keys: those that machinetypes use today, so not left over.
        """
        return ()

    def remove(self, leftover: Leftover) -> None:
        """Delete a leftover; one that is gone already is fine.

        Raises:
            Refused: the space leaves nothing of this kind.
        """
        raise Refused("remove", f"nothing of the kind {leftover.kind} is left here")

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release connections; the machines stay."""

    @property
    def calls(self) -> Counter[str]:
        """How many calls to the cloud's API were made since construction, by what for.

        By the verbs of this contract, `connect` for logins; empty if they are not counted.
        """
        return Counter()
