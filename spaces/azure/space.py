"""The Azure space: its parts put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from vcycled.errors import Unavailable
from vcycled.model import Flavor, Limits, ListedMachine
from vcycled.spaces.azure.addresses import Addresses
from vcycled.spaces.azure.api import Api
from vcycled.spaces.azure.creation import USER_DATA_LIMIT, Creation
from vcycled.spaces.azure.expiry import Expiry
from vcycled.spaces.azure.interfaces import Interfaces
from vcycled.spaces.azure.leftovers import Leavings
from vcycled.spaces.azure.listing import UUID, cloud_id_of, listed_of
from vcycled.spaces.azure.options import AzureOptions
from vcycled.spaces.azure.sizes import Sizes
from vcycled.spaces.azure.usage import Held, Quotas
from vcycled.spaces.base import Clock, CreateRequest, Leftover, Space

if TYPE_CHECKING:
    from azure.mgmt.compute.models import VirtualMachine, VirtualMachineInstanceView


class AzureSpace(Space):
    """One resource group of one subscription, in one region."""

    Options = AzureOptions
    user_data_limit = USER_DATA_LIMIT
    takes_gzip = True

    def __init__(self, name: str, options: AzureOptions, *, clock: Clock) -> None:  # noqa: ARG002 - of the contract
        self._options = options
        self._group = options.resource_group
        group_id = f"/subscriptions/{options.subscription}/resourceGroups/{self._group}"
        self._api = Api(options, clock=clock)
        self._expiry = Expiry(options, clock=clock)
        self._sizes = Sizes(self._api, options.location)
        self._quotas = Quotas(self._api, options.location, is_spot=options.priority == "spot")
        self._creation = Creation(self._api, options, group_id)
        interfaces = Interfaces(self._api, group_id)
        self._addresses = Addresses(interfaces)
        self._leavings = Leavings(self._api, self._group, interfaces)

    def connect(self) -> None:
        """Log in, unless that has been done and holds."""
        self._api.connect()

    def account(self) -> Mapping[str, str]:
        """Return the subscription and the resource group, which Azure tells apart by no case."""
        options = self._options
        return {
            "subscription": options.subscription.lower(),
            "resource group": self._group.lower(),
        }

    def limits(self) -> Limits:
        """Return what the region's quotas leave to the resource group."""
        return self._quotas.limits()

    def flavors(self) -> Sequence[Flavor]:
        """Return every size that the subscription can use in the region."""
        return self._sizes.listed()

    def machines(self) -> Sequence[ListedMachine]:
        """Return every machine of the resource group.

        Azure tells what they are in one listing and how they are in another, which is of the whole
        subscription. One that is only in the first was made in between, or Azure cannot say.
        """
        with self._api.asking("machines") as client:
            shown = _distinct(client.virtual_machines.list(self._group))
            views = {
                (each.id or "").lower(): _view(each)
                for each in client.virtual_machines.list_all(status_only="true")
            }
        self._addresses.look([each.id or "" for each in shown if UUID in (each.tags or {})])
        found = [self._read(each, views.get((each.id or "").lower())) for each in shown]
        self._quotas.note(self._held(shown, found))
        return found

    def find(self, name: str, cloud_id: str = "") -> ListedMachine | None:
        """Return the machine of this name, if it is the one with this id."""
        shown = self._shown("find", name)
        if shown is None or (cloud_id and cloud_id_of(shown) != cloud_id):
            return None
        return self._read(shown, _view(shown))

    def create(self, request: CreateRequest) -> str:
        """Ask for a machine; one of this name that is there is left as it is."""
        from vcycled.spaces.azure.errors import Exists  # noqa: PLC0415 - slow to import

        try:
            return self._creation.create(request)
        except Exists:
            shown = self._shown("create", request.name)
            if shown is None:
                detail = f"{request.name} was there and is gone again"
                raise Unavailable("create", detail) from None
            return cloud_id_of(shown)

    def delete(self, name: str, cloud_id: str = "") -> None:
        """Ask for a machine to be deleted; by its name alone, only if it is one of ours.

        Its id is looked at first, as Azure deletes by name. One that is on its way already, and
        of which the manager still asks, is deleted by force.
        """
        shown = self._shown("delete", name)
        if shown is None:
            return
        is_meant = cloud_id_of(shown) == cloud_id if cloud_id else UUID in (shown.tags or {})
        if not is_meant:
            return
        state = (shown.properties and shown.properties.provisioning_state) or ""
        is_going = state.lower() == "deleting"
        with self._api.asking("delete") as client:
            client.virtual_machines.begin_delete(
                self._group, name, force_deletion=True if is_going else None, polling=False
            )

    def notices(self) -> Sequence[str]:
        """Return what ends soon of what we log in with."""
        return self._expiry.notices()

    def credential_ends(self) -> Mapping[str, int]:
        """Return when it ends, as far as it is a file with an end."""
        return self._expiry.ends()

    def leftovers(self, public_keys: Collection[str]) -> Sequence[Leftover]:  # noqa: ARG002
        """Return disks and network interfaces of ours that are on no machine."""
        return self._leavings.found()

    def remove(self, leftover: Leftover) -> None:
        """Delete a disk or an interface."""
        self._leavings.remove(leftover)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    @property
    def calls(self) -> Counter[str]:
        """How many requests were sent, by what for."""
        return self._api.calls

    def _shown(self, operation: str, name: str) -> VirtualMachine | None:
        from vcycled.spaces.azure.errors import Missing  # noqa: PLC0415 - slow to import

        try:
            with self._api.asking(operation) as client:
                return client.virtual_machines.get(self._group, name, expand="instanceView")
        except Missing:
            return None

    def _read(
        self, machine: VirtualMachine, view: VirtualMachineInstanceView | None
    ) -> ListedMachine:
        return listed_of(machine, view, self._sizes.of, self._addresses.of(machine.id or ""))

    def _held(self, shown: Sequence[VirtualMachine], found: Sequence[ListedMachine]) -> Held:
        """Return what machines in our region hold; a group may have others too."""
        here = [
            (machine.processors, (each.properties and each.properties.priority) == "Spot")
            for each, machine in zip(shown, found, strict=True)
            if each.location.replace(" ", "").lower() == self._options.location
        ]
        return Held(
            regular=sum(processors for processors, is_spot in here if not is_spot),
            spot=sum(processors for processors, is_spot in here if is_spot),
            machines=len(here),
        )


def _distinct(machines: Iterator[VirtualMachine]) -> list[VirtualMachine]:
    """Return each machine once: one may move to a further page while they are read."""
    return list({(each.id or "").lower(): each for each in machines}.values())


def _view(machine: VirtualMachine) -> VirtualMachineInstanceView | None:
    return machine.properties.instance_view if machine.properties else None
