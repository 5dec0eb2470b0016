"""What a create sends, where it tries, and what it heeds: call by call."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from tests.ec2_kit import KEY, OURS, options, request, space_on
from tests.fakes.ec2 import Ec2Cloud, Fault
from tests.fakes.ec2.faults import no_capacity
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, Unavailable
from vcycled.spaces.base import owner_mark
from vcycled.spaces.ec2 import Ec2Space
from vcycled.spaces.ec2.images import KEPT_SECONDS, Image
from vcycled.spaces.ec2.launch import USER_DATA_LIMIT, parameters
from vcycled.spaces.ec2.places import LAST_SECONDS, Place
from vcycled.spaces.ec2.tokens import uuid_of
from vcycled.testing.clock import FakeClock

IMAGE = Image(id="ami-1", root_device="/dev/sda1", root_gb=8)
NAME = request().name


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that the test moves."""
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> Ec2Cloud:
    """Return a cloud with an image."""
    cloud = Ec2Cloud(clock)
    cloud.register("worker")
    return cloud


@pytest.fixture
def space(cloud: Ec2Cloud, clock: FakeClock) -> Iterator[Ec2Space]:
    """Return a space on it."""
    with space_on(cloud, clock) as space:
        yield space


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


# What is sent


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


# Where it is tried


def subnets(cloud: Ec2Cloud, *zones: str) -> tuple[str, ...]:
    """Return subnets of the default network in these zones."""
    found = cloud.subnets()
    return tuple(found[each] for each in zones)


def tried(cloud: Ec2Cloud) -> list[tuple[str, bool]]:
    """Return subnet and whether spot, of each launch since the calls were cleared."""
    return [
        (
            each.parameters.get("SubnetId", ""),
            "InstanceMarketOptions.MarketType" in each.parameters,
        )
        for each in cloud.calls
        if each.action == "RunInstances"
    ]


def test_a_subnet_without_room_is_tried_last_for_a_while(
    cloud: Ec2Cloud, clock: FakeClock
) -> None:
    """For this type only; each attempt has a token of its own."""
    first, second = subnets(cloud, "us-east-1a", "us-east-1b")
    with space_on(cloud, clock, subnets=(first, second)) as space:
        cloud.fail("RunInstances", no_capacity())
        space.create(request(1))
        assert tried(cloud) == [(first, False), (second, False)]
        tokens = [c.parameters["ClientToken"] for c in cloud.calls if c.action == "RunInstances"]
        assert len(set(tokens)) == 2
        cloud.calls.clear()
        space.create(request(2))
        space.create(request(3, flavor="m5.xlarge"))
        clock.advance(LAST_SECONDS)
        space.create(request(4))
        assert tried(cloud) == [(second, False), (first, False), (first, False)]


def test_no_room_anywhere_is_no_capacity(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """Told with the first reason; when it is asked for again, all are tried again."""
    places = subnets(cloud, "us-east-1a", "us-east-1b")
    with space_on(cloud, clock, subnets=places) as space:
        other = Fault(code="InsufficientFreeAddressesInSubnet")
        cloud.fail("RunInstances", no_capacity(), other)
        with pytest.raises(NoCapacity, match="InsufficientInstanceCapacity"):
            space.create(request())
        assert space.create(request())


def test_a_zone_means_the_subnets_in_it(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """One without a subnet is refused; which is where is asked once."""
    first, second = subnets(cloud, "us-east-1a", "us-east-1b")
    with space_on(cloud, clock, subnets=(first, second)) as space:
        space.create(request(1, zone="us-east-1b"))
        space.create(request(2, zone="us-east-1a"))
        assert tried(cloud) == [(second, False), (first, False)]
        assert cloud.counts()["DescribeSubnets"] == 1
        with pytest.raises(Refused, match="none of subnets is in zone us-east-1c"):
            space.create(request(3, zone="us-east-1c"))
    with (
        space_on(cloud, clock, subnets=("subnet-00000000",)) as space,
        pytest.raises(Refused, match="subnets"),
    ):
        space.create(request(3, zone="us-east-1c"))


def test_a_zone_without_subnets_is_named(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """EC2 knows its default subnet there."""
    space.create(request(zone="us-east-1b"))
    assert cloud.last("RunInstances")["Placement.AvailabilityZone"] == "us-east-1b"
    (machine,) = space.machines()
    assert machine.zone == "us-east-1b"


@pytest.mark.parametrize("fault", [no_capacity(), Fault(code="MaxSpotInstanceCountExceeded")])
def test_on_demand_comes_after_spot_if_asked(
    cloud: Ec2Cloud, clock: FakeClock, fault: Fault
) -> None:
    """For want of room or of spot quota; and then first, for a while."""
    with space_on(cloud, clock, spot=True, spot_fallback=True) as space:
        cloud.fail("RunInstances", fault)
        space.create(request(1))
        space.create(request(2))
        clock.advance(LAST_SECONDS)
        space.create(request(3))
    assert tried(cloud) == [("", True), ("", False), ("", False), ("", True)]


def test_without_fallback_spot_is_all(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """The quota is told as one, a want of room as such."""
    with space_on(cloud, clock, spot=True) as space:
        cloud.fail("RunInstances", Fault(code="MaxSpotInstanceCountExceeded"), no_capacity())
        with pytest.raises(QuotaExceeded):
            space.create(request())
        with pytest.raises(NoCapacity):
            space.create(request())
    assert tried(cloud) == [("", True), ("", True)]


def test_a_quota_of_on_demand_ends_it(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """No other subnet helps."""
    places = subnets(cloud, "us-east-1a", "us-east-1b")
    with space_on(cloud, clock, subnets=places) as space:
        cloud.fail("RunInstances", Fault(code="VcpuLimitExceeded"))
        with pytest.raises(QuotaExceeded):
            space.create(request())
    assert len(tried(cloud)) == 1


# Images


def test_the_newest_image_of_a_name_is_taken(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """By a pattern too; what was found holds for a while."""
    cloud.register("worker-el9-1")
    newest = cloud.register("worker-el9-2")
    cloud.age("worker-el9-1")
    space.create(request(image="image:worker-el9-*"))
    assert cloud.last("RunInstances")["ImageId"] == newest
    assert cloud.last("DescribeImages")["Owner.1"] == "self"


def test_what_an_image_is_is_asked_again_after_a_while(
    cloud: Ec2Cloud, space: Ec2Space, clock: FakeClock
) -> None:
    """Then the name may mean a newer one."""
    space.create(request(1))
    clock.advance(KEPT_SECONDS - 1)
    space.create(request(2))
    assert cloud.counts()["DescribeImages"] == 1
    clock.advance(1)
    space.create(request(3))
    assert cloud.counts()["DescribeImages"] == 2


def test_an_image_by_its_id(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """Whoever owns it."""
    image = cloud.register("other")
    space.create(request(image=f"image:{image}"))
    assert cloud.last("RunInstances")["ImageId"] == image


@pytest.mark.parametrize("image", ["image:none", "image:ami-00000000"])
def test_an_image_that_is_not_there_is_refused(space: Ec2Space, image: str) -> None:
    """A person must correct it."""
    with pytest.raises(Refused, match=r"no image \S+ can be used: there is none"):
        space.create(request(image=image))


def test_an_image_that_was_replaced_is_looked_up_again(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """EC2 said that it is gone, and so made nothing."""
    space.create(request(1))
    cloud.fail("RunInstances", Fault(code="InvalidAMIID.Unavailable"))
    assert space.create(request(2))
    assert cloud.counts()["DescribeImages"] == 2


def test_a_parameter_names_an_image(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Systems Manager, at AWS only."""
    image = cloud.register("other")
    with space_on(cloud, clock) as space, pytest.raises(Refused, match="only AWS has parameters"):
        space.create(request(image="image:ssm:/site/worker"))
    with space_on(cloud, clock, is_aws=monkeypatch) as space:
        cloud.put_parameter("/site/worker", image)
        space.create(request(image="image:ssm:/site/worker"))
        assert cloud.last("RunInstances")["ImageId"] == image
        with pytest.raises(Refused, match="there is no parameter /site/none"):
            space.create(request(2, image="image:ssm:/site/none"))


# Keys


def test_a_key_pair_is_made_once(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """For all machines, managers and restarts; its name tells whose it is and of which key."""
    with space_on(cloud, clock) as space, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: space.create(request(n, public_key=KEY)), range(1, 5)))
    with space_on(cloud, clock) as space:
        space.create(request(5, public_key=f"{KEY} other comment"))
    assert cloud.counts()["ImportKeyPair"] == 1
    assert cloud.last("RunInstances")["KeyName"].startswith(f"vcycle-{owner_mark(OURS)}-")


def test_a_key_pair_that_another_manager_makes_meanwhile_is_fine(
    cloud: Ec2Cloud, space: Ec2Space
) -> None:
    """It is the same key."""
    space.create(request(1, public_key=KEY))
    space._creation.keys.forget(cloud.last("RunInstances")["KeyName"])
    cloud.fail("DescribeKeyPairs", Fault(code="InvalidKeyPair.NotFound"))
    assert space.create(request(2, public_key=KEY))


def test_a_key_pair_that_was_deleted_is_made_again(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """EC2 said so, and made nothing."""
    space.create(request(1, public_key=KEY))
    (left,) = space._creation.keys.leftovers((), ())
    space.remove(left)
    space._creation.keys._there.add(left.name)
    assert space.create(request(2, public_key=KEY))
    assert cloud.counts()["ImportKeyPair"] == 2


@pytest.mark.parametrize("key", ["ssh-rsa", "ssh-rsa !", "garbage", "ssh-rsa AAAA"])
def test_what_is_no_key_is_refused(space: Ec2Space, key: str) -> None:
    """Before EC2 is asked."""
    with pytest.raises(Refused, match="root_public_key is no OpenSSH public key"):
        space.create(request(public_key=key))


def test_a_key_that_ec2_does_not_take_is_refused(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """As one of another type."""
    cloud.fail("ImportKeyPair", Fault(code="InvalidKey.Format"))
    with pytest.raises(Refused, match=r"InvalidKey\.Format"):
        space.create(request(public_key=KEY))


# Tags after the launch


def test_an_endpoint_that_refuses_tags_at_launch_gets_them_afterwards(
    cloud: Ec2Cloud, space: Ec2Space
) -> None:
    """It is asked once only."""
    cloud.tags_at_launch = False
    refusal = Fault(code="UnknownParameter", message="The parameter TagSpecification is unknown")
    cloud.fail("RunInstances", refusal)
    space.create(request(1))
    space.create(request(2))
    assert cloud.counts()["RunInstances"] == 3
    assert cloud.counts()["CreateTags"] == 2
    assert all(each.tags["vcycle_uuid"] for each in space.machines())


def test_another_unknown_parameter_is_refused(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """A person must act."""
    cloud.fail("RunInstances", Fault(code="UnknownParameter", message="MetadataOptions"))
    with pytest.raises(Refused, match="MetadataOptions"):
        space.create(request())


def test_a_lost_answer_without_tags_and_tokens_is_found_by_its_time(
    cloud: Ec2Cloud, clock: FakeClock
) -> None:
    """As the only one of its kind that was launched since; the older ones are others'."""
    cloud.tags_at_launch, cloud.has_tokens = False, False
    cloud.make(cloud.register("worker"))
    clock.advance(3600)
    with space_on(cloud, clock, launch_tags="False") as space:
        cloud.fail("RunInstances", Fault(is_lost=True))
        with pytest.raises(Unavailable):
            space.create(request())
        assert sorted(bool(each.tags) for each in space.machines()) == [False, True]
        assert cloud.counts()["CreateTags"] == 1


@pytest.mark.parametrize("has_tokens", [True, False])
def test_a_machine_that_lost_its_tags_gets_them_at_the_next_listing(
    cloud: Ec2Cloud, clock: FakeClock, has_tokens: bool
) -> None:
    """Its id is known, whatever the endpoint keeps."""
    cloud.tags_at_launch, cloud.has_tokens = False, has_tokens
    with space_on(cloud, clock, launch_tags="False") as space:
        cloud.fail("CreateTags", Fault(code="InternalError", status=500))
        made = space.create(request())
        cloud.fail("CreateTags", Fault(code="InternalError", status=500))
        for _ in range(3):
            (machine,) = space.machines()
            assert (machine.name, machine.cloud_id) == (NAME, made)
            assert machine.tags["vcycle_uuid"] == request().uuid
        assert cloud.counts()["CreateTags"] == 3


def test_a_lost_answer_without_tags_is_found_by_the_token(
    cloud: Ec2Cloud, clock: FakeClock
) -> None:
    """The machine is ours at the first listing, though nobody tagged it."""
    cloud.tags_at_launch = False
    with space_on(cloud, clock) as space:
        cloud.fail("RunInstances", Fault(is_lost=True))
        with pytest.raises(Unavailable):
            space.create(request())
        assert [each.name for each in space.machines()] == [NAME]
        found = space.find(NAME)
        assert found is not None


def test_of_two_machines_that_may_be_ours_none_is_taken(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """On an endpoint without tokens: a machine of somebody else's must not be tagged."""
    cloud.tags_at_launch, cloud.has_tokens = False, False
    with space_on(cloud, clock, launch_tags="False") as space:
        cloud.fail("RunInstances", Fault(is_lost=True))
        with pytest.raises(Unavailable):
            space.create(request())
        cloud.make(cloud.last("RunInstances")["ImageId"])
        assert [dict(each.tags) for each in space.machines()] == [{}, {}]
        assert cloud.counts()["CreateTags"] == 0


def test_a_machine_that_was_not_made_is_not_looked_for(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """Another of the same kind is somebody else's."""
    cloud.tags_at_launch, cloud.has_tokens = False, False
    with space_on(cloud, clock, launch_tags="False") as space:
        cloud.fail("RunInstances", no_capacity())
        with pytest.raises(NoCapacity):
            space.create(request())
        cloud.make(cloud.last("RunInstances")["ImageId"])
        assert [dict(each.tags) for each in space.machines()] == [{}]


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
