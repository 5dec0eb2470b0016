"""What a create sends, what it heeds; finding, deleting, the console: call by call."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.openstack import Fault, Network, Settings, answer
from tests.fakes.openstack.settings import IMAGE, LARGE, NETWORK
from tests.openstack_tap import Asked, Json, Tap, request, tapped
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, Unavailable
from vcycled.model import MachineState
from vcycled.spaces.openstack.creation import TAG_LIMIT, USER_DATA_LIMIT
from vcycled.spaces.openstack.deletion import KEPT_SECONDS
from vcycled.spaces.openstack.networks import NONE_SECONDS
from vcycled.spaces.openstack.space import ASKED_SECONDS

NAME = "vcycle-prod-0123456789"
POST = "POST /servers"
FLAVORS = "GET /flavors/detail"
IMAGES = "GET /images"
NAMED = "GET /servers/detail"
OTHER = Network(id="22222222-aaaa-4bbb-8ccc-000000000002", name="second")


@pytest.fixture
def tap() -> Iterator[Tap]:
    """Return a space on a usual cloud, whose flavors and image have been looked up."""
    with tapped() as tap:
        tap.space.create(request("vcycle-prod-the-first-0"))
        tap.since()
        yield tap


def sent(tap: Tap, **changes: Any) -> Json:  # noqa: ANN401 - fields of a request
    """Create a machine and return what was posted of the server."""
    tap.space.create(request(**changes))
    return tap.last(POST).json["server"]


# What is sent


def test_a_create_is_one_call(tap: Tap) -> None:
    """What it names was looked up before; a name never seen needs no look."""
    assert sent(tap) == {
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
        server = sent(tap, **changes)
        assert {key: server.get(key) for key in expected} == expected


def test_a_machine_boots_from_a_volume_that_goes_with_it(tap: Tap) -> None:
    """Nova makes it, so no call waits for it."""
    server = sent(tap, volume_gb=40)
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
        server = sent(tap, volume_gb=40)
        assert server["block_device_mapping_v2"][0]["volume_type"] == "fast"
        assert tap.last(POST).headers["openstack-api-version"] == "compute 2.67"
        assert "imageRef" in sent(tap, name="vcycle-prod-9876543210")
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
        assert "networks" not in sent(tap)
    with tapped(Settings(max_microversion="2.1"), networks=(NETWORK.id,)) as tap:
        assert sent(tap)["networks"] == [{"uuid": NETWORK.id}]


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
    assert sent(tap, name="vcycle-prod-9876543210", flavor="huge")["flavorRef"] == "f-9"


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
    assert tap.since() == [NAMED]
    assert len([each for each in tap.cloud.truth if each.name == NAME]) == 1


def test_a_name_of_the_last_listing_is_looked_for(tap: Tap) -> None:
    """Also by a manager that remembers no create."""
    made = tap.space.create(request())
    tap.restart()
    tap.space.machines()
    tap.since()
    assert tap.space.create(request()) == made
    assert tap.since() == [NAMED]


def test_a_name_that_was_asked_for_is_not_kept_for_ever(tap: Tap) -> None:
    """Names never come again, so they would only grow."""
    tap.space.create(request())
    tap.clock.advance(ASKED_SECONDS)
    tap.space.machines()
    assert tap.space._asked == {}


# Networks


def test_a_project_without_network_is_told_of(tap: Tap) -> None:
    """Machines are made without for an hour, then the cloud is asked for one again."""
    tap.cloud.settings.networks = ()
    assert sent(tap)["networks"] == "none"
    assert tap.since() == [POST, POST]
    assert tap.space.notices() == (
        "the project has no network and gets none: machines are made without",
    )
    assert sent(tap, name="vcycle-prod-9876543210")["networks"] == "none"
    assert tap.since() == [POST]
    tap.clock.advance(NONE_SECONDS)
    assert tap.space.notices() == ()
    tap.cloud.settings.networks = (NETWORK,)
    assert sent(tap, name="vcycle-prod-aaaaaaaaaa")["networks"] == "auto"


def test_machines_made_side_by_side_all_do_without_network(tap: Tap) -> None:
    """Each that asked for one before the first was told hears it for itself."""
    tap.cloud.settings.networks = ()
    together = threading.Barrier(2, timeout=10)
    first = iter((together, together))

    def meet(operation: str) -> None:
        if operation == "create" and (barrier := next(first, None)):
            barrier.wait()

    tap.cloud.latency = meet
    with ThreadPoolExecutor(max_workers=2) as pool:
        names = ("vcycle-prod-0000000000", "vcycle-prod-0000000001")
        assert len(set(pool.map(lambda name: tap.space.create(request(name)), names))) == 2
    assert tap.since() == [POST] * 4


def test_a_refusal_that_is_not_about_networks_changes_nothing() -> None:
    """The id that a name has stays known."""
    with tapped(networks=(NETWORK.name,)) as tap:
        sent(tap)
        tap.cloud.fail_next("create", answer(400, "Invalid imageRef provided."))
        with pytest.raises(Refused, match="imageRef"):
            tap.space.create(request("vcycle-prod-0000000000"))
        tap.since()
        sent(tap, name="vcycle-prod-0000000001")
        assert tap.since() == [POST]


def test_a_project_with_several_networks_must_choose(tap: Tap) -> None:
    """The message lists them, so that nobody must look them up."""
    tap.cloud.settings.networks = (NETWORK, OTHER)
    with pytest.raises(Refused) as caught:
        tap.space.create(request())
    for network in (NETWORK, OTHER):
        assert f"{network.name} ({network.id})" in caught.value.detail
    assert "set network_uuid or networks" in caught.value.detail


def test_without_neutron_the_message_does_without_names() -> None:
    """As on a cloud that shows its users only compute."""
    settings = Settings(networks=(NETWORK, OTHER), services=frozenset({"image"}))
    with (
        tapped(settings) as tap,
        pytest.raises(Refused, match=r"several networks; set .* to one$"),
    ):
        tap.space.create(request())


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ((NETWORK,), "no network called lan"),
        ((replace(NETWORK, name="lan"), replace(OTHER, name="lan")), "2 networks .* called lan"),
    ],
)
def test_the_name_of_a_network_means_one(networks: tuple[Network, ...], message: str) -> None:
    """None or several is for a person to settle."""
    with (
        tapped(Settings(networks=networks), networks=("lan",)) as tap,
        pytest.raises(Refused, match=message),
    ):
        tap.space.create(request())


def test_a_network_made_anew_is_looked_up_again() -> None:
    """The create that notices fails, the next one goes."""
    with tapped(networks=(NETWORK.name,)) as tap:
        sent(tap)
        tap.cloud.settings.networks = (replace(OTHER, name=NETWORK.name),)
        with pytest.raises(Refused):
            tap.space.create(request("vcycle-prod-9876543210"))
        server = sent(tap, name="vcycle-prod-aaaaaaaaaa")
        assert server["networks"] == [{"uuid": OTHER.id}]


def test_the_address_is_that_of_the_configured_network() -> None:
    """Servers show networks by name; the name of an id is asked for once."""
    first = replace(NETWORK, prefixes=("10.1",))
    second = replace(OTHER, prefixes=("10.2",))
    with tapped(Settings(networks=(first, second)), networks=(second.id, first.id)) as tap:
        tap.space.create(request())
        tap.cloud.run(NAME)
        tap.since()
        for _ in range(2):
            (machine,) = tap.space.machines()
            assert machine.address.startswith("10.2")
        assert tap.since() == ["GET /networks", "GET /networks", NAMED, NAMED]


def test_a_listing_does_not_hang_on_neutron() -> None:
    """Only the choice of an address does, so the name is asked for at the next listing."""
    with tapped(networks=(NETWORK.id,)) as tap:
        tap.cloud.add_foreign("theirs")
        tap.cloud.fail_next("networks", answer(500, "oops"))
        assert len(tap.space.machines()) == 1
        assert len(tap.space.machines()) == 1
        assert tap.since() == ["GET /networks", NAMED, "GET /networks", NAMED]


# Images that go


def test_an_image_that_is_gone_is_looked_up_again(tap: Tap) -> None:
    """Its name may mean another by now; the cloud said that nothing was made."""
    old = tap.cloud.glance.truth[0]
    new = tap.cloud.glance.add(IMAGE)
    del tap.cloud.glance.by_id[old.id]
    assert sent(tap)["imageRef"] == new.id
    assert tap.since() == [POST, IMAGES, POST]


# Finding


def test_a_name_is_not_a_pattern(tap: Tap) -> None:
    """Nova matches a regular expression, some databases without case."""
    tap.space.create(request())
    for name in (NAME[:-1], f"{NAME}0", NAME.upper(), "vcycle-prod-.*"):
        assert tap.space.find(name) is None
    found = tap.space.find(NAME)
    assert found is not None
    assert tap.last(NAMED).query["name"] == f"^{NAME}$"


def test_of_several_of_a_name_ours_that_stays_is_found(tap: Tap) -> None:
    """Not a foreign one, and not one that is just going."""
    tap.cloud.settings.delete_seconds = None
    tap.cloud.add_foreign(NAME)
    going = tap.space.create(request())
    tap.space.delete(NAME, going)
    tap.restart()
    here = tap.space.create(request())
    found = tap.space.find(NAME)
    assert found is not None
    assert (found.cloud_id, found.state) == (here, MachineState.STARTING)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answer(500, "cell is down"), id="a cell that does not answer"),
        pytest.param(Fault(status=404, body="<html>not found</html>"), id="a proxy that is lost"),
        pytest.param(Fault(status=404), id="nothing said"),
    ],
)
def test_only_nova_proves_that_a_machine_is_gone(tap: Tap, fault: Fault) -> None:
    """Anything else is an error: None would have the machine accounted and forgotten."""
    made = tap.space.create(request())
    tap.cloud.fail_next("find", fault)
    with pytest.raises((Unavailable, Refused)):
        tap.space.find(NAME, made)
    tap.cloud.vanish(NAME)
    assert tap.space.find(NAME, made) is None


# Deleting


def test_a_delete_is_one_call(tap: Tap) -> None:
    """By its id; one that is gone is fine."""
    made = tap.space.create(request())
    tap.since()
    tap.space.delete(NAME, made)
    assert tap.since() == [f"DELETE /servers/{made}"]
    tap.space.delete(NAME, "no-such-id")


def test_a_repeated_delete_looks_first(tap: Tap) -> None:
    """It is rare, and then something keeps the server."""
    tap.cloud.settings.delete_seconds = None
    made = tap.space.create(request())
    tap.since()
    for _ in range(2):
        tap.space.delete(NAME, made)
    assert tap.since() == [
        f"DELETE /servers/{made}",
        f"GET /servers/{made}",
        f"DELETE /servers/{made}",
    ]
    tap.cloud.vanish(NAME)
    tap.space.delete(NAME, made)
    assert tap.since() == [f"GET /servers/{made}"]


def test_a_server_that_the_cloud_keeps_is_deleted_by_force(tap: Tap) -> None:
    """A second delete would only prolong its stay."""
    tap.cloud.settings.keeps_deleted = True
    made = tap.space.create(request())
    tap.cloud.run(NAME)
    tap.space.delete(NAME, made)
    found = tap.space.find(NAME, made)
    assert found is not None
    assert found.state is MachineState.DELETING
    tap.since()
    tap.space.delete(NAME, made)
    assert tap.since() == [f"GET /servers/{made}", f"POST /servers/{made}/action"]
    assert tap.space.find(NAME, made) is None


def test_what_was_deleted_is_not_remembered_for_ever(tap: Tap) -> None:
    """A day is longer than the manager waits between two attempts."""
    tap.space.delete("one", "id-1")
    tap.clock.advance(KEPT_SECONDS + 1)
    tap.space.delete("two", "id-2")
    assert list(tap.space._deletion._asked) == ["id-2"]


def test_a_name_alone_deletes_ours_of_that_name(tap: Tap) -> None:
    """Each of them, and nobody else's."""
    tap.space.create(request())
    tap.restart()
    tap.space.create(request())
    theirs = tap.cloud.add_foreign(NAME)
    tap.space.delete(NAME)
    assert [each.cloud_id for each in tap.space.machines() if each.name == NAME] == [theirs]


def test_a_server_that_cannot_be_deleted_now_is_said(tap: Tap) -> None:
    """As one that an administrator locked; the manager asks again later."""
    made = tap.space.create(request())
    tap.cloud.fail_next("delete", answer(409, "Instance is locked"))
    with pytest.raises(Refused, match="locked"):
        tap.space.delete(NAME, made)


# Console


def test_the_console_is_its_last_lines(tap: Tap) -> None:
    """As many as Nova is asked for, also where the driver gives all."""
    made = tap.space.create(request())
    tap.cloud.change(NAME, console="".join(f"line {n}\n" for n in range(80)))
    lines = tap.space.console(NAME, made).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("line 30", "line 79", 50)
    tap.falsify = lambda _asked, _said: {"output": "\n".join(map(str, range(80)))}
    assert tap.space.console(NAME, made).splitlines() == [str(n) for n in range(30, 80)]


@pytest.mark.parametrize(
    "fault",
    [
        answer(501, "Unable to get console log, functionality not implemented"),
        answer(404, "Unable to get console"),
        answer(409, "Instance is not ready"),
    ],
)
def test_a_cloud_without_console_has_an_empty_one(tap: Tap, fault: Fault) -> None:
    """Nothing is wrong then."""
    made = tap.space.create(request())
    tap.cloud.fail_next("console", fault)
    assert tap.space.console(NAME, made) == ""


def test_a_console_that_cannot_be_read_now_is_an_error(tap: Tap) -> None:
    """The manager asks again while the machine is there."""
    made = tap.space.create(request())
    tap.cloud.fail_next("console", answer(500, "oops"))
    with pytest.raises(Unavailable):
        tap.space.console(NAME, made)


def test_every_call_is_counted(tap: Tap) -> None:
    """The manager states the number in its report."""
    before = tap.space.calls
    tap.space.limits()
    tap.space.find(NAME)
    assert tap.space.calls == before + 2


def falsified(_asked: Asked, _said: Json) -> Json:
    """Answer a create without an id."""
    return {"server": {}}


def test_a_create_without_id_in_the_answer_has_an_unknown_outcome(tap: Tap) -> None:
    """The machine may be there; it is looked for by name."""
    tap.falsify = falsified
    with pytest.raises(Unavailable):
        tap.space.create(request())


def test_closing_sends_nothing(tap: Tap) -> None:
    """Twice is fine, and the machines stay."""
    tap.space.close()
    tap.space.close()
    assert tap.since() == []
    assert len(tap.cloud.here) == 1
