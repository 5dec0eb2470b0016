"""The OpenStack space: its parts put together."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from vcycled.model import Flavor, Limits, ListedMachine, MachineState
from vcycled.spaces.base import Clock, CreateRequest, ImageStore, Leftover, Space
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.creation import USER_DATA_LIMIT, Creation
from vcycled.spaces.openstack.deletion import Deletion
from vcycled.spaces.openstack.flavors import Flavors
from vcycled.spaces.openstack.image_store import GlanceStore
from vcycled.spaces.openstack.images import ImageFinder
from vcycled.spaces.openstack.inventory import Inventory
from vcycled.spaces.openstack.keys import NovaKeyPairs
from vcycled.spaces.openstack.limits import limits_of
from vcycled.spaces.openstack.listing import UUID, listed_of
from vcycled.spaces.openstack.networks import Networks
from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.spaces.openstack.servers import Servers
from vcycled.spaces.openstack.volumes import Volumes

ASKED_SECONDS = 3600
"""How long a name that was asked for is looked up before it is asked for again: longer than a
cloud keeps a request before it shows a machine for it."""


class OpenStackSpace(Space):
    """One project of one OpenStack cloud."""

    Options = OpenStackOptions
    user_data_limit = USER_DATA_LIMIT
    takes_gzip = True

    def __init__(self, name: str, options: OpenStackOptions, *, clock: Clock) -> None:
        self._clock = clock
        self._api = Api(name, options, clock=clock)
        self._servers = Servers(self._api, options.page_size)
        self._flavors = Flavors(self._api)
        self._keys = NovaKeyPairs(self._api)
        self._volumes = Volumes(self._api)
        self._networks = Networks(self._api, _networks(options), clock=clock)
        self._inventory = Inventory(self._servers, self._read)
        self._image_store = GlanceStore(self._api, lambda: self._inventory.seen, clock=clock)
        self._deletion = Deletion(self._servers, clock=clock)
        self._creation = Creation(
            self._api,
            options,
            flavors=self._flavors,
            images=ImageFinder(self._api, clock=clock),
            networks=self._networks,
            keys=self._keys,
        )
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._preferred: tuple[str, ...] = ()

    def connect(self) -> None:
        """Log in, unless that has been done and holds."""
        self._api.connect()

    def account(self) -> Mapping[str, str]:
        """Return the project's id and the region."""
        return self._api.account()

    def limits(self) -> Limits:
        """Return the project's quota."""
        return limits_of(self._api)

    def flavors(self) -> Sequence[Flavor]:
        """Return every flavor the project can use."""
        return self._flavors.listed()

    def machines(self) -> Sequence[ListedMachine]:
        """Return every server of the project, page by page."""
        self._preferred = self._networks.preferred_names()
        self._forget_old_names()
        return self._inventory.machines()

    def find(self, name: str, cloud_id: str = "") -> ListedMachine | None:
        """Return the server with this id or, without one, of this name."""
        if cloud_id:
            server = self._servers.shown("find", cloud_id)
            return self._read(server) if server else None
        return self._named("find", name)

    def create(self, request: CreateRequest) -> str:
        """Ask for a server.

        A name that may be there already, since it was listed or asked for, is looked up first; the
        others cost one call.
        """
        if self._may_exist(request.name) and (found := self._named("create", request.name)):
            return found.cloud_id
        return self._creation.create(request)

    def delete(self, name: str, cloud_id: str = "") -> None:
        """Ask for a server to be deleted; by its name alone, every one of that name of ours."""
        if cloud_id:
            self._deletion.delete(cloud_id)
            return
        for each in self._servers.named("delete", name):
            if UUID in each.mapping("metadata"):
                self._deletion.delete(each.text("id"))

    def console(self, name: str, cloud_id: str) -> str:  # noqa: ARG002 - the id is enough
        """Return the last lines of a server's console."""
        return self._servers.console(cloud_id)

    def notices(self) -> Sequence[str]:
        """Return what ends soon, and what machines must do without."""
        return (*self._api.notices(), *self._networks.notices())

    def credential_ends(self) -> Mapping[str, int]:
        """Return when the application credential ends, if it does."""
        return self._api.credential_ends()

    def image_store(self) -> ImageStore | None:
        """Return Glance; None of a cloud that shows it to nobody."""
        return self._image_store if self._api.has("image") else None

    def leftovers(self, public_keys: Collection[str]) -> Sequence[Leftover]:
        """Return volumes and key pairs of ours that no listed machine uses.

        Before there was a complete listing none is known to be left over.
        """
        seen = self._inventory.seen
        if seen is None:
            return ()
        keys = self._keys.leftovers(public_keys, seen.key_names)
        return (*self._volumes.leftovers(seen), *keys)

    def remove(self, leftover: Leftover) -> None:
        """Delete a volume or key pair."""
        if leftover.kind == "volume":
            self._volumes.remove(leftover.id)
        else:
            self._keys.remove(leftover.id)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    @property
    def calls(self) -> Counter[str]:
        """How many requests were sent, by what for."""
        return self._api.calls

    def _read(self, server: Doc) -> ListedMachine:
        return listed_of(server, self._flavors.of_server, self._preferred)

    def _named(self, operation: str, name: str) -> ListedMachine | None:
        """Return the server of a name; of several, one of ours that is not just being deleted."""
        found = [self._read(each) for each in self._servers.named(operation, name)]
        return min(found, key=_by_use, default=None)

    def _may_exist(self, name: str) -> bool:
        """Return whether a name was listed or asked for; from now on it was."""
        seen = self._inventory.seen
        with self._lock:
            was_asked = name in self._asked
            self._asked[name] = self._clock.monotonic()
        return was_asked or (seen is not None and name in seen.names)

    def _forget_old_names(self) -> None:
        oldest = self._clock.monotonic() - ASKED_SECONDS
        with self._lock:
            self._asked = {name: at for name, at in self._asked.items() if at > oldest}


def _networks(options: OpenStackOptions) -> tuple[str, ...]:
    stated = (*((options.network_uuid,) if options.network_uuid else ()), *options.networks)
    return tuple(dict.fromkeys(stated))


def _by_use(machine: ListedMachine) -> tuple[bool, bool, int]:
    is_going = machine.state is MachineState.DELETING
    return UUID not in machine.tags, is_going, machine.created_at or 0
