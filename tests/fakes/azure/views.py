"""Machines as Azure shows them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from tests.fakes.azure.settings import Settings
from tests.fakes.azure.truth import Machine
from tests.fakes.openstack.messages import Json, stamp

_FORM = "%Y-%m-%dT%H:%M:%S.1234567+00:00"


def machine_id(machine: Machine, group_id: str) -> str:
    """Return the id of the resource."""
    return f"{group_id}/providers/Microsoft.Compute/virtualMachines/{machine.name}"


def shown(machine: Machine, settings: Settings) -> Json:
    """Return what a machine is."""
    properties = copy.deepcopy((machine.request or {}).get("properties", {}))
    properties.get("osProfile", {}).pop("customData", None)  # never given back
    network = properties.get("networkProfile", {})
    place = f"{settings.group_id}/providers/Microsoft.Network"
    network["networkInterfaces"] = [
        {
            "id": f"{place}/networkInterfaces/{each['name']}",
            "properties": {"deleteOption": each["properties"].get("deleteOption")},
        }
        for each in network.pop("networkInterfaceConfigurations", [])
    ]
    properties |= {
        "vmId": machine.id,
        "hardwareProfile": {"vmSize": machine.size.name},
        "provisioningState": machine.provisioning,
        "priority": "Spot" if machine.is_spot else "Regular",
        "timeCreated": stamp(machine.created_at, _FORM),
    }
    return {
        "id": machine_id(machine, settings.group_id),
        "name": machine.name,
        "type": "Microsoft.Compute/virtualMachines",
        "location": machine.location,
        "tags": dict(machine.tags),
        **({"zones": [machine.zone]} if machine.zone else {}),
        "properties": properties,
    }


def with_view(machine: Machine, settings: Settings) -> Json:
    """Return what a machine is and how it is."""
    found = shown(machine, settings)
    found["properties"]["instanceView"] = {"statuses": _statuses(machine)}
    return found


def status_of(machine: Machine, settings: Settings) -> Json:
    """Return how a machine is, with hardly anything of what it is, as `statusOnly` does.

    The resource group is in capitals, as Azure writes it in many an answer.
    """
    group_id = settings.group_id.replace(settings.group, settings.group.upper())
    return {
        "id": machine_id(machine, group_id),
        "name": machine.name,
        "type": "Microsoft.Compute/virtualMachines",
        "location": machine.location,
        "properties": {"vmId": machine.id, "instanceView": {"statuses": _statuses(machine)}},
    }


def _statuses(machine: Machine) -> list[Mapping[str, object]]:
    word = machine.provisioning.lower()
    code = f"/{machine.fault_code}" if machine.provisioning == "Failed" else ""
    at = machine.launched_at or machine.created_at
    found: list[Mapping[str, object]] = [
        {
            "code": f"ProvisioningState/{word}{code}",
            "level": "Error" if code else "Info",
            "displayStatus": f"Provisioning {word}",
            "time": stamp(at, _FORM),
            **({"message": machine.fault} if code else {}),
        }
    ]
    if machine.power:
        display = f"VM {machine.power}"
        found.append(
            {
                "code": f"PowerState/{machine.power}",
                "level": "Info",
                "displayStatus": display,
            }
        )
    return found
