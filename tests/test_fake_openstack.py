"""The OpenStack of our own is taken for one by the SDK; its servers are as Nova's."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from openstack.connection import Connection

from tests import fake_openstack_kit
from tests.fake_openstack_kit import Plain
from tests.fakes.openstack import (
    Network,
    OpenStackCloud,
    Quota,
)
from vcycled.testing.clock import START, FakeClock

pytestmark = fake_openstack_kit.SDK_TALKS

clock = fake_openstack_kit.clock
cloud = fake_openstack_kit.cloud
url = fake_openstack_kit.url
sdk = fake_openstack_kit.sdk
plain = fake_openstack_kit.plain


def test_the_sdk_sees_what_there_is_page_by_page(cloud: OpenStackCloud, sdk: Connection) -> None:
    """More than a page of each kind; Glance's is of 25 unless one asks for more."""
    cloud.settings.max_limit = 3
    for number in range(10):
        cloud.add_foreign(f"server-{number}")
    for number in range(59):
        cloud.glance.add(f"image-{number}")
    names = [each.name for each in sdk.compute.servers()]
    assert names == [f"server-{number}" for number in reversed(range(10))]
    assert cloud.calls["machines"] == 4
    assert len({each.id for each in sdk.image.images()}) == 60
    assert cloud.calls["images"] == 3
    assert [each.name for each in sdk.compute.flavors()] == ["small", "large"]
    assert [each.name for each in sdk.network.networks()] == ["private"]
    assert list(sdk.block_storage.volumes()) == []
    assert sdk.compute.get_limits().absolute.instances_used == 10


def test_a_server_lives_as_the_sdk_expects(
    cloud: OpenStackCloud, sdk: Connection, clock: FakeClock
) -> None:
    """BUILD, ACTIVE, SHUTOFF, deleting, gone; the truth of it remains."""
    made = sdk.compute.create_server(
        name="one",
        flavor_id="f-8",
        image_id=cloud.glance.truth[0].id,
        networks="auto",
        metadata={"machinetype": "prod", "vcycle_installation": "i"},
    )
    assert sdk.compute.get_server(made.id).status == "BUILD"
    clock.advance(30)
    server = sdk.compute.get_server(made.id)
    assert (server.status, server.launched_at) == ("ACTIVE", "2027-01-15T08:00:30.000000")
    assert server.addresses["private"][0]["addr"] == "10.1.0.2"
    clock.advance(5)
    cloud.finish("one")
    assert sdk.compute.get_server(made.id).vm_state == "stopped"
    sdk.compute.delete_server(made)
    (server,) = sdk.compute.servers()
    assert server.task_state == "deleting"
    clock.advance(10)
    assert list(sdk.compute.servers()) == []
    truth = cloud.of("one")
    assert (truth.launched_at, truth.ended_at, truth.gone_at) == (
        START + 30,
        START + 35,
        START + 45,
    )
    assert cloud.peak_processors == {"*": 8, "prod": 8}


@pytest.mark.parametrize(
    ("highest", "asked", "status", "has_sizes"),
    [
        ("2.96", "2.46", 200, False),
        ("2.96", "2.47", 200, True),
        ("2.96", "2.96", 200, True),
        ("2.96", "2.97", 406, None),
        ("2.1", "2.1", 200, False),
        ("2.1", "2.2", 406, None),
    ],
)
def test_versions_decide_how_a_server_is_shown(
    cloud: OpenStackCloud, plain: Plain, highest: str, asked: str, status: int, has_sizes: bool
) -> None:
    """From 2.47 on the flavor is in the server; beyond the highest nothing is answered."""
    cloud.settings.max_microversion = highest
    cloud.add_foreign("one")
    plain.version = asked
    answered = plain.ask("GET", "/compute/v2.1/servers/detail")
    assert answered.status_code == status
    if status == 200:
        assert ("vcpus" in answered.json()["servers"][0]["flavor"]) is has_sizes


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({}, 202, ""),
        ({"networks": None}, 400, "'networks' is a required property"),
        ({"networks": [{"uuid": "no"}]}, 400, "Network no could not be found"),
        ({"networks": "some"}, 400, "not valid under any of the given schemas"),
        ({"flavorRef": "no"}, 400, "Flavor no could not be found"),
        ({"imageRef": "no"}, 400, "Image no could not be found"),
        ({"imageRef": None}, 400, "Invalid imageRef provided"),
        ({"key_name": "no"}, 400, "Invalid key_name provided"),
        ({"availability_zone": "no"}, 400, "availability zone is not available"),
        ({"security_groups": [{"name": "no"}]}, 400, "Security group no not found"),
        ({"metadata": {"a": "x" * 255}}, 202, ""),
        ({"metadata": {"a": "x" * 256}}, 400, "is too long"),
        ({"metadata": {"a": 1}}, 400, "is not of type 'string'"),
        ({"metadata": {"a/b": "1"}}, 400, "'a/b' was unexpected"),
        ({"metadata": {str(each): "" for each in range(128)}}, 202, ""),
        ({"metadata": {str(each): "" for each in range(129)}}, 403, "Maximum number of metadata"),
        ({"user_data": base64.b64encode(bytes(49149)).decode()}, 202, ""),
        ({"user_data": base64.b64encode(bytes(49152)).decode()}, 400, "too long"),
        ({"user_data": "#!/bin/sh"}, 400, "is not a 'base64'"),
        ({"name": "x" * 255}, 202, ""),
        ({"name": "x" * 256}, 400, "no valid length"),
        ({"unknown": "x"}, 400, "'unknown' was unexpected"),
    ],
)
def test_what_is_wrong_with_a_create_is_refused(
    cloud: OpenStackCloud, plain: Plain, changes: dict[str, Any], status: int, sentence: str
) -> None:
    """With Nova's sentence, and nothing is made."""
    answered = plain.create(**changes)
    assert answered.status_code == status
    assert sentence in answered.text
    assert len(cloud.truth) == (status == 202)


def test_several_networks_must_be_told_apart(cloud: OpenStackCloud, plain: Plain) -> None:
    """Automatic choice is refused; a machine on both has an address of each."""
    other = Network(id="net-2", name="other", prefixes=("10.2",))
    cloud.settings.networks = (*cloud.settings.networks, other)
    assert plain.create().status_code == 409
    both = [{"uuid": each.id} for each in cloud.settings.networks]
    assert plain.create(networks=both).status_code == 202
    assert cloud.of("one").addresses["other"] == ("10.2.0.2",)
    assert plain.create(name="none", networks="none").status_code == 202
    assert cloud.of("none").addresses == {}


def test_the_quota_speaks_as_nova_does(cloud: OpenStackCloud, plain: Plain) -> None:
    """Everything there is counts, whoever made it."""
    cloud.settings.quota = Quota(cores=9, instances=2)
    cloud.add_foreign("theirs")
    assert plain.create(flavorRef="f-8").status_code == 202
    answered = plain.create(name="two")
    assert answered.status_code == 403
    assert answered.json()["forbidden"]["message"] == (
        "Quota exceeded for cores, instances: Requested 1, 1, "
        "but already used 9, 2 of 9, 2 cores, instances"
    )
    cloud.settings.quota = replace(Quota(), ports=2)
    assert plain.create().json()["forbidden"]["message"] == "Maximum number of ports exceeded"


def test_a_server_without_a_host_shows_why_to_get_only(
    cloud: OpenStackCloud, plain: Plain
) -> None:
    """It is in cell 0, and listings leave faults of that cell out."""
    cloud.settings.no_room = frozenset({"small"})
    made = plain.create().json()["server"]["id"]
    (listed,) = plain.ask("GET", "/compute/v2.1/servers/detail").json()["servers"]
    assert (listed["status"], "fault" in listed) == ("ERROR", False)
    shown = plain.ask("GET", f"/compute/v2.1/servers/{made}").json()["server"]
    assert shown["fault"]["message"].startswith("No valid host was found")
    cloud.add_foreign("broken")
    cloud.fail("broken", "Exceeded maximum number of retries")
    (listed, _) = plain.ask("GET", "/compute/v2.1/servers/detail").json()["servers"]
    assert listed["fault"]["message"] == "Exceeded maximum number of retries"


def test_a_cloud_may_keep_what_was_deleted(
    cloud: OpenStackCloud, plain: Plain, clock: FakeClock
) -> None:
    """SOFT_DELETED, in no listing, counted, until it is deleted by force."""
    cloud.settings.keeps_deleted = True
    path = f"/compute/v2.1/servers/{cloud.add_foreign('one')}"
    assert plain.ask("DELETE", path).status_code == 204
    assert plain.ask("GET", path).json()["server"]["status"] == "SOFT_DELETED"
    assert plain.names() == []
    assert len(cloud.here) == 1
    assert plain.ask("POST", f"{path}/action", {"forceDelete": None}).status_code == 202
    clock.advance(10)
    assert plain.ask("GET", path).status_code == 404
    assert cloud.calls["delete"] == cloud.of("one").deletes == 2


def test_a_marker_that_is_gone_ends_a_listing(cloud: OpenStackCloud, plain: Plain) -> None:
    """As when the last server of a page is deleted before the next page is asked for."""
    ids = [cloud.add_foreign(f"server-{number}") for number in range(4)]
    assert plain.names("?limit=2") == ["server-3", "server-2"]
    assert plain.names(f"?limit=2&marker={ids[2]}") == ["server-1", "server-0"]
    cloud.vanish("server-2")
    answered = plain.ask("GET", f"/compute/v2.1/servers/detail?limit=2&marker={ids[2]}")
    assert (answered.status_code, "not found" in answered.text) == (400, True)


def test_a_name_is_looked_for_as_a_pattern(cloud: OpenStackCloud, plain: Plain) -> None:
    """In all of the truth, whatever listings omit; a pattern that is none is refused."""
    for name in ("a-1", "a-10", "b-1"):
        cloud.add_foreign(name)
    cloud.listing.omitted = {"a-10"}
    assert plain.names() == ["b-1", "a-1"]
    assert plain.names("?name=a-1") == ["a-10", "a-1"]
    assert plain.names("?name=^a-1$") == ["a-1"]
    assert plain.ask("GET", "/compute/v2.1/servers/detail?name=(").status_code == 400
    assert cloud.calls["find"] == 3


def test_the_console_shows_its_last_lines(cloud: OpenStackCloud, plain: Plain) -> None:
    """As many as are asked for."""
    path = f"/compute/v2.1/servers/{cloud.add_foreign('one')}/action"
    cloud.change("one", console="first\nsecond\nthird\n")
    asked = {"os-getConsoleOutput": {"length": 2}}
    assert plain.ask("POST", path, asked).json() == {"output": "second\nthird\n"}
    assert cloud.calls["console"] == 1
