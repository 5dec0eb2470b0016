"""Key pairs: made once, by content, and again where they were deleted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import ec2_kit
from tests.ec2_kit import KEY, OURS, request, space_on
from tests.fakes.ec2 import Ec2Cloud, Fault
from vcycled.errors import Refused
from vcycled.spaces.base import owner_mark
from vcycled.spaces.ec2 import Ec2Space
from vcycled.testing.clock import FakeClock

clock, cloud, space = ec2_kit.clock, ec2_kit.cloud, ec2_kit.space


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
