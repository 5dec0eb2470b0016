"""What Azure is asked to make, and what is refused before it is asked."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from azure.core.serialization import as_attribute_dict
from azure.mgmt.compute.models import (
    DiskCreateOptionTypes,
    DiskDeleteOptionTypes,
    VirtualMachine,
    VirtualMachineEvictionPolicyTypes,
    VirtualMachinePriorityTypes,
)

from tests.azure_kit import PUBLIC_KEY, AzureBed, azure_bed, request
from tests.fakes.azure import Settings
from vcycled.errors import NoCapacity, QuotaExceeded, Refused
from vcycled.spaces.base import CreateRequest, owner_mark

NAME = "vcycle-prod-0000000001"
MARK = owner_mark("installation")


@pytest.fixture
def bed() -> Iterator[AzureBed]:
    """Serve a cloud."""
    with azure_bed() as found:
        yield found


def sent(bed: AzureBed, wanted: CreateRequest, **changes: Any) -> Mapping[str, Any]:  # noqa: ANN401 - of the space
    """Return the body of the PUT for a request, by a space with these options."""
    bed.space(**changes).create(wanted)
    body = bed.cloud.of(wanted.name).request
    assert body is not None
    return body


def test_a_machine_is_asked_for_with_all_that_goes_with_it(bed: AzureBed) -> None:
    """One body: machine, disk and interface, and the latter two go when it goes."""
    body = sent(bed, request(zone="2", volume_gb=40), disk_type="StandardSSD_LRS")
    settings = bed.cloud.settings
    assert body == {
        "location": "westeurope",
        "zones": ["2"],
        "tags": {
            "vcycle_installation": "installation",
            "vcycle_uuid": f"uuid-{NAME}",
            "machinetype": "prod",
        },
        "properties": {
            "priority": "Regular",
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {
                "imageReference": {
                    "id": f"{settings.group_id}/providers/Microsoft.Compute/images/worker"
                },
                "osDisk": {
                    "name": f"{NAME}-os-{MARK}",
                    "createOption": "FromImage",
                    "deleteOption": "Delete",
                    "diskSizeGB": 40,
                    "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
                },
            },
            "osProfile": {
                "computerName": NAME,
                "adminUsername": "vcycle",
                "customData": base64.b64encode(b"#!/bin/sh\n").decode(),
                "linuxConfiguration": {
                    "disablePasswordAuthentication": True,
                    "ssh": {
                        "publicKeys": [
                            {
                                "path": "/home/vcycle/.ssh/authorized_keys",
                                "keyData": PUBLIC_KEY,
                            }
                        ]
                    },
                },
            },
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [
                    {
                        "name": f"{NAME}-nic-{MARK}",
                        "tags": {
                            "vcycle_installation": "installation",
                            "vcycle_uuid": f"uuid-{NAME}",
                            "machinetype": "prod",
                        },
                        "properties": {
                            "primary": True,
                            "deleteOption": "Delete",
                            "ipConfigurations": [
                                {
                                    "name": "primary",
                                    "properties": {
                                        "primary": True,
                                        "subnet": {"id": settings.subnet_id},
                                    },
                                }
                            ],
                        },
                    }
                ],
            },
        },
    }


def test_the_body_is_what_the_models_of_the_sdk_read(bed: AzureBed) -> None:
    """Every key is one of theirs, and every word one of their enumerations."""
    body = sent(bed, request(volume_gb=40), priority="spot", spot_max_price=0.05)
    read = VirtualMachine(body)
    properties = read.properties
    assert properties
    assert properties.storage_profile
    disk = properties.storage_profile.os_disk
    assert disk
    assert disk.create_option is DiskCreateOptionTypes.FROM_IMAGE
    assert disk.delete_option is DiskDeleteOptionTypes.DELETE
    assert properties.priority is VirtualMachinePriorityTypes.SPOT
    assert properties.eviction_policy is VirtualMachineEvictionPolicyTypes.DELETE
    assert properties.billing_profile
    assert properties.billing_profile.max_price == 0.05
    unknown = [key for key in _keys(as_attribute_dict(read)) if not key.islower()]
    assert unknown == []  # those that no model knows stay in camel case


def _keys(value: object) -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                if key != "tags":
                    yield key
                    yield from _keys(inner)
        case list():
            for inner in value:
                yield from _keys(inner)
        case _:
            return


@pytest.mark.parametrize(
    ("options", "spot"),
    [
        ({}, {"priority": "Regular"}),
        (
            {"priority": "spot"},
            {
                "priority": "Spot",
                "evictionPolicy": "Delete",
                "billingProfile": {"maxPrice": -1.0},
            },
        ),
        (
            {"priority": "spot", "eviction_policy": "deallocate", "spot_max_price": 0.1},
            {
                "priority": "Spot",
                "evictionPolicy": "Deallocate",
                "billingProfile": {"maxPrice": 0.1},
            },
        ),
    ],
)
def test_a_spot_machine_has_policy_and_price(
    bed: AzureBed, options: dict[str, Any], spot: dict[str, Any]
) -> None:
    """A regular one has neither: Azure refuses them there."""
    properties = sent(bed, request(), **options)["properties"]
    names = ("priority", "evictionPolicy", "billingProfile")
    assert {name: properties[name] for name in names if name in properties} == spot


GALLERY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/x/images/el9"
IMAGE_IN_GROUP = Settings().group_id + "/providers/Microsoft.Compute/images/worker"
URN = {"publisher": "almalinux", "offer": "almalinux-x86_64", "sku": "9-gen2", "version": "latest"}


@pytest.mark.parametrize(
    ("root_image", "reference", "plan"),
    [
        ("image:worker", {"id": IMAGE_IN_GROUP}, None),
        ("image:almalinux:almalinux-x86_64:9-gen2:latest", URN, None),
        (
            "image:almalinux:almalinux-x86_64:9-gen2:latest:plan",
            URN,
            {"name": "9-gen2", "product": "almalinux-x86_64", "publisher": "almalinux"},
        ),
        (f"image:{IMAGE_IN_GROUP}", {"id": IMAGE_IN_GROUP}, None),
        (f"image:{GALLERY}", {"id": GALLERY}, None),
        (f"image:{GALLERY}/versions/1.0.0", {"id": f"{GALLERY}/versions/1.0.0"}, None),
        (
            "image:/sharedGalleries/x/images/el9/versions/latest",
            {"sharedGalleryImageId": "/sharedGalleries/x/images/el9/versions/latest"},
            None,
        ),
        (
            "image:/communityGalleries/x/images/el9/versions/latest",
            {"communityGalleryImageId": "/communityGalleries/x/images/el9/versions/latest"},
            None,
        ),
    ],
)
def test_a_root_image_names_an_image_in_every_way(
    bed: AzureBed, root_image: str, reference: object, plan: object
) -> None:
    """Of the group, the Marketplace (with its plan, where it has terms) or a gallery."""
    body = sent(bed, request(image=root_image))
    assert body["properties"]["storageProfile"]["imageReference"] == reference
    assert body.get("plan") == plan


@pytest.mark.parametrize(
    "root_image",
    ["image:", "image:a:b:c", "image:a b", "image:/somewhere/else", "image:a:b:c:d:e:f"],
)
def test_what_is_no_image_of_azure_is_refused(bed: AzureBed, root_image: str) -> None:
    """With what to write, before anything is sent."""
    with pytest.raises(Refused, match="PUBLISHER:OFFER:SKU:VERSION"):
        bed.space().create(request(image=root_image))
    assert bed.cloud.calls["create"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"user_data": b"x" * 65536},
        {"name": "v" * 65},
        {"tags": {"url": "x" * 257}},
        {"tags": {"x" * 513: "x"}},
        {"tags": {"a/b": "x"}},
        {"tags": {str(number): "x" for number in range(51)}},
    ],
    ids=["user_data", "name", "tag", "name of a tag", "letter", "tags"],
)
def test_what_azure_would_not_take_is_refused_before_it_is_asked(
    bed: AzureBed, changes: dict[str, Any]
) -> None:
    """One more than the most."""
    with pytest.raises(Refused):
        bed.space().create(request(**changes))
    assert bed.cloud.calls["create"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"user_data": b"x" * 65535},
        {"user_data": b""},
        {"name": "v" * 64},
        {"tags": {"url": "x" * 256}},
        {"tags": {"x" * 512: "x"}},
        {"tags": {str(number): "x" for number in range(50)}},
        {"flavor": "standard_d2S_v5"},
    ],
    ids=["user_data", "none", "name", "tag", "name of a tag", "tags", "case of the size"],
)
def test_the_most_that_azure_takes_is_taken(bed: AzureBed, changes: dict[str, Any]) -> None:
    """Azure's own check agrees."""
    assert bed.space().create(request(**changes))


def test_a_machine_without_public_key_gets_one_of_nobody(bed: AzureBed) -> None:
    """Azure makes none without some way in; there is no password either."""
    system = sent(bed, request(public_key=""))["properties"]["osProfile"]
    key = system["linuxConfiguration"]["ssh"]["publicKeys"][0]["keyData"]
    assert key.startswith("ssh-rsa ")
    assert key.endswith(" nobody")
    assert "adminPassword" not in system


def test_another_user_of_the_machine_has_the_key(bed: AzureBed) -> None:
    """In a home of that name."""
    system = sent(bed, request(), admin_username="grid")["properties"]["osProfile"]
    key = system["linuxConfiguration"]["ssh"]["publicKeys"][0]
    assert (system["adminUsername"], key["path"]) == ("grid", "/home/grid/.ssh/authorized_keys")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"flavor": "Standard_X"}, "vmSize"),
        ({"zone": "9"}, "zone"),
        ({"image": "image:gone"}, "gone"),
        ({"public_key": "ssh-dss AAAA"}, "keyData"),
    ],
)
def test_what_azure_does_not_have_is_refused_in_its_words(
    bed: AzureBed, changes: dict[str, Any], said: str
) -> None:
    """A person must act."""
    with pytest.raises(Refused, match=said):
        bed.space().create(request(**changes))
    assert bed.cloud.here == ()


def test_a_subnet_that_is_not_there_is_told(bed: AzureBed) -> None:
    """By its id."""
    elsewhere = bed.cloud.settings.subnet_id.replace("workers", "gone")
    with pytest.raises(Refused, match="gone"):
        bed.space(subnet_id=elsewhere).create(request())


def test_a_size_without_room_in_a_zone_may_have_some_in_another(bed: AzureBed) -> None:
    """The planner goes on to the next."""
    bed.cloud.settings.unavailable = frozenset({"Standard_D2s_v5/1"})
    space = bed.space()
    with pytest.raises(NoCapacity):
        space.create(request(zone="1"))
    assert space.create(request(zone="2"))


def test_the_quota_of_a_family_leaves_others(bed: AzureBed) -> None:
    """That of the region leaves none, and spot machines have one of their own."""
    bed.cloud.settings.family_cores = {"standardDSv5Family": 3}
    bed.cloud.settings.cores = 4
    space = bed.space()
    space.create(request())
    with pytest.raises(NoCapacity, match="standardDSv5Family"):
        space.create(request("vcycle-prod-0000000002"))
    bed.cloud.settings.family_cores = {}
    space.create(request("vcycle-prod-0000000002"))
    with pytest.raises(QuotaExceeded, match="Total Regional Cores"):
        space.create(request("vcycle-prod-0000000003"))
    bed.cloud.settings.spot_cores = 2
    spot = bed.space(priority="spot")
    spot.create(request("vcycle-prod-0000000003"))
    with pytest.raises(QuotaExceeded, match="LowPriorityCores"):
        spot.create(request("vcycle-prod-0000000004"))
