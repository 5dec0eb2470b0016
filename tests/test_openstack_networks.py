"""The networks of machines: named, chosen, or none."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests import openstack_tap
from tests.fakes.openstack import Network, Settings, answer
from tests.fakes.openstack.settings import NETWORK
from tests.openstack_tap import NAME, POST, SERVERS, Tap, request, tapped
from vcycled.errors import Refused
from vcycled.spaces.openstack.networks import NONE_SECONDS

OTHER = Network(id="22222222-aaaa-4bbb-8ccc-000000000002", name="second")

tap = openstack_tap.ready


def test_a_project_without_network_is_told_of(tap: Tap) -> None:
    """Machines are made without for an hour, then the cloud is asked for one again."""
    tap.cloud.settings.networks = ()
    assert tap.sent()["networks"] == "none"
    assert tap.since() == [POST, POST]
    assert tap.space.notices() == (
        "the project has no network and gets none: machines are made without",
    )
    assert tap.sent(name="vcycle-prod-9876543210")["networks"] == "none"
    assert tap.since() == [POST]
    tap.clock.advance(NONE_SECONDS)
    assert tap.space.notices() == ()
    tap.cloud.settings.networks = (NETWORK,)
    assert tap.sent(name="vcycle-prod-aaaaaaaaaa")["networks"] == "auto"


def test_machines_made_side_by_side_all_do_without_network(tap: Tap) -> None:
    """Each that asked for one before the first was told hears it for itself."""
    tap.cloud.settings.networks = ()
    together = threading.Barrier(2, timeout=60)
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
        tap.sent()
        tap.cloud.fail_next("create", answer(400, "Invalid imageRef provided."))
        with pytest.raises(Refused, match="imageRef"):
            tap.space.create(request("vcycle-prod-0000000000"))
        tap.since()
        tap.sent(name="vcycle-prod-0000000001")
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
        tap.sent()
        tap.cloud.settings.networks = (replace(OTHER, name=NETWORK.name),)
        with pytest.raises(Refused):
            tap.space.create(request("vcycle-prod-9876543210"))
        server = tap.sent(name="vcycle-prod-aaaaaaaaaa")
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
        assert tap.since() == ["GET /networks", "GET /networks", SERVERS, SERVERS]


def test_a_listing_does_not_hang_on_neutron() -> None:
    """Only the choice of an address does, so the name is asked for at the next listing."""
    with tapped(networks=(NETWORK.id,)) as tap:
        tap.cloud.add_foreign("theirs")
        tap.cloud.fail_next("networks", answer(500, "oops"))
        assert len(tap.space.machines()) == 1
        assert len(tap.space.machines()) == 1
        assert tap.since() == ["GET /networks", SERVERS, "GET /networks", SERVERS]
