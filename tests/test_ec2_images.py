"""Which image a root_image names, and when that is looked up again."""

from __future__ import annotations

import pytest

from tests import ec2_kit
from tests.ec2_kit import request, space_on
from tests.fakes.ec2 import Ec2Cloud, Fault
from vcycled.errors import Refused
from vcycled.spaces.ec2 import Ec2Space
from vcycled.spaces.ec2.images import KEPT_SECONDS
from vcycled.testing.clock import FakeClock

clock, cloud, space = ec2_kit.clock, ec2_kit.cloud, ec2_kit.space


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
