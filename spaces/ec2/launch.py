"""What EC2 is told to make of a request. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from vcycled.errors import Refused
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.ec2.images import Image
from vcycled.spaces.ec2.listing import NAME
from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.places import Place

USER_DATA_LIMIT = 16_384
"""Most bytes of user_data, before they are encoded."""
MOST_TAGS = 50
TAG_KEY_LIMIT = 128
TAG_VALUE_LIMIT = 256


def parameters(  # noqa: PLR0913 - a launch has these parts
    request: CreateRequest,
    options: Ec2Options,
    place: Place,
    image: Image,
    *,
    key_name: str,
    token: str,
    has_tags: bool,
) -> dict[str, object]:
    """Return the parameters of RunInstances for one machine.

    Args:
        request: for it.
        options: of the space.
        place: where to try.
        image: to boot.
        key_name: of its key pair; empty for none.
        token: by which EC2 knows this attempt again.
        has_tags: whether to tag in the same request.
    """
    found: dict[str, object] = {
        "ImageId": image.id,
        "InstanceType": request.flavor,
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": token,
        "InstanceInitiatedShutdownBehavior": "terminate",
        **_network(options, place),
        **_disk(request, options, image),
    }
    if request.user_data:
        found["UserData"] = request.user_data
    if key_name:
        found["KeyName"] = key_name
    if options.instance_profile:
        kind = "Arn" if options.instance_profile.startswith("arn:") else "Name"
        found["IamInstanceProfile"] = {kind: options.instance_profile}
    if options.metadata_tokens != "omitted":
        found["MetadataOptions"] = {"HttpTokens": options.metadata_tokens}
    if place.is_spot:
        found["InstanceMarketOptions"] = _spot(options)
    if has_tags:
        kinds = ("instance", "volume", *(("spot-instances-request",) if place.is_spot else ()))
        tags = tag_list(request)
        found["TagSpecifications"] = [{"ResourceType": kind, "Tags": tags} for kind in kinds]
    return found


def tag_list(request: CreateRequest) -> list[dict[str, str]]:
    """Return the tags of a machine as EC2 takes them, with the one that is its name there."""
    tags = {**request.tags, NAME: request.name}
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def check(request: CreateRequest) -> None:
    """Raise Refused for what EC2 would not take, in words that tell what is too long."""
    size = len(request.user_data)
    if size > USER_DATA_LIMIT:
        raise Refused("create", f"user_data has {size} bytes; EC2 takes {USER_DATA_LIMIT}")
    if len(request.tags) >= MOST_TAGS:
        raise Refused("create", f"{len(request.tags) + 1} tags; EC2 takes {MOST_TAGS}")
    for key, value in request.tags.items():
        if len(key) > TAG_KEY_LIMIT or len(value) > TAG_VALUE_LIMIT:
            detail = f"{key} has {len(value)} characters; EC2 takes {TAG_VALUE_LIMIT}"
            raise Refused("create", detail)


def _spot(options: Ec2Options) -> Mapping[str, object]:
    price = {"MaxPrice": options.spot_max_price} if options.spot_max_price else {}
    terms = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate", **price}
    return {"MarketType": "spot", "SpotOptions": terms}


def _network(options: Ec2Options, place: Place) -> dict[str, object]:
    found: dict[str, object] = (
        {"Placement": {"AvailabilityZone": place.zone}} if place.zone else {}
    )
    subnet: dict[str, object] = {"SubnetId": place.subnet} if place.subnet else {}
    groups = list(options.security_groups)
    if options.public_address is not None:
        card: dict[str, object] = {
            "DeviceIndex": 0,
            "AssociatePublicIpAddress": options.public_address,
            "DeleteOnTermination": True,
            **subnet,
        }
        return {**found, "NetworkInterfaces": [{**card, "Groups": groups} if groups else card]}
    ids = [each for each in groups if each.startswith("sg-")]
    names = [each for each in groups if not each.startswith("sg-")]
    by_id: dict[str, object] = {"SecurityGroupIds": ids} if ids else {}
    by_name: dict[str, object] = {"SecurityGroups": names} if names else {}
    return {**found, **subnet, **by_id, **by_name}


def _disk(request: CreateRequest, options: Ec2Options, image: Image) -> dict[str, object]:
    """Return the root volume, which always goes with its machine, whatever the image says."""
    if not image.root_device:
        return {}
    volume: dict[str, object] = {"DeleteOnTermination": True}
    if size := max(request.volume_gb, options.root_volume_gb, image.root_gb):
        volume["VolumeSize"] = size
    if options.root_volume_type:
        volume["VolumeType"] = options.root_volume_type
    return {"BlockDeviceMappings": [{"DeviceName": image.root_device, "Ebs": volume}]}
