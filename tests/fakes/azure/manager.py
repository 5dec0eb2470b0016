"""Resource Manager, as far as virtual machines need it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from tests.fakes.azure.messages import Rejected
from tests.fakes.azure.orders import check_order, check_quota
from tests.fakes.azure.settings import Settings, Size
from tests.fakes.azure.truth import Listing, Machine, Machines
from tests.fakes.azure.views import shown, status_of, with_view
from tests.fakes.openstack.messages import Json, Reply, Request, Route, as_json

T = TypeVar("T")
_SUBSCRIPTION = r"(?i)/subscriptions/([^/]+)"
_GROUP = _SUBSCRIPTION + r"/resourceGroups/([^/]+)"
_COMPUTE = r"/providers/Microsoft\.Compute"

ACTIONS = {
    "machines": ("Microsoft.Compute/virtualMachines/read",),
    "states": ("Microsoft.Compute/virtualMachines/read",),
    "interfaces": ("Microsoft.Network/networkInterfaces/read",),
    "find": ("Microsoft.Compute/virtualMachines/read",),
    "create": (
        "Microsoft.Compute/virtualMachines/write",
        "Microsoft.Compute/disks/write",
        "Microsoft.Network/networkInterfaces/write",
        "Microsoft.Network/networkInterfaces/join/action",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
    ),
    "delete": (
        "Microsoft.Compute/virtualMachines/delete",
        "Microsoft.Compute/disks/delete",
        "Microsoft.Network/networkInterfaces/delete",
    ),
    "sizes": ("Microsoft.Compute/skus/read",),
    "limits": ("Microsoft.Compute/locations/usages/read",),
    "disks": ("Microsoft.Compute/disks/read",),
    "remove_disk": ("Microsoft.Compute/disks/delete",),
    "remove_interface": ("Microsoft.Network/networkInterfaces/delete",),
}
"""What a role must permit for each operation."""
IMAGE_ACTIONS = {
    "/images/": "Microsoft.Compute/images/read",
    "/galleries/": "Microsoft.Compute/galleries/images/versions/read",
}
"""And for a creation, by what is in the id of its image."""
OF_SUBSCRIPTION = frozenset({"states", "sizes", "limits"})
"""Operations that are not of the resource group."""


def actions_of(operation: str, request: Request) -> set[str]:
    """Return what a role must permit for a request."""
    found = set(ACTIONS.get(operation, ()))
    if operation == "create":
        storage = request.json()["properties"]["storageProfile"]
        image = storage["imageReference"].get("id", "")
        kind = "/galleries/" if "/galleries/" in image else "/images/"
        found |= {IMAGE_ACTIONS[kind]} if kind in image else set()
    return found


class Manager:
    """Answers for one subscription and the resource group in it."""

    def __init__(self, settings: Settings, machines: Machines) -> None:
        self.listing = Listing()
        self._settings = settings
        self._machines = machines

    def routes(self) -> Iterable[Route]:
        """Return what it can do."""
        machine = rf"{_GROUP}{_COMPUTE}/virtualMachines/([^/]+)"
        disk = rf"{_GROUP}{_COMPUTE}/disks"
        network = rf"{_GROUP}/providers/Microsoft\.Network/networkInterfaces"
        location = rf"{_SUBSCRIPTION}{_COMPUTE}/locations/([^/]+)"
        yield Route("states", "GET", rf"{_SUBSCRIPTION}{_COMPUTE}/virtualMachines", self._states)
        yield Route("machines", "GET", rf"{_GROUP}{_COMPUTE}/virtualMachines", self._list)
        yield Route("find", "GET", machine, self._show)
        yield Route("create", "PUT", machine, self._create)
        yield Route("delete", "DELETE", machine, self._delete)
        yield Route("sizes", "GET", rf"{_SUBSCRIPTION}{_COMPUTE}/skus", self._sizes)
        yield Route("limits", "GET", rf"{location}/usages", self._usages)
        yield Route("poll", "GET", rf"{location}/operations/([^/]+)", self._poll)
        yield Route("interfaces", "GET", network, self._interfaces)
        yield Route("disks", "GET", disk, self._disks)
        yield Route("remove_disk", "DELETE", rf"{disk}/([^/]+)", self._remove_disk)
        interface = rf"{network}/([^/]+)"
        yield Route("remove_interface", "DELETE", interface, self._remove_interface)

    # Machines

    def _states(self, request: Request, subscription: str) -> Reply:
        self._check(request, subscription)
        if request.query.get("statusOnly") != "true":
            raise Rejected(400, "BadRequest", "The test cloud lists a subscription by state only.")
        seen = [
            each
            for each in self._machines.listed(self.listing)
            if each.name not in self.listing.no_status
        ]
        return self._page(request, seen, lambda each: status_of(each, self._settings))

    def _list(self, request: Request, subscription: str, group: str) -> Reply:
        self._check(request, subscription, group)
        if "$expand" in request.query:
            text = "$expand can only be used with $filter."
            raise Rejected(400, "InvalidParameter", text)
        seen = self._machines.listed(self.listing)
        return self._page(request, seen, lambda each: shown(each, self._settings))

    def _show(self, request: Request, subscription: str, group: str, name: str) -> Reply:
        self._check(request, subscription, group)
        machine = self._machine(name)
        is_wanted = request.query.get("$expand") == "instanceView"
        return as_json((with_view if is_wanted else shown)(machine, self._settings))

    def _create(self, request: Request, subscription: str, group: str, name: str) -> Reply:
        self._check(request, subscription, group)
        body = request.json()
        if name.lower() in self._machines.by_name:
            if request.headers.get("if-none-match") == "*":
                text = f"The resource {name} exists, and the condition is that it does not."
                raise Rejected(412, "PreconditionFailed", text)
            text = "Changing property 'osProfile.customData' is not allowed."
            raise Rejected(409, "PropertyChangeNotAllowed", text)
        size = check_order(name, body, self._settings)
        is_spot = body["properties"].get("priority") == "Spot"
        check_quota(size, self._machines, self._settings, is_spot=is_spot)
        machine = self._machines.add(name, size, is_spot=is_spot)
        machine.request = body
        machine.tags = body.get("tags", {})
        machine.zone = next(iter(body.get("zones", [])), "")
        self._attach(machine, body["properties"])
        self._machines.count()
        self._machines.later(machine, self._settings.start_seconds)
        return self._started(request, as_json(shown(machine, self._settings), 201))

    def _attach(self, machine: Machine, properties: Json) -> None:
        """Make the disk and the interfaces."""
        disk = properties["storageProfile"]["osDisk"].get("name", f"{machine.name}_disk1")
        self._machines.disks[disk] = machine.name.lower()
        for each in properties["networkProfile"]["networkInterfaceConfigurations"]:
            self._machines.interfaces[each["name"]] = machine.name.lower()
            self._machines.interface_tags[each["name"]] = each.get("tags", {})

    def _delete(self, request: Request, subscription: str, group: str, name: str) -> Reply:
        self._check(request, subscription, group)
        machine = self._machines.by_name.get(name.lower())
        if machine is None:
            return Reply(status=204)
        machine.deletes += 1
        machine.forced += request.query.get("forceDeletion") == "true"
        if machine.provisioning != "Deleting":
            machine.provisioning = "Deleting"
            self._machines.later(machine, self._settings.delete_seconds)
        return self._started(request, Reply(status=202))

    def _started(self, request: Request, reply: Reply) -> Reply:
        """Add the address at which a client that waits would look for the end."""
        place = f"{request.base}/subscriptions/{self._settings.subscription}"
        path = f"/providers/Microsoft.Compute/locations/{self._settings.location}/operations/1"
        reply.headers["Azure-AsyncOperation"] = f"{place}{path}?api-version=2024-07-01"
        return reply

    def _poll(self, request: Request, subscription: str, *_rest: str) -> Reply:
        self._check(request, subscription)
        return as_json({"status": "InProgress"})

    # Sizes, quotas, disks

    def _sizes(self, request: Request, subscription: str) -> Reply:
        self._check(request, subscription)
        wanted = re.fullmatch(r"location eq '(\w+)'", request.query.get("$filter", ""))
        if wanted is None or wanted[1] != self._settings.location:
            return as_json({"value": []})
        disks = {"resourceType": "disks", "name": "Premium_LRS", "locations": [wanted[1]]}
        return as_json(
            {"value": [disks, *(_sku(each, wanted[1]) for each in self._settings.sizes)]}
        )

    def _usages(self, request: Request, subscription: str, location: str) -> Reply:
        self._check(request, subscription)
        if location != self._settings.location:
            raise Rejected(404, "NoRegisteredProviderFound", f"No provider in {location}.")
        regular = self._machines.cores(is_spot=False) + self._settings.others_cores
        rows = (
            ("cores", regular, self._settings.cores),
            ("lowPriorityCores", self._machines.cores(is_spot=True), self._settings.spot_cores),
            ("virtualMachines", len(self._machines.by_name), self._settings.machines),
        )
        return as_json(
            {
                "value": [
                    {"name": {"value": name}, "unit": "Count", "currentValue": now, "limit": most}
                    for name, now, most in rows
                ]
            }
        )

    def _interfaces(self, request: Request, subscription: str, group: str) -> Reply:
        self._check(request, subscription, group)
        here = self._machines.by_name

        def view(interface: tuple[str, str]) -> Json:
            name, owner = interface
            place = f"{self._settings.group_id}/providers"
            machine = f"{place}/Microsoft.Compute/virtualMachines/{owner}"
            address = {"privateIPAddress": here[owner].address} if owner else {}
            tags = self._machines.interface_tags.get(name)
            return {
                "id": f"{place}/Microsoft.Network/networkInterfaces/{name}",
                "name": name,
                **({"tags": tags} if tags else {}),
                "properties": {
                    **({"virtualMachine": {"id": machine.upper()}} if owner else {}),
                    "ipConfigurations": [{"name": "primary", "properties": address}],
                },
            }

        return self._page(request, list(self._machines.interfaces.items()), view)

    def _disks(self, request: Request, subscription: str, group: str) -> Reply:
        self._check(request, subscription, group)

        def view(disk: tuple[str, str]) -> Json:
            name, owner = disk
            place = f"{self._settings.group_id}/providers/Microsoft.Compute"
            return {
                "id": f"{place}/disks/{name}",
                "name": name,
                "location": self._settings.location,
                **({"managedBy": f"{place}/virtualMachines/{owner}"} if owner else {}),
                "properties": {
                    "diskState": "Attached" if owner else "Unattached",
                    "creationData": {"createOption": "FromImage"},
                },
            }

        return self._page(request, list(self._machines.disks.items()), view)

    def _remove_disk(self, request: Request, subscription: str, group: str, name: str) -> Reply:
        self._check(request, subscription, group)
        if self._machines.disks.get(name):
            text = f"Disk {name} is attached to a VM."
            raise Rejected(409, "OperationNotAllowed", text)
        self._machines.disks.pop(name, None)
        return self._started(request, Reply(status=202))

    def _remove_interface(
        self, request: Request, subscription: str, group: str, name: str
    ) -> Reply:
        self._check(request, subscription, group)
        if name not in self._machines.interfaces:
            return Reply(status=204)
        if self._machines.interfaces[name]:
            text = f"Network interface {name} is used by a virtual machine."
            raise Rejected(400, "NicInUse", text)
        del self._machines.interfaces[name]
        return self._started(request, Reply(status=202))

    # What all have in common

    def _check(self, request: Request, subscription: str, group: str = "") -> None:
        """Let pass what names the subscription, the group and a version.

        Raises:
            Rejected: something is another.
        """
        if subscription != self._settings.subscription:
            text = f"The subscription '{subscription}' could not be found."
            raise Rejected(404, "SubscriptionNotFound", text)
        if group and group.lower() != self._settings.group:
            text = f"Resource group '{group}' could not be found."
            raise Rejected(404, "ResourceGroupNotFound", text)
        if "api-version" not in request.query:
            text = "The api-version query parameter (?api-version=) is required."
            raise Rejected(400, "MissingApiVersionParameter", text)

    def _machine(self, name: str) -> Machine:
        if name.lower() not in self._machines.by_name:
            text = f"The Resource 'Microsoft.Compute/virtualMachines/{name}' was not found."
            raise Rejected(404, "ResourceNotFound", text)
        return self._machines.by_name[name.lower()]

    def _page(self, request: Request, things: Sequence[T], view: Callable[[T], Json]) -> Reply:
        start = request.number("$skiptoken", 0)
        end = start + self._settings.page_size
        body: Json = {"value": [view(each) for each in things[start:end]]}
        if end < len(things):
            query = urlencode({**request.query, "$skiptoken": end})
            body["nextLink"] = f"{request.base}{request.path}?{query}"
        return as_json(body)


def _sku(size: Size, location: str) -> Json:
    has = {"vCPUs": str(size.vcpus), "MemoryGB": f"{size.memory_gb:g}", **size.capabilities}
    limit = {"type": size.restriction, "reasonCode": "NotAvailableForSubscription"}
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "family": size.family,
        "locations": [location],
        "restrictions": [limit] if size.restriction else [],
        "capabilities": [{"name": name, "value": value} for name, value in has.items()],
    }
