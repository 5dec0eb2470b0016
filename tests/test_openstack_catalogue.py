"""Which endpoints of an OpenStack are used, and in which version."""

from __future__ import annotations

import pytest
import responses

from tests import canned_openstack
from tests.canned_openstack import (
    CATALOG,
    GLANCE,
    NOVA,
    SERVERS,
    CannedCloud,
    JsonObject,
    connected,
    endpoint,
    new_api,
    with_password,
)
from vcycled.errors import Refused, Unavailable

mock = canned_openstack.mock
cloud = canned_openstack.cloud

SEVERAL = (
    endpoint("compute", NOVA, region="north"),
    endpoint("compute", "https://south.example.com/v2.1", region="south"),
    endpoint("image", GLANCE, region="north", interface="internal"),
)


def test_several_regions_must_be_chosen_from(mock: responses.RequestsMock) -> None:
    """They are named, and none is taken by chance."""
    CannedCloud(mock=mock, catalog=SEVERAL).serve()
    with pytest.raises(Refused, match="set region to one of north, south"):
        new_api().connect()


def test_a_region_and_an_interface_are_chosen(mock: responses.RequestsMock) -> None:
    """Whatever is elsewhere is not there for us."""
    CannedCloud(mock=mock, catalog=SEVERAL).serve()
    api = new_api(with_password(region="north"))
    api.connect()
    assert (api.has("compute"), api.has("image"), api.has("network")) == (True, False, False)
    with pytest.raises(Refused) as caught:
        new_api(with_password(region="north", interface="internal")).connect()
    assert str(caught.value) == (
        "connect: the catalogue of user vcycle has no compute in region north"
        " (only: north, public; south, public)"
    )


@pytest.mark.parametrize(
    ("changes", "catalog"),
    [
        pytest.param({"region": "north"}, SEVERAL, id="chosen"),
        pytest.param({}, SEVERAL[:1], id="the only one"),
    ],
)
def test_where_it_is_is_told_by_project_and_region(
    mock: responses.RequestsMock, changes: dict[str, str], catalog: tuple[JsonObject, ...]
) -> None:
    """In the cloud's words, so that an option that says the same changes nothing."""
    CannedCloud(mock=mock, catalog=catalog).serve()
    api = connected(new_api(with_password(**changes)))
    assert api.account() == {"project": "p1", "region": "north"}


@pytest.mark.parametrize(
    "catalog", [pytest.param((), id="empty"), pytest.param(CATALOG[1:], id="no Nova")]
)
def test_a_project_without_nova_is_told(
    mock: responses.RequestsMock, catalog: tuple[JsonObject, ...]
) -> None:
    """As a user gets who is in no project."""
    CannedCloud(mock=mock, catalog=catalog).serve()
    with pytest.raises(Refused, match=r"has no compute \(nor anywhere else: check the project"):
        new_api().connect()


@pytest.mark.parametrize(
    ("most", "spoken"),
    [
        pytest.param("2.46", "2.1", id="before flavors are in listings"),
        pytest.param("2.47", "2.47", id="since they are"),
        pytest.param("2.100", "2.47", id="a hundred is more than ninety"),
        pytest.param("", "2.1", id="of before microversions"),
    ],
)
def test_the_microversion_is_what_the_cloud_has(
    mock: responses.RequestsMock, most: str, spoken: str
) -> None:
    """It is sent with every call to Nova, and only there."""
    cloud = CannedCloud(mock=mock, nova_max=most).serve()
    api = new_api()
    api.connect()
    assert api.compute_microversion == spoken
    cloud.answer("GET", SERVERS, 200, {})
    api.call("machines", "compute", "GET", "/servers")
    assert mock.calls[-1].request.headers["OpenStack-API-Version"] == f"compute {spoken}"
    cloud.serve_glance()
    cloud.answer("GET", f"{GLANCE}/v2/images", 200, {"images": []})
    api.call("create", "image", "GET", "/images")
    assert "OpenStack-API-Version" not in mock.calls[-1].request.headers


def test_an_old_nova_without_a_document_is_used_as_the_catalogue_says(
    mock: responses.RequestsMock,
) -> None:
    """Without a microversion."""
    cloud = CannedCloud(mock=mock, catalog=(endpoint("compute", f"{GLANCE}/v2/p1"),)).serve()
    for path in ("/v2/", "/", "/v2/p1", ""):
        cloud.answer("GET", GLANCE + path, 404)
    cloud.answer("GET", f"{GLANCE}/v2/p1/servers", 200, {"servers": []})
    api = new_api()
    api.connect()
    api.call("machines", "compute", "GET", "/servers")
    assert api.compute_microversion == "2.1"


def test_a_nova_that_is_ill_is_not_taken_for_an_old_one(mock: responses.RequestsMock) -> None:
    """Else all would go on in an old microversion until the next token."""
    cloud = CannedCloud(mock=mock)
    cloud.answer("GET", f"{NOVA}/", 500)
    cloud.answer("GET", "https://cloud.example.com:8774/", 500)
    cloud.answer("GET", NOVA, 500)
    cloud.serve()
    with pytest.raises(Unavailable):
        new_api().connect()
