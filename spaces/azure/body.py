"""What Azure is told to make of a request.

The machine, its disk and its network interface are one request, and the latter two are told to go
when the machine goes. Should Azure leave one behind all the same, the disk tells by its name whose
it is, the interface by its tags.
"""

from __future__ import annotations

import base64

from azure.mgmt.compute.models import (
    BillingProfile,
    DiskCreateOptionTypes,
    HardwareProfile,
    LinuxConfiguration,
    ManagedDiskParameters,
    NetworkProfile,
    OSDisk,
    OSProfile,
    SshConfiguration,
    SshPublicKey,
    StorageProfile,
    SubResource,
    VirtualMachine,
    VirtualMachineNetworkInterfaceConfiguration,
    VirtualMachineNetworkInterfaceConfigurationProperties,
    VirtualMachineNetworkInterfaceIPConfiguration,
    VirtualMachineNetworkInterfaceIPConfigurationProperties,
    VirtualMachineProperties,
)

from vcycled.spaces.azure.images import image_of
from vcycled.spaces.azure.interfaces import NETWORK_API
from vcycled.spaces.azure.listing import INSTALLATION
from vcycled.spaces.azure.options import AzureOptions
from vcycled.spaces.base import CreateRequest, owner_mark


def body_of(
    request: CreateRequest, options: AzureOptions, *, group_id: str, public_key: str
) -> VirtualMachine:
    """Return the machine that is asked for.

    Args:
        request: as the manager states it.
        options: of the space.
        group_id: id of the resource group.
        public_key: to let in; Azure makes no machine without one.

    Raises:
        Refused: the image is none of Azure's.
    """
    image, plan = image_of(request.image, group_id)
    is_spot = options.priority == "spot"
    price = -1.0 if options.spot_max_price is None else options.spot_max_price
    return VirtualMachine(
        location=options.location,
        tags=dict(request.tags),
        zones=[request.zone] if request.zone else None,
        plan=plan,
        properties=VirtualMachineProperties(
            hardware_profile=HardwareProfile(vm_size=request.flavor),
            storage_profile=StorageProfile(image_reference=image, os_disk=_disk(request, options)),
            os_profile=_system(request, options, public_key),
            network_profile=_network(request, options),
            priority="Spot" if is_spot else "Regular",
            eviction_policy=options.eviction_policy.capitalize() if is_spot else None,
            billing_profile=BillingProfile(max_price=price) if is_spot else None,
        ),
    )


def part_name(request: CreateRequest, kind: str) -> str:
    """Return the name of a machine's disk (`os`) or interface (`nic`), with the owner's mark."""
    return f"{request.name}-{kind}-{owner_mark(request.tags.get(INSTALLATION, ''))}"


def _disk(request: CreateRequest, options: AzureOptions) -> OSDisk:
    kind = options.disk_type
    return OSDisk(
        name=part_name(request, "os"),
        create_option=DiskCreateOptionTypes.FROM_IMAGE,
        delete_option="Delete",
        disk_size_gb=request.volume_gb or None,
        managed_disk=ManagedDiskParameters(storage_account_type=kind) if kind else None,
    )


def _system(request: CreateRequest, options: AzureOptions, public_key: str) -> OSProfile:
    user = options.admin_username
    key = SshPublicKey(path=f"/home/{user}/.ssh/authorized_keys", key_data=public_key)
    user_data = base64.b64encode(request.user_data).decode("ascii")
    return OSProfile(
        computer_name=request.name,
        admin_username=user,
        custom_data=user_data or None,
        linux_configuration=LinuxConfiguration(
            disable_password_authentication=True, ssh=SshConfiguration(public_keys=[key])
        ),
    )


def _network(request: CreateRequest, options: AzureOptions) -> NetworkProfile:
    address = VirtualMachineNetworkInterfaceIPConfiguration(
        name="primary",
        properties=VirtualMachineNetworkInterfaceIPConfigurationProperties(
            primary=True, subnet=SubResource(id=options.subnet_id)
        ),
    )
    interface = VirtualMachineNetworkInterfaceConfiguration(
        name=part_name(request, "nic"),
        tags=dict(request.tags),
        properties=VirtualMachineNetworkInterfaceConfigurationProperties(
            primary=True, delete_option="Delete", ip_configurations=[address]
        ),
    )
    return NetworkProfile(
        network_api_version=NETWORK_API, network_interface_configurations=[interface]
    )
