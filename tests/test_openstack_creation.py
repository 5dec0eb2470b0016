"""What a create sends and what it does not, and what the cloud says to it: call by call."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests import openstack_tap
from tests.fakes.openstack import Fault, Network, Settings, answer
from tests.fakes.openstack.settings import IMAGE, LARGE, NETWORK
from tests.openstack_tap import NAME, POST, SERVERS, Tap, request, tapped
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, Unavailable
from vcycled.spaces.openstack.creation import TAG_LIMIT, USER_DATA_LIMIT
from vcycled.spaces.openstack.space import ASKED_SECONDS

FLAVORS = "GET /flavors/detail"
IMAGES = "GET /images"
OTHER = Network(id="22222222-aaaa-4bbb-8ccc-000000000002", name="second")

tap = openstack_tap.ready


# What is sent


def test_a_create_is_one_call(tap: Tap) -> None:
    """What it names was looked up before; a name never seen needs no look."""
    assert tap.sent() == {
        "name": NAME,
        "flavorRef": "f-1",
        "imageRef": tap.cloud.glance.truth[0].id,
        "metadata": dict(request().tags),
        "networks": "auto",
        "user_data": base64.b64encode(b"#!/bin/sh\n").decode(),
    }
    assert tap.since() == [POST]


def test_the_first_create_looks_up_what_it_names() -> None:
    """Once for all that follow."""
    with tapped() as tap:
        tap.space.create(request("vcycle-prod-0000000000"))
        tap.space.create(request("vcycle-prod-0000000001"))
        assert tap.since() == [FLAVORS, IMAGES, POST, POST]


def test_machines_made_side_by_side_look_up_their_image_once() -> None:
    """Ten threads that all find nothing kept must not ask ten times."""
    with tapped() as tap:
        tap.space.flavors()
        tap.since()
        finder = tap.space._creation._images
        with ThreadPoolExecutor(max_workers=8) as pool:
            assert len(set(pool.map(finder.id_of, ["image:worker"] * 16))) == 1
        assert tap.since() == [IMAGES]


@pytest.mark.parametrize(
    ("options", "changes", "expected"),
    [
        ({}, {"zone": "nova"}, {"availability_zone": "nova"}),
        ({"config_drive": True}, {}, {"config_drive": True}),
        (
            {"security_groups": ("default",)},
            {},
            {"security_groups": [{"name": "default"}]},
        ),
        ({"network_uuid": NETWORK.id}, {}, {"networks": [{"uuid": NETWORK.id}]}),
        ({"networks": (NETWORK.name,)}, {}, {"networks": [{"uuid": NETWORK.id}]}),
        (
            {"network_uuid": OTHER.id, "networks": (NETWORK.name, OTHER.id)},
            {},
            {"networks": [{"uuid": OTHER.id}, {"uuid": NETWORK.id}]},
        ),
        ({}, {"flavor": "large"}, {"flavorRef": "f-8"}),
        ({}, {"user_data": b""}, {"user_data": None}),
    ],
)
def test_options_reach_the_server(
    options: Mapping[str, Any], changes: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    """Each says its own thing; what is not configured is not sent."""
    with tapped(
        Settings(networks=(NETWORK, OTHER)), **{"networks": (NETWORK.id,), **options}
    ) as tap:
        server = tap.sent(**changes)
        assert {key: server.get(key) for key in expected} == expected


def test_a_machine_boots_from_a_volume_that_goes_with_it(tap: Tap) -> None:
    """Nova makes it, so no call waits for it."""
    server = tap.sent(volume_gb=40)
    assert "imageRef" not in server
    assert server["block_device_mapping_v2"] == [
        {
            "boot_index": 0,
            "uuid": tap.cloud.glance.truth[0].id,
            "source_type": "image",
            "destination_type": "volume",
            "volume_size": 40,
            "delete_on_termination": True,
        }
    ]
    assert tap.last(POST).headers["openstack-api-version"] == "compute 2.47"


def test_the_type_of_a_volume_needs_a_newer_word() -> None:
    """Nova takes it since microversion 2.67, and only a create that needs it speaks that."""
    with tapped(volume_type="fast") as tap:
        server = tap.sent(volume_gb=40)
        assert server["block_device_mapping_v2"][0]["volume_type"] == "fast"
        assert tap.last(POST).headers["openstack-api-version"] == "compute 2.67"
        assert "imageRef" in tap.sent(name="vcycle-prod-9876543210")
        assert tap.last(POST).headers["openstack-api-version"] == "compute 2.47"


def test_an_older_cloud_refuses_the_type_of_a_volume() -> None:
    """Said before the call, in words."""
    with (
        tapped(Settings(max_microversion="2.66"), volume_type="fast") as tap,
        pytest.raises(Refused, match=r"volume_type needs .* 2\.67"),
    ):
        tap.space.create(request(volume_gb=40))


def test_a_cloud_without_microversions_is_not_told_auto() -> None:
    """It knows no such word; leaving the networks out means the same there."""
    with tapped(Settings(max_microversion="2.1")) as tap:
        assert "networks" not in tap.sent()
    with tapped(Settings(max_microversion="2.1"), networks=(NETWORK.id,)) as tap:
        assert tap.sent()["networks"] == [{"uuid": NETWORK.id}]


# What is not sent


@pytest.mark.parametrize(
    ("size", "is_taken"), [(USER_DATA_LIMIT, True), (USER_DATA_LIMIT + 1, False)]
)
def test_user_data_is_measured_before_the_call(tap: Tap, size: int, is_taken: bool) -> None:
    """The limit is what Nova takes to the last byte: 65535 characters of base64."""
    assert tap.space.user_data_limit == USER_DATA_LIMIT
    wanted = request(user_data=b"#" * size)
    if is_taken:
        assert tap.space.create(wanted)
        assert len(tap.last(POST).json["server"]["user_data"]) <= 65535
        return
    with pytest.raises(Refused, match=f"{size} bytes; OpenStack takes {USER_DATA_LIMIT}"):
        tap.space.create(wanted)
    assert tap.since() == []


@pytest.mark.parametrize(("length", "is_taken"), [(TAG_LIMIT, True), (TAG_LIMIT + 1, False)])
def test_tags_are_measured_before_the_call(tap: Tap, length: int, is_taken: bool) -> None:
    """A URL of features can be long; the message names the tag."""
    wanted = request(tags={**request().tags, "machinefeatures": "x" * length})
    if is_taken:
        assert tap.space.create(wanted)
        return
    with pytest.raises(Refused, match="machinefeatures has 256 characters"):
        tap.space.create(wanted)
    assert tap.since() == []


def test_an_unknown_flavor_is_looked_for_once_more(tap: Tap) -> None:
    """It may be new; one that is not there after that needs a person."""
    with pytest.raises(Refused, match="no flavor huge"):
        tap.space.create(request(flavor="huge"))
    assert tap.since() == [FLAVORS]
    tap.cloud.settings.flavors += (replace(LARGE, id="f-9", name="huge"),)
    assert tap.sent(name="vcycle-prod-9876543210", flavor="huge")["flavorRef"] == "f-9"


# What the cloud says to it


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (answer(403, "Quota exceeded for cores: Requested 8, but already used 96"), QuotaExceeded),
        (answer(403, "Maximum number of ports exceeded"), QuotaExceeded),
        (answer(413, "Quota exceeded for instances"), QuotaExceeded),
        (
            answer(500, "No valid host was found. There are not enough hosts available."),
            NoCapacity,
        ),
        (answer(403, "Policy doesn't allow os_compute_api:servers:create"), Refused),
        (answer(400, "Invalid input for field/attribute name."), Refused),
        (answer(500, "Unexpected API Error."), Unavailable),
        (Fault(is_reset=True), Unavailable),
    ],
)
def test_a_create_that_fails_is_asked_once(tap: Tap, fault: Fault, error: type[Exception]) -> None:
    """Nothing is repeated that might have made a machine."""
    tap.cloud.fail_next("create", fault)
    with pytest.raises(error):
        tap.space.create(request())
    assert tap.since() == [POST]


def test_a_lost_answer_is_looked_for_by_name(tap: Tap) -> None:
    """The second create of the name finds what the first one made."""
    tap.cloud.lose_replies("create")
    with pytest.raises(Unavailable) as caught:
        tap.space.create(request())
    assert not caught.value.is_undone
    tap.since()
    assert tap.space.create(request()) == tap.cloud.of(NAME).id
    assert tap.since() == [SERVERS]
    assert len([each for each in tap.cloud.truth if each.name == NAME]) == 1


def test_a_name_of_the_last_listing_is_looked_for(tap: Tap) -> None:
    """Also by a manager that remembers no create."""
    made = tap.space.create(request())
    tap.restart()
    tap.space.machines()
    tap.since()
    assert tap.space.create(request()) == made
    assert tap.since() == [SERVERS]


def test_a_name_that_was_asked_for_is_not_kept_for_ever(tap: Tap) -> None:
    """Names never come again, so they would only grow."""
    tap.space.create(request())
    tap.clock.advance(ASKED_SECONDS)
    tap.space.machines()
    assert tap.space._asked == {}


# Images that go


def test_an_image_that_is_gone_is_looked_up_again(tap: Tap) -> None:
    """Its name may mean another by now; the cloud said that nothing was made."""
    old = tap.cloud.glance.truth[0]
    new = tap.cloud.glance.add(IMAGE)
    del tap.cloud.glance.by_id[old.id]
    assert tap.sent()["imageRef"] == new.id
    assert tap.since() == [POST, IMAGES, POST]
