"""What Azure checks of a PUT of a machine before it makes one."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from tests.fakes.azure.messages import Rejected
from tests.fakes.azure.settings import Settings, Size
from tests.fakes.azure.truth import Machines
from tests.fakes.openstack.messages import Json

MOST_CUSTOM_DATA = 87380
"""Characters of base64."""


def check_order(name: str, body: Json, settings: Settings) -> Size:
    """Return the size that is asked for.

    Raises:
        Rejected: Azure would not make it; the sentences are Azure's.
    """
    properties = body.get("properties", {})
    if not body.get("location"):
        raise Rejected(400, "LocationRequired", "The location property is required.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}[A-Za-z0-9_]", name):
        raise _invalid("vmName", name)
    for tag, value in body.get("tags", {}).items():
        if len(value) > 256 or set(tag) & set("<>%&\\?/"):
            raise Rejected(400, "InvalidTagNameCharacters", f"The tag {tag} is invalid.")
    _check_system(properties.get("osProfile", {}))
    _check_image(properties.get("storageProfile", {}), settings)
    _check_network(properties.get("networkProfile", {}), settings)
    is_spot = properties.get("priority") == "Spot"
    if not is_spot and (properties.get("evictionPolicy") or properties.get("billingProfile")):
        text = "Eviction policy can be set only on Azure Spot Virtual Machines."
        raise Rejected(400, "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines", text)
    for zone in body.get("zones", []):
        if zone not in settings.zones:
            raise Rejected(400, "InvalidAvailabilityZone", f"The zone(s) '{zone}' is invalid.")
    wanted = properties.get("hardwareProfile", {}).get("vmSize", "")
    return _size(wanted, body.get("zones", []), settings)


def check_quota(size: Size, machines: Machines, settings: Settings, *, is_spot: bool) -> None:
    """Let a machine pass that fits into the quotas.

    Raises:
        Rejected: it does not.
    """
    used = machines.cores(is_spot=is_spot) + (0 if is_spot else settings.others_cores)
    rows = [
        ("LowPriorityCores", used, settings.spot_cores)
        if is_spot
        else ("Total Regional Cores", used, settings.cores)
    ]
    if not is_spot and size.family in settings.family_cores:
        in_family = machines.cores(is_spot=False, family=size.family)
        rows.append((f"{size.family} Cores", in_family, settings.family_cores[size.family]))
    for what, now, most in rows:
        if now + size.vcpus > most:
            text = (
                f"Operation could not be completed as it results in exceeding approved {what}"
                f" quota. Additional details - Deployment Model: Resource Manager, Location:"
                f" {settings.location}, Current Limit: {most}, Current Usage: {now}, Additional"
                f" Required: {size.vcpus}, (Minimum) New Limit Required: {now + size.vcpus}."
            )
            raise Rejected(409, "OperationNotAllowed", text)


def _size(wanted: str, zones: list[str], settings: Settings) -> Size:
    found = [each for each in settings.sizes if each.name.lower() == wanted.lower()]
    if not found:
        raise _invalid("vmSize", wanted)
    if settings.unavailable & {wanted, *(f"{wanted}/{zone}" for zone in zones)}:
        text = (
            f"The requested VM size {wanted} is currently not available in location"
            f" '{settings.location}' zones '{', '.join(zones)}' for subscription."
        )
        raise Rejected(409, "SkuNotAvailable", text)
    return found[0]


def _check_system(system: Json) -> None:
    linux = system.get("linuxConfiguration", {})
    keys = linux.get("ssh", {}).get("publicKeys", [])
    if not linux.get("disablePasswordAuthentication") or not keys:
        text = "Authentication using either SSH or by user name and password must be enabled."
        raise Rejected(400, "InvalidParameter", text)
    user = system.get("adminUsername")
    if user in (None, "root", "admin"):
        raise _invalid("adminUsername", user)
    for key in keys:
        if key.get("path") != f"/home/{user}/.ssh/authorized_keys":
            raise _invalid("linuxConfiguration.ssh.publicKeys.path", key.get("path"))
        if not re.match(r"(ssh-rsa|ssh-ed25519) \S+", key.get("keyData", "")):
            raise _invalid("linuxConfiguration.ssh.publicKeys.keyData", key.get("keyData"))
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", system.get("computerName", "")):
        raise _invalid("computerName", system.get("computerName"))
    data = system.get("customData", "")
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error:
        raise _invalid("customData", "…") from None
    if len(data) > MOST_CUSTOM_DATA:
        raise _invalid("customData", "…")


def _check_image(storage: Json, settings: Settings) -> None:
    image = storage.get("imageReference", {})
    own = f"{settings.group_id}/providers/Microsoft.Compute/images/"
    named = image.get("id", "")
    if named.startswith(own) and named.removeprefix(own) not in settings.images:
        text = f"The Image '{named}' cannot be found in '{settings.location}' region."
        raise Rejected(404, "NotFound", text)
    if not image:
        raise Rejected(400, "InvalidParameter", "Required parameter 'imageReference' is missing.")
    if storage.get("osDisk", {}).get("createOption") != "FromImage":
        raise _invalid("osDisk.createOption", storage.get("osDisk", {}).get("createOption"))


def _check_network(network: Json, settings: Settings) -> None:
    wanted = network.get("networkInterfaceConfigurations", [])
    if not wanted or not network.get("networkApiVersion"):
        text = "The virtual machine must have at least one network interface."
        raise Rejected(400, "InvalidParameter", text)
    for each in wanted:
        for address in each["properties"]["ipConfigurations"]:
            subnet = address["properties"]["subnet"]["id"]
            if subnet != settings.subnet_id:
                text = f"Resource {subnet} referenced by resource was not found."
                raise Rejected(400, "InvalidResourceReference", text)


def _invalid(what: str, value: Any) -> Rejected:  # noqa: ANN401 - it may be any
    text = f"The value '{value}' of parameter '{what}' is not valid."
    return Rejected(400, "InvalidParameter", text)
