"""What comes of calls to Azure that go wrong: what each answer means; none is repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)

from tests.azure_kit import AzureBed, azure_bed, request
from tests.fakes.azure import LOST, RESET, AzureCloud, Fault, Settings, answer, serving
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.spaces.azure import AzureSpace
from vcycled.spaces.azure.errors import of_error
from vcycled.testing.clock import FakeClock

NAME = "vcycle-prod-0000000001"
BROKEN = Fault(status=200, body="{", headers={"Content-Type": "application/json"})


@pytest.fixture
def bed() -> Iterator[AzureBed]:
    """Serve a cloud that makes machines in five seconds."""
    with azure_bed(Settings(start_seconds=5, delete_seconds=3)) as found:
        yield found


@pytest.fixture
def space(bed: AzureBed) -> AzureSpace:
    """Return a space that is logged in."""
    space = bed.space()
    space.connect()
    return space


def failure(call: Callable[[], object]) -> SpaceError:
    """Return what a call raises."""
    with pytest.raises(SpaceError) as caught:
        call()
    return caught.value


OVER = "Operation could not be completed as it results in exceeding approved {} quota."


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (answer(409, "SkuNotAvailable", "not available in zone"), NoCapacity, "not available"),
        (answer(409, "AllocationFailed", "no room"), NoCapacity, "no room (409 AllocationFailed)"),
        (answer(409, "ZonalAllocationFailed", "no room"), NoCapacity, "no room"),
        (
            answer(409, "OperationNotAllowed", OVER.format("Total Regional Cores")),
            QuotaExceeded,
            "Total Regional Cores",
        ),
        (
            answer(409, "OperationNotAllowed", OVER.format("standardDSv5Family Cores")),
            NoCapacity,
            "standardDSv5Family",
        ),
        (answer(409, "QuotaExceeded", "too many"), QuotaExceeded, "too many (409 QuotaExceeded)"),
        (answer(400, "SubnetIsFull", "no address left"), QuotaExceeded, "no address left"),
        (answer(409, "OperationNotAllowed", "the disk is in use"), Refused, "the disk is in use"),
        (answer(409, "AnotherOperationInProgress", "busy"), Unavailable, "busy"),
        (answer(400, "InvalidParameter", "no such size"), Refused, "no such size"),
        (answer(403, "AuthorizationFailed", "no permission"), Refused, "no permission"),
        (answer(404, "ResourceGroupNotFound", "no such group"), Refused, "no such group"),
        (answer(401, "InvalidAuthenticationTokenTenant", "wrong"), Refused, "wrong"),
        (answer(401, "ExpiredAuthenticationToken", "too old"), Unavailable, "too old"),
        (answer(404), Refused, "no explanation (404)"),
        (answer(408), Unavailable, "no explanation (408)"),
        (answer(500, "InternalServerError", "sorry"), Unavailable, "sorry"),
        (answer(503), Unavailable, "503"),
        (answer(302), Refused, "302"),
        (Fault(status=200, body="<html>"), Unavailable, "not JSON"),
        (BROKEN, Unavailable, "not JSON"),
        (Fault(status=201, body="{}"), Unavailable, "the answer names no machine"),
        (RESET, Unavailable, "no answer"),
        (Fault(cut=10), Unavailable, "whole"),
    ],
)
def test_each_answer_to_a_creation_has_one_meaning(
    bed: AzureBed, space: AzureSpace, fault: Fault, kind: type[SpaceError], said: str
) -> None:
    """And nothing is asked twice: what is lost here is looked for by the manager."""
    bed.cloud.fail_next("create", fault)
    before = space.calls.total()
    error = failure(lambda: space.create(request()))
    assert type(error) is kind or issubclass(type(error), kind)
    assert not isinstance(error, NoCapacity | QuotaExceeded) or kind is type(error)
    assert error.operation == "create"
    assert said in error.detail
    assert space.calls.total() == before + 1


@pytest.mark.parametrize("operation", ["machines", "states"])
@pytest.mark.parametrize(
    "fault",
    [RESET, answer(500), answer(503), Fault(cut=300), Fault(status=200, body="<html>"), BROKEN],
    ids=["reset", "500", "503", "cut", "html", "json"],
)
def test_a_listing_is_complete_or_it_raises(
    bed: AzureBed, space: AzureSpace, operation: str, fault: Fault
) -> None:
    """Also when only a further page fails, or only the listing of states."""
    bed.cloud.settings.page_size = 2
    for number in range(5):
        bed.cloud.add_foreign(f"theirs-{number}")
    for page in range(3):
        bed.cloud.fail_next(operation, *[Fault()] * page, fault)
        error = failure(space.machines)
        assert isinstance(error, Unavailable)
        assert error.operation == "machines"
    assert len(space.machines()) == 5


def test_a_pause_that_azure_asks_for_is_kept_by_every_space_of_the_login(
    bed: AzureBed, space: AzureSpace
) -> None:
    """Nothing is sent before it is over; the call that was turned away did nothing."""
    bed.cloud.fail_next("limits", answer(429, "TooManyRequests", "slowly", retry_after_s=30))
    error = failure(space.limits)
    assert isinstance(error, Unavailable)
    assert (error.retry_after_s, error.is_undone) == (30, True)
    other = bed.space()
    bed.clock.advance(29)
    before = space.calls.total()
    assert isinstance(failure(space.limits), Unavailable)
    assert isinstance(failure(other.connect), Unavailable)
    assert space.calls.total() == before
    bed.clock.advance(1)
    space.limits()


@pytest.mark.parametrize(
    ("asked", "kept"), [(None, 10), (3600, 3600), (999_999, 3600)], ids=["unsaid", "hour", "days"]
)
def test_a_pause_has_a_length_whatever_azure_says(
    bed: AzureBed, space: AzureSpace, asked: int | None, kept: int
) -> None:
    """Ten seconds if it does not, an hour at most."""
    bed.cloud.fail_next("limits", answer(429, "TooManyRequests", "slowly", retry_after_s=asked))
    error = failure(space.limits)
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == kept


def test_a_creation_whose_answer_was_lost_is_found_and_not_made_twice(
    bed: AzureBed, space: AzureSpace
) -> None:
    """By name, or by asking for it again."""
    bed.cloud.fail_next("create", LOST)
    error = failure(lambda: space.create(request()))
    assert isinstance(error, Unavailable)
    assert not error.is_undone
    found = space.find(NAME)
    assert found is not None
    assert space.create(request()) == found.cloud_id
    assert len(bed.cloud.truth) == 1


def test_a_name_that_exists_is_left_as_it_is(bed: AzureBed, space: AzureSpace) -> None:
    """Without the condition Azure would change the machine; two calls tell that it is there."""
    first = space.create(request())
    before = space.calls.total()
    assert space.create(request(user_data=b"#!/bin/sh\necho other\n")) == first
    assert space.calls.total() == before + 2
    assert bed.cloud.of(NAME).request == bed.cloud.truth[0].request
    bed.cloud.fail_next("create", answer(412, "PreconditionFailed", "it is there"))
    error = failure(lambda: space.create(request("vcycle-prod-0000000002")))
    assert isinstance(error, Unavailable)
    assert "was there and is gone again" in error.detail


def test_a_404_that_names_no_machine_is_no_proof_of_absence(
    bed: AzureBed, space: AzureSpace
) -> None:
    """A group that cannot be found, or a proxy that lost its way, says 404 as well."""
    space.create(request())
    for fault in (answer(404), answer(404, "ResourceGroupNotFound", "which?")):
        bed.cloud.fail_next("find", fault)
        assert isinstance(failure(lambda: space.find(NAME)), Refused)
    assert space.find(NAME) is not None


def test_a_deletion_whose_answer_was_lost_can_be_repeated(
    bed: AzureBed, space: AzureSpace
) -> None:
    """The machine goes all the same."""
    cloud_id = space.create(request())
    bed.cloud.fail_next("delete", LOST)
    assert isinstance(failure(lambda: space.delete(NAME, cloud_id)), Unavailable)
    bed.clock.advance(3)
    space.delete(NAME, cloud_id)
    assert bed.cloud.here == ()
    assert bed.cloud.of(NAME).deletes == 1


def test_neither_creation_nor_deletion_waits_for_its_end(bed: AzureBed, space: AzureSpace) -> None:
    """One call, one call to look and one to delete; the operation is never asked after."""
    before = space.calls.total()
    cloud_id = space.create(request())
    assert space.calls.total() == before + 1
    space.delete(NAME, cloud_id)
    assert space.calls.total() == before + 3
    assert bed.cloud.calls["poll"] == 0
    assert bed.cloud.of(NAME).provisioning == "Deleting"


def test_calls_are_spread_over_time(bed: AzureBed) -> None:
    """Five at once, then two a second: the twelfth has waited for three and a half seconds."""
    space = bed.space(api_calls_per_second=2.0, api_burst=5)
    began = bed.clock.monotonic()
    while space.calls.total() < 12:
        space.limits()
    assert bed.clock.monotonic() - began == pytest.approx(3.5)


def test_a_cloud_that_cannot_be_reached_is_told(bed: AzureBed) -> None:
    """Nothing was sent, so nothing is unknown."""
    space = bed.space(url="https://127.0.0.1:1")
    space.connect()
    error = failure(lambda: space.create(request()))
    assert isinstance(error, Unavailable)
    assert (error.is_undone, error.detail) == (True, "no connection")


def test_a_server_without_tls_is_told() -> None:
    """Not as a refusal: it may be a proxy that has just lost its way."""
    clock = FakeClock()
    cloud = AzureCloud(clock)
    with azure_bed() as bed, serving(cloud.answer) as url:
        space = bed.space(url=url.replace("http:", "https:"))
        space.connect()
        error = failure(space.limits)
    assert isinstance(error, Unavailable)
    assert error.detail == "no TLS connection"


def test_a_call_that_hangs_is_given_up(bed: AzureBed) -> None:
    """After api_timeout_seconds of silence; what became of it is unknown."""
    space = bed.space(api_timeout_seconds=3)
    space.connect()
    gate = bed.cloud.hold("create")
    error = failure(lambda: space.create(request()))
    gate.set()
    assert isinstance(error, Unavailable)
    assert not error.is_undone


@pytest.mark.parametrize(
    ("error", "is_undone"),
    [
        (ServiceRequestTimeoutError("no connection"), True),
        (ServiceResponseTimeoutError("no answer"), False),
        (IncompleteReadError("cut"), False),
        (DecodeError("no json"), False),
        (AzureError("anything"), False),
        (HttpResponseError("no response at all"), False),
    ],
)
def test_an_error_of_the_sdk_says_whether_something_may_have_been_made(
    error: AzureError, is_undone: bool
) -> None:
    """Only without a connection it is sure that nothing was."""
    found = of_error("create", error)
    assert isinstance(found, Unavailable)
    assert found.is_undone == is_undone


def test_what_azure_says_is_shortened_and_shows_no_long_secrets(
    bed: AzureBed, space: AzureSpace
) -> None:
    """The user_data may be in it."""
    text = f"bad customData {'QUJD' * 40} " + "word " * 100
    bed.cloud.fail_next("create", answer(400, "InvalidParameter", text))
    error = failure(lambda: space.create(request()))
    assert "QUJD" not in error.detail
    assert error.detail.startswith("bad customData … word")
    assert len(error.detail) < 350


def test_the_innermost_detail_of_an_error_counts(bed: AzureBed, space: AzureSpace) -> None:
    """Around it stand general ones."""
    body = (
        '{"error": {"code": "Conflict", "message": "general", "details": [{"code":'
        ' "SkuNotAvailable", "message": "particular"}]}}'
    )
    json = {"Content-Type": "application/json"}
    bed.cloud.fail_next("create", Fault(status=409, body=body, headers=json))
    error = failure(lambda: space.create(request()))
    assert isinstance(error, NoCapacity)
    assert error.detail == "particular (409 SkuNotAvailable)"
