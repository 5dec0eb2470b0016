"""What EC2 and the SDK say, by who acts next; over real connections where there is one."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from tests import ec2_kit
from tests.ec2_kit import options, request, space_on
from tests.fakes.ec2 import Ec2Cloud, Fault
from tests.fakes.ec2.faults import lost, throttled
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.spaces.ec2 import Ec2Space
from vcycled.spaces.ec2.errors import MOST_DETAIL, of_code, translated
from vcycled.spaces.ec2.rejections import Mismatch, Missing, Rejected, Unsupported
from vcycled.testing.clock import FakeClock


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("RequestLimitExceeded", 503, Unavailable),
        ("ThrottlingException", 400, Unavailable),
        ("", 429, Unavailable),
        ("InternalError", 500, Unavailable),
        ("InternalFailure", 500, Unavailable),
        ("ServiceUnavailable", 503, Unavailable),
        ("Unavailable", 503, Unavailable),
        ("", 500, Unavailable),
        ("", 499, Rejected),
        ("InsufficientInstanceCapacity", 500, NoCapacity),
        ("InsufficientHostCapacity", 500, NoCapacity),
        ("InsufficientFreeAddressesInSubnet", 400, NoCapacity),
        ("SpotMaxPriceTooLow", 400, NoCapacity),
        ("Unsupported", 400, NoCapacity),
        ("InstanceLimitExceeded", 400, QuotaExceeded),
        ("VcpuLimitExceeded", 400, QuotaExceeded),
        ("VolumeLimitExceeded", 400, QuotaExceeded),
        ("MaxSpotInstanceCountExceeded", 400, QuotaExceeded),
        ("NetworkInterfaceLimitExceeded", 400, QuotaExceeded),
        ("InvalidInstanceID.NotFound", 400, Missing),
        ("InvalidInstanceID.Malformed", 400, Missing),
        ("InvalidAMIID.NotFound", 400, Missing),
        ("InvalidAMIID.Unavailable", 400, Missing),
        ("InvalidKeyPair.NotFound", 400, Missing),
        ("InvalidVolume.NotFound", 400, Missing),
        ("InvalidSubnetID.NotFound", 400, Missing),
        ("NoSuchResourceException", 400, Missing),
        ("InvalidAction", 400, Unsupported),
        ("UnsupportedOperation", 400, Unsupported),
        ("IdempotentParameterMismatch", 400, Mismatch),
        ("AuthFailure", 401, Rejected),
        ("UnauthorizedOperation", 403, Rejected),
        ("InvalidParameterValue", 400, Rejected),
        ("InvalidInstanceType", 400, Rejected),
        ("OperationNotPermitted", 400, Rejected),
    ],
)
def test_what_a_code_means(code: str, status: int, kind: type[SpaceError]) -> None:
    """Each by itself; capacity is told before the status of 500 that comes with it."""
    assert type(of_code("create", code, "said", status)) is kind


@pytest.mark.parametrize(
    ("error", "kind", "is_undone"),
    [
        (sdk.EndpointConnectionError(endpoint_url="http://x", error="no"), Unavailable, True),
        (sdk.ConnectTimeoutError(endpoint_url="http://x", error="no"), Unavailable, True),
        (sdk.SSLError(endpoint_url="http://x", error="no"), Unavailable, True),
        (sdk.ReadTimeoutError(endpoint_url="http://x", error="no"), Unavailable, False),
        (sdk.ConnectionClosedError(endpoint_url="http://x", error="no"), Unavailable, False),
        (sdk.ResponseStreamingError(error="no"), Unavailable, False),
        (ResponseParserError("cut"), Unavailable, False),
        (sdk.NoCredentialsError(), Refused, False),
        (sdk.ProfileNotFound(profile="site"), Refused, False),
        (sdk.CredentialRetrievalError(provider="x", error_msg="no"), Refused, False),
        (sdk.ParamValidationError(report="no"), Refused, False),
    ],
)
def test_what_the_sdk_raises(error: Exception, kind: type[SpaceError], is_undone: bool) -> None:
    """Whether a request may have been carried out is what matters most."""
    found = translated("create", error, asked_as="key")
    assert type(found) is kind
    assert getattr(found, "is_undone", False) is is_undone


def test_a_refusal_says_whom_and_shows_nothing_long() -> None:
    """Encoded messages of authorization go on for pages, and a person cannot read them."""
    said = {"Code": "UnauthorizedOperation", "Message": f"You may not. {'x' * 400} {'word ' * 99}"}
    error = sdk.ClientError({"Error": said, "ResponseMetadata": {}}, "RunInstances")
    found = translated("create", error, asked_as="access key AKIA")
    assert found.detail.startswith("access key AKIA may not do this: You may not. … word")
    assert len(found.detail) < MOST_DETAIL + 100


def test_an_answer_without_words_is_told_by_its_status() -> None:
    """As a proxy's that lost its way."""
    error = sdk.ClientError({"ResponseMetadata": {"HTTPStatusCode": 404}}, "RunInstances")
    found = translated("create", error, asked_as="key")
    assert found.detail == "no explanation (404)"
    assert not isinstance(found, Missing)


# Over real connections


clock, cloud, space = ec2_kit.clock, ec2_kit.cloud, ec2_kit.space


def test_nothing_is_repeated_when_throttled(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """One request; nothing was made, and the manager is told so."""
    cloud.fail("RunInstances", throttled())
    with pytest.raises(Unavailable) as caught:
        space.create(request())
    assert caught.value.is_undone
    assert cloud.counts()["RunInstances"] == 1


def test_a_server_error_leaves_the_outcome_open(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """It may have been carried out; and is not repeated."""
    cloud.fail("RunInstances", Fault(code="InternalError", status=500))
    with pytest.raises(Unavailable) as caught:
        space.create(request())
    assert not caught.value.is_undone
    assert cloud.counts()["RunInstances"] == 1


def test_a_lost_answer_can_be_asked_for_again(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """The machine is there; the second create finds it, and makes no other."""
    cloud.fail("RunInstances", lost())
    with pytest.raises(Unavailable):
        space.create(request())
    (made,) = cloud.living()
    assert space.create(request()) == made
    assert cloud.living() == [made]


def test_a_lost_answer_of_another_manager_is_found_by_its_token(cloud: Ec2Cloud) -> None:
    """Before any listing shows it: EC2 knows the request again."""
    cloud.fail("RunInstances", lost())
    with space_on(cloud, FakeClock()) as first, pytest.raises(Unavailable):
        first.create(request())
    (made,) = cloud.living()
    with space_on(cloud, FakeClock()) as second:
        assert second.create(request()) == made
        assert cloud.living() == [made]


def test_a_token_with_other_contents_leads_to_the_machine_it_made(cloud: Ec2Cloud) -> None:
    """User_data differ each time they are rendered."""
    cloud.fail("RunInstances", lost())
    with space_on(cloud, FakeClock()) as first, pytest.raises(Unavailable):
        first.create(request())
    (made,) = cloud.living()
    with space_on(cloud, FakeClock()) as second:
        assert second.create(request(user_data=b"#!/bin/sh\n# again\n")) == made
    assert cloud.living() == [made]


def test_a_token_that_nothing_has_is_refused(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """It cannot be told what became of it."""
    cloud.fail("RunInstances", Fault(code="IdempotentParameterMismatch"))
    with pytest.raises(Mismatch):
        space.create(request())


def test_a_listing_that_fails_half_way_is_none(cloud: Ec2Cloud) -> None:
    """A page is worth nothing without the others."""
    image = cloud.register("theirs")
    for _ in range(6):
        cloud.make(image)
    fine = Fault()
    cloud.fail("DescribeInstances", fine, Fault(code="InternalError", status=500))
    with space_on(cloud, FakeClock(), page_size=5) as space, pytest.raises(Unavailable):
        space.machines()
    assert cloud.counts()["DescribeInstances"] == 2


def test_an_answer_that_is_cut_is_no_listing(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """Not an empty one either."""
    cloud.fail("DescribeInstances", lost())
    with pytest.raises(Unavailable):
        space.machines()


def test_wrong_credentials_are_said_and_looked_for_again(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """The message names the key, and the next cycle reads the files of the SDK anew."""
    cloud.fail("DescribeInstances", Fault(code="AuthFailure", status=401))
    with pytest.raises(Refused, match="access key AKIAEXAMPLE is not let in"):
        space.machines()
    space.connect()
    assert space.machines() == ()


def test_an_endpoint_that_is_down_is_unavailable() -> None:
    """And nothing was sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        space = Ec2Space("space", options(url), clock=FakeClock())
        space.connect()
        with pytest.raises(Unavailable) as caught:
            space.machines()
        assert caught.value.is_undone
        space.close()


def test_a_value_that_the_api_does_not_take_is_refused_before_it_is_sent(
    cloud: Ec2Cloud, space: Ec2Space
) -> None:
    """The SDK's own model of the API checks every request."""
    broken = replace(request(), zone=7)  # type: ignore[arg-type] # what is tested
    with pytest.raises(Refused, match="AvailabilityZone"):
        space.create(broken)
    assert cloud.counts()["RunInstances"] == 0
