"""What a create sends, call by call."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from tests import ec2_kit
from tests.ec2_kit import options, request, space_on
from tests.fakes.ec2 import Ec2Cloud
from vcycled.errors import Refused, Unavailable
from vcycled.spaces.ec2 import Ec2Space
from vcycled.spaces.ec2.images import Image
from vcycled.spaces.ec2.launch import USER_DATA_LIMIT, parameters
from vcycled.spaces.ec2.places import Place
from vcycled.spaces.ec2.tokens import uuid_of
from vcycled.testing.clock import FakeClock

clock, cloud, space = ec2_kit.clock, ec2_kit.cloud, ec2_kit.space
IMAGE = Image(id="ami-1", root_device="/dev/sda1", root_gb=8)


def body(
    place: Place | None = None,
    image: Image = IMAGE,
    volume_gb: int = 0,
    **changes: Any,  # noqa: ANN401 - of the options; replace() refuses wrong names
) -> dict[str, Any]:
    """Return the parameters of a launch with these options, which fit the model of the API."""
    found = parameters(
        request(volume_gb=volume_gb),
        options("https://ec2.us-east-1.amazonaws.com", **changes),
        place or Place(),
        image,
        key_name="key",
        token="token",
        has_tags=True,
    )
    sent = {**found, "UserData": base64.b64encode(request().user_data).decode()}
    assert ParamValidator().validate(sent, launch_shape()).generate_report() == ""
    return found


@cache
def launch_shape() -> Any:  # noqa: ANN401 - of the SDK, which has no types
    """Return the SDK's model of what RunInstances takes."""
    return Session().get_service_model("ec2").operation_model("RunInstances").input_shape


def test_a_create_is_one_call(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """Tags, token and end by power-off go with it; the image was looked up before."""
    space.create(request())
    cloud.calls.clear()
    space.create(request(2))
    assert cloud.counts() == {"RunInstances": 1}
    sent = cloud.last("RunInstances")
    assert base64.b64decode(sent["UserData"]) == b"#!/bin/sh\n"
    assert sent["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert sent["MetadataOptions.HttpTokens"] == "required"
    assert sent["BlockDeviceMapping.1.Ebs.DeleteOnTermination"] == "true"
    assert uuid_of(sent["ClientToken"]) == request(2).uuid
    assert sent["TagSpecification.1.ResourceType"] == "instance"
    assert sent["TagSpecification.2.ResourceType"] == "volume"
    pairs = {
        sent[f"TagSpecification.1.Tag.{n}.Key"]: sent[f"TagSpecification.1.Tag.{n}.Value"]
        for n in range(1, 6)
    }
    assert pairs == {**request(2).tags, "Name": request(2).name}


@pytest.mark.parametrize("has_address", [True, False])
def test_a_network_interface_that_is_asked_for_goes_with_its_machine(
    cloud: Ec2Cloud, clock: FakeClock, *, has_address: bool
) -> None:
    """As the cloud itself says of it; of one that is not asked for AWS sees to that."""
    with space_on(cloud, clock, public_address=has_address) as space:
        space.create(request())
    assert cloud.cards() == [True]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"metadata_tokens": "optional"}, {"MetadataOptions": {"HttpTokens": "optional"}}),
        ({"metadata_tokens": "omitted"}, {"MetadataOptions": None}),
        ({"instance_profile": "worker"}, {"IamInstanceProfile": {"Name": "worker"}}),
        ({"instance_profile": "arn:x"}, {"IamInstanceProfile": {"Arn": "arn:x"}}),
        (
            {"security_groups": ("sg-1", "web")},
            {"SecurityGroupIds": ["sg-1"], "SecurityGroups": ["web"]},
        ),
        (
            {"public_address": True, "security_groups": ("sg-1",)},
            {
                "SecurityGroupIds": None,
                "NetworkInterfaces": [
                    {
                        "DeviceIndex": 0,
                        "AssociatePublicIpAddress": True,
                        "DeleteOnTermination": True,
                        "Groups": ["sg-1"],
                    }
                ],
            },
        ),
    ],
)
def test_options_in_the_request(changes: dict[str, Any], expected: dict[str, object]) -> None:
    """What is not asked for is not said."""
    sent = body(**changes)
    assert {key: sent.get(key) for key in expected} == expected


def test_places_in_the_request() -> None:
    """A subnet also on a card of its own; a zone; a price."""
    assert body(Place(zone="a"))["Placement"] == {"AvailabilityZone": "a"}
    assert body(Place(subnet="subnet-1"))["SubnetId"] == "subnet-1"
    (card,) = body(Place(subnet="subnet-1"), public_address=False)["NetworkInterfaces"]
    assert (card["SubnetId"], card["AssociatePublicIpAddress"]) == ("subnet-1", False)
    terms = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
    market = body(Place(is_spot=True), spot=True)["InstanceMarketOptions"]
    assert market == {"MarketType": "spot", "SpotOptions": terms}
    priced = body(Place(is_spot=True), spot=True, spot_max_price="0.1")["InstanceMarketOptions"]
    assert priced == {"MarketType": "spot", "SpotOptions": {**terms, "MaxPrice": "0.1"}}


@pytest.mark.parametrize(
    ("volume_gb", "root_volume_gb", "size"), [(0, 0, 8), (20, 0, 20), (0, 30, 30), (7, 7, 8)]
)
def test_the_root_volume_is_as_large_as_anybody_wants(
    volume_gb: int, root_volume_gb: int, size: int
) -> None:
    """Never smaller than its image, and gone with its machine."""
    sent = body(volume_gb=volume_gb, root_volume_gb=root_volume_gb, root_volume_type="gp3")
    volume = {"DeleteOnTermination": True, "VolumeSize": size, "VolumeType": "gp3"}
    assert sent["BlockDeviceMappings"] == [{"DeviceName": "/dev/sda1", "Ebs": volume}]


def test_an_image_without_a_root_volume_gets_none() -> None:
    """It boots from the host's own disk."""
    bare = Image(id="ami-1", root_device="", root_gb=0)
    assert "BlockDeviceMappings" not in body(image=bare, root_volume_gb=30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user_data": b"x" * (USER_DATA_LIMIT + 1)}, "16385 bytes; EC2 takes 16384"),
        ({"tags": {"odd": "x" * 257}}, "odd has 257 characters"),
        ({"tags": {"x" * 129: ""}}, "EC2 takes 256"),
        ({"tags": {str(n): "" for n in range(50)}}, "51 tags"),
    ],
)
def test_what_ec2_would_not_take_is_refused(
    cloud: Ec2Cloud, space: Ec2Space, changes: dict[str, Any], message: str
) -> None:
    """In words that say what is too long, before anything is sent."""
    with pytest.raises(Refused, match=message):
        space.create(request(**changes))
    assert cloud.calls == []


def test_as_much_as_ec2_takes_is_sent(space: Ec2Space) -> None:
    """16384 bytes, 50 tags with the name, 256 characters."""
    tags = {**request().tags, **{f"tag-{n}": "" for n in range(44)}, "long": "x" * 256}
    assert len(tags) == 49
    assert space.create(request(user_data=b"x" * USER_DATA_LIMIT, tags=tags))


# Made before


def test_a_request_whose_machine_has_ended_makes_another(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """A token that is used again leads to the ended one, at first."""
    first = space.create(request())
    cloud.power_off(first)
    second = space.create(request())
    assert second != first
    cloud.power_off(second)
    third = space.create(request())
    cloud.power_off(third)
    with pytest.raises(Unavailable, match="has ended"):
        space.create(request())


def test_an_answer_with_no_instance_makes_no_sense(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """It is not known what was made."""
    cloud.is_mute = True
    with pytest.raises(Unavailable, match="asked for 1 instance, the cloud tells of 0"):
        space.create(request())
