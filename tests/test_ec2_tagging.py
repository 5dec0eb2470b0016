"""Tags of machines whose endpoint does not set them at launch."""

from __future__ import annotations

import pytest

from tests import ec2_kit
from tests.ec2_kit import request, space_on
from tests.fakes.ec2 import Ec2Cloud, Fault
from tests.fakes.ec2.faults import no_capacity
from vcycled.errors import NoCapacity, Refused, Unavailable
from vcycled.spaces.ec2 import Ec2Space
from vcycled.testing.clock import FakeClock

clock, cloud, space = ec2_kit.clock, ec2_kit.cloud, ec2_kit.space
NAME = request().name


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
