"""Where a create is tried, in which order, and for how long a full place is tried last."""

from __future__ import annotations

import pytest

from tests import ec2_kit
from tests.ec2_kit import request, space_on
from tests.fakes.ec2 import Ec2Cloud, Fault
from tests.fakes.ec2.faults import no_capacity
from vcycled.errors import NoCapacity, QuotaExceeded, Refused
from vcycled.spaces.ec2 import Ec2Space
from vcycled.spaces.ec2.places import LAST_SECONDS
from vcycled.testing.clock import FakeClock

clock, cloud, space = ec2_kit.clock, ec2_kit.cloud, ec2_kit.space


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
