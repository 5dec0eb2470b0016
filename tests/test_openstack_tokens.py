"""Tokens of an OpenStack: how long one is used, and what is no token."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import responses

from tests import canned_openstack
from tests.canned_openstack import (
    KEYSTONE,
    LOGIN,
    MARKER,
    NOVA,
    SERVERS,
    Answer,
    CannedCloud,
    new_api,
)
from vcycled.errors import Refused, Unavailable

mock = canned_openstack.mock
cloud = canned_openstack.cloud


@pytest.mark.parametrize(
    ("life_s", "is_renewed"),
    [
        pytest.param(3600, False, id="kept over cycles"),
        pytest.param(180, False, id="kept while it lives for two minutes"),
        pytest.param(119, True, id="renewed before it ends"),
    ],
)
def test_a_token_is_kept_until_shortly_before_its_end(
    mock: responses.RequestsMock, life_s: int, is_renewed: bool
) -> None:
    """A cycle costs no login."""
    cloud = CannedCloud(mock=mock, token_life_s=life_s).serve()
    api = new_api()
    for _ in range(3):
        api.connect()
    assert (len(cloud.logins) > 1) == is_renewed


def turning_away(
    cloud: CannedCloud, *, until: int
) -> Callable[[requests.PreparedRequest], Answer]:
    """Return what answers a listing with 401 to all tokens before that of login `until`."""

    def answer(request: requests.PreparedRequest) -> Answer:
        is_good = request.headers["X-Auth-Token"] == cloud.token(until)
        return (200, {}, '{"servers": []}') if is_good else (401, {}, '{"error": {}}')

    return answer


def test_a_token_that_is_turned_away_is_renewed_and_the_call_made_again(
    cloud: CannedCloud, mock: responses.RequestsMock
) -> None:
    """Tokens can end early, when a password is changed or Keystone loses its keys."""
    mock.add_callback("GET", SERVERS, turning_away(cloud, until=2))
    api = new_api()
    api.connect()
    before = api.calls.total()
    api.call("machines", "compute", "GET", "/servers")
    assert cloud.asked[before:] == [f"GET {SERVERS}", LOGIN, f"GET {SERVERS}"]
    assert api.calls.total() == before + 3


def test_many_threads_renew_a_token_once(cloud: CannedCloud, mock: responses.RequestsMock) -> None:
    """Ten calls under way with the old token make one login, not ten."""
    together = threading.Barrier(10, timeout=60)
    answer = turning_away(cloud, until=2)

    def listing(request: requests.PreparedRequest) -> Answer:
        if request.headers["X-Auth-Token"] == cloud.token(1):
            together.wait()
        return answer(request)

    mock.add_callback("GET", SERVERS, listing)
    api = new_api()
    api.connect()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: api.call("machines", "compute", "GET", "/servers"), range(10)))
    assert len(cloud.logins) == 2


def test_a_new_token_that_is_turned_away_too_is_for_a_person(
    cloud: CannedCloud, mock: responses.RequestsMock
) -> None:
    """There are two tries, and the user is named."""
    mock.add_callback("GET", SERVERS, turning_away(cloud, until=9))
    api = new_api()
    api.connect()
    with pytest.raises(Refused, match="machines: user vcycle is not let in"):
        api.call("machines", "compute", "GET", "/servers")
    assert cloud.asked.count(f"GET {SERVERS}") == 2


def test_a_wrong_password_names_the_user_and_costs_one_try(cloud: CannedCloud) -> None:
    """Clouds lock accounts after some."""
    refusal = json.dumps({"error": {"message": "The request you have made needs a login."}})
    cloud.refusal = (401, {}, refusal)
    with pytest.raises(Refused) as caught:
        new_api().connect()
    assert str(caught.value) == (
        "connect: user vcycle is not let in: The request you have made needs a login. (401)"
    )
    assert len(cloud.logins) == 1


def test_a_user_who_must_prove_more_is_told(cloud: CannedCloud) -> None:
    """As with a second factor, which no manager can type."""
    receipt = {"receipt": {"methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z"}}
    body = json.dumps(receipt | {"required_auth_methods": [["password", "totp"]]})
    cloud.refusal = (401, {"Openstack-Auth-Receipt": MARKER}, body)
    with pytest.raises(Refused, match=r"is not enough \(MissingAuthMethods\)"):
        new_api().connect()


def test_after_a_refusal_everything_is_asked_anew(cloud: CannedCloud) -> None:
    """What was wrong may have been put right, where only a new login sees it."""
    cloud.refusal = (401, {}, "")
    api = new_api()
    with pytest.raises(Refused):
        api.connect()
    cloud.refusal = None
    api.connect()
    assert cloud.asked == [f"GET {KEYSTONE}/", LOGIN] * 2 + [f"GET {NOVA}/"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((201, {"X-Subject-Token": "t"}, "{}"), id="no token in it"),
        pytest.param((201, {"X-Subject-Token": "t"}, '{"token": {'), id="cut"),
        pytest.param((201, {"X-Subject-Token": "t"}, '{"token": []}'), id="another form"),
        pytest.param((201, {}, '{"token": {"user": {}}}'), id="no header"),
        pytest.param((200, {}, "<html>Please log in</html>"), id="a page for people"),
    ],
)
def test_an_answer_that_is_no_token_is_no_login(cloud: CannedCloud, answer: Answer) -> None:
    """Something stands between us and Keystone; the next cycle tries again."""
    cloud.refusal = answer
    with pytest.raises(Unavailable, match="connect: no sense in the cloud's answer"):
        new_api().connect()
