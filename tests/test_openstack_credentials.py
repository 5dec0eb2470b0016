"""Application credentials: how they log in, and how their end is told."""

from __future__ import annotations

import pytest
import responses

from tests import canned_openstack
from tests.canned_openstack import (
    CREDENTIAL,
    KEYSTONE,
    MARKER,
    CannedCloud,
    ending,
    new_api,
)
from vcycled.errors import Refused
from vcycled.options import Secret
from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.testing.clock import START, FakeClock

mock = canned_openstack.mock
cloud = canned_openstack.cloud
DAY_S = 86_400


def with_credential() -> OpenStackOptions:
    """Return options of an application credential."""
    return OpenStackOptions(url=KEYSTONE, cred_id="c1", cred_secret=Secret(MARKER))


@pytest.mark.parametrize(
    ("ends_at", "notices"),
    [
        pytest.param(None, (), id="never"),
        pytest.param(START + 14 * DAY_S, (), id="in two weeks"),
        pytest.param(
            START + 14 * DAY_S - 1,
            (
                "application credential c1 ends on 2027-01-29 07:59 UTC:"
                " make a new one and set cred_id and cred_secret",
            ),
            id="in a second less",
        ),
    ],
)
def test_the_end_of_an_application_credential_is_told_two_weeks_ahead(
    cloud: CannedCloud, ends_at: int | None, notices: tuple[str, ...]
) -> None:
    """The same sentence every day."""
    cloud.answer("GET", CREDENTIAL, 200, ending(ends_at))
    api = new_api(with_credential(), FakeClock())
    assert (api.notices(), api.credential_ends()) == ((), {})
    api.connect()
    assert api.notices() == notices
    ends = {} if ends_at is None else {"application credential c1": ends_at}
    assert api.credential_ends() == ends


def test_keystone_is_asked_for_the_end_once_a_day(cloud: CannedCloud) -> None:
    """It seldom changes."""
    cloud.answer("GET", CREDENTIAL, 200, ending(START + 30 * DAY_S))
    clock = FakeClock()
    api = new_api(with_credential(), clock)
    asked = []
    for seconds in (0, DAY_S - 1, 1):
        clock.advance(seconds)
        api.connect()
        asked.append(cloud.asked.count(f"GET {CREDENTIAL}"))
    assert asked == [1, 1, 2]


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, {}), (404, {}), (500, {}), (200, {}), (200, ending(None) | {"x": 1}), (200, b"<html>")],
)
def test_an_end_that_cannot_be_learned_does_not_matter(
    cloud: CannedCloud, status: int, body: object
) -> None:
    """Many sites do not let a user look."""
    cloud.answer("GET", CREDENTIAL, status, body)
    api = new_api(with_credential(), FakeClock())
    api.connect()
    assert api.notices() == ()


def test_a_date_that_is_none_does_not_matter(cloud: CannedCloud) -> None:
    """As all else about the end."""
    body = {"application_credential": {"id": "c1", "expires_at": "soon"}}
    cloud.answer("GET", CREDENTIAL, 200, body)
    api = new_api(with_credential(), FakeClock())
    api.connect()
    assert api.notices() == ()


@pytest.mark.parametrize(
    ("passed_s", "message"),
    [
        pytest.param(
            59, "connect: application credential c1 is not let in: No. (401)", id="before its end"
        ),
        pytest.param(
            60,
            "connect: application credential c1 ended on 2027-01-15 08:01 UTC:"
            " application credential c1 is not let in: No. (401)",
            id="at its end",
        ),
    ],
)
def test_an_application_credential_that_ended_is_told_as_such(
    mock: responses.RequestsMock, passed_s: int, message: str
) -> None:
    """Keystone itself only says no."""
    cloud = CannedCloud(mock=mock, token_life_s=60).serve()
    cloud.answer("GET", CREDENTIAL, 200, ending(START + 60))
    clock = FakeClock()
    api = new_api(with_credential(), clock)
    api.connect()
    clock.advance(passed_s)
    cloud.refusal = (401, {}, '{"error": {"message": "No."}}')
    with pytest.raises(Refused) as caught:
        api.connect()
    assert str(caught.value) == message


def test_nobody_is_asked_for_the_end_of_a_password(cloud: CannedCloud) -> None:
    """It has none that Keystone tells."""
    new_api().connect()
    assert not [each for each in cloud.asked if "application_credentials" in each]
