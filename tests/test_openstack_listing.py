"""Servers as listings show them: what they become, page by page, and what a listing survives."""

from __future__ import annotations

from typing import Any

import pytest

from tests import openstack_tap
from tests.fakes.openstack import Fault, Settings, answer
from tests.openstack_tap import SERVERS, Asked, Json, Tap, tapped
from vcycled.errors import Refused, Unavailable
from vcycled.model import Flavor, ListedMachine, MachineState
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.listing import instant, listed_of
from vcycled.testing.clock import START

CREATED, LAUNCHED, UPDATED = 1_800_000_000, 1_800_000_030, 1_800_003_600
SERVER: dict[str, Any] = {
    "id": "id-1",
    "name": "vcycle-prod-0123456789",
    "status": "ACTIVE",
    "created": "2027-01-15T08:00:00Z",
    "updated": "2027-01-15T09:00:00Z",
    "OS-SRV-USG:launched_at": "2027-01-15T08:00:30.500000",
    "OS-EXT-STS:task_state": None,
    "OS-EXT-AZ:availability_zone": "nova",
    "flavor": {"original_name": "large", "vcpus": 8, "ram": 16384},
    "addresses": {},
    "metadata": {"vcycle_installation": "ours", "machinetype": "prod"},
}
tap = openstack_tap.tap


def read(*networks: str, without: tuple[str, ...] = (), **changes: object) -> ListedMachine:
    """Return the machine that SERVER is with other members."""
    members = {**SERVER, **{key.replace("__", ":"): value for key, value in changes.items()}}
    return listed_of(
        Doc("machines", {k: v for k, v in members.items() if k not in without}), size, networks
    )


def size(shown: Doc) -> Flavor:
    """Return an embedded flavor."""
    return Flavor(
        name=shown.text("original_name"),
        processors=shown.whole("vcpus"),
        memory_mb=shown.whole("ram"),
    )


def names(tap: Tap) -> list[str]:
    """Return what a listing shows, sorted."""
    return sorted(each.name for each in tap.space.machines())


# One server


def test_a_server_becomes_a_machine() -> None:
    """Every fact that the manager uses, in its own words."""
    assert read() == ListedMachine(
        name="vcycle-prod-0123456789",
        cloud_id="id-1",
        state=MachineState.RUNNING,
        processors=8,
        memory_mb=16384,
        flavor="large",
        zone="nova",
        created_at=CREATED,
        started_at=LAUNCHED,
        tags={"vcycle_installation": "ours", "machinetype": "prod"},
    )


def test_a_server_of_a_cell_that_does_not_answer_is_unknown() -> None:
    """Nova shows little more than its id then; what the manager remembers of it stands."""
    bare = Doc("machines", {"id": "id-1", "status": "UNKNOWN", "created": SERVER["created"]})
    assert listed_of(bare, size) == ListedMachine(
        name="",
        cloud_id="id-1",
        state=MachineState.UNKNOWN,
        processors=0,
        created_at=CREATED,
    )


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2027-01-15T08:00:00Z", START),
        ("2027-01-15T08:00:00", START),
        ("2027-01-15T08:00:00.999999", START),
        ("2027-01-15T09:00:00+01:00", START),
        ("", None),
        ("yesterday", None),
    ],
)
def test_a_time_is_utc_whether_it_says_so_or_not(text: str, at: int | None) -> None:
    """Nova writes `created` with a Z and `launched_at` without; nonsense is no time."""
    assert instant(text) == at


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        pytest.param({}, (LAUNCHED, None), id="it runs"),
        pytest.param({"status": "SHUTOFF"}, (LAUNCHED, UPDATED), id="it ended"),
        pytest.param({"status": "ERROR"}, (LAUNCHED, UPDATED), id="it failed"),
        pytest.param(
            {"status": "SHUTOFF", "updated": "2027-01-15T08:00:30Z"},
            (LAUNCHED, LAUNCHED),
            id="it ended as it began",
        ),
        pytest.param(
            {"status": "SHUTOFF", "updated": "2027-01-15T08:00:29Z"},
            (LAUNCHED, None),
            id="it cannot have ended before it began",
        ),
        pytest.param(
            {"status": "ERROR", "OS-SRV-USG__launched_at": None},
            (None, UPDATED),
            id="it failed before it ran",
        ),
        pytest.param(
            {"OS-SRV-USG__launched_at": "2027-01-15T07:59:59.000000"},
            (CREATED, None),
            id="it cannot have begun before it was made",
        ),
        pytest.param(
            {"OS-EXT-STS__task_state": "deleting"}, (LAUNCHED, None), id="it is being deleted"
        ),
    ],
)
def test_times_are_in_order(changes: dict[str, Any], times: tuple[int | None, int | None]) -> None:
    """Start and end as the cloud states them, as far as they make sense."""
    machine = read(**changes)
    assert (machine.started_at, machine.stopped_at) == times


def test_a_server_without_extended_status_is_read_all_the_same() -> None:
    """Vcycle 3 gave up the whole space then."""
    without = ("OS-EXT-STS:task_state", "OS-SRV-USG:launched_at", "OS-EXT-AZ:availability_zone")
    machine = read(without=without)
    assert (machine.state, machine.started_at, machine.zone) == (MachineState.RUNNING, None, "")


def address(of: str, version: int, kind: str | None = "fixed") -> dict[str, Any]:
    """Return an address as servers show it."""
    return {"addr": of, "version": version, **({"OS-EXT-IPS:type": kind} if kind else {})}


V4, V6 = address("10.0.0.1", 4), address("2001:db8::1", 6)
FLOATING, FLOATING_V6 = address("192.0.2.1", 4, "floating"), address("2001:db8::f", 6, "floating")


@pytest.mark.parametrize(
    ("addresses", "networks", "best"),
    [
        ({}, (), ""),
        ({"a": []}, (), ""),
        ({"a": [V6, FLOATING, V4]}, (), "10.0.0.1"),
        ({"a": [FLOATING, V6]}, (), "2001:db8::1"),
        ({"a": [FLOATING_V6, FLOATING]}, (), "192.0.2.1"),
        ({"a": [V4, address("10.0.0.2", 4)]}, (), "10.0.0.1"),
        ({"a": [address("10.0.0.2", 4, None), V6]}, (), "10.0.0.2"),
        ({"a": [V4], "b": [V6]}, ("b",), "2001:db8::1"),
        ({"a": [V4], "b": []}, ("b",), "10.0.0.1"),
        ({"a": [V4], "b": [V6]}, ("c",), "10.0.0.1"),
        ({"a": [], "b": [V6]}, (), "2001:db8::1"),
    ],
)
def test_the_address_is_one_that_other_machines_reach(
    addresses: dict[str, Any], networks: tuple[str, ...], best: str
) -> None:
    """Fixed before floating, version 4 before 6, on the configured network if it has one."""
    assert read(*networks, addresses=addresses).address == best


@pytest.mark.parametrize(
    ("metadata", "tags"),
    [
        ({"owner": "somebody"}, {}),
        ({}, {}),
        ({"machinetype": "prod", "name": "x"}, {"machinetype": "prod", "name": "x"}),
        ({"vcycle_installation": "other"}, {"vcycle_installation": "other"}),
    ],
)
def test_only_tags_of_vcycle_are_kept(metadata: dict[str, str], tags: dict[str, str]) -> None:
    """Ours, those of other installations, those of Vcycle 3; not what others write."""
    assert dict(read(metadata=metadata).tags) == tags


def test_a_fault_is_read_in_one_line_with_what_it_means() -> None:
    """Of a server in error only: one that runs may show an old fault."""
    fault = {"message": "No valid host was found.\nThere are not enough hosts available."}
    machine = read(status="ERROR", fault=fault)
    assert machine.fault == "No valid host was found. There are not enough hosts available."
    assert (machine.lacks_capacity, machine.lacks_quota) == (True, False)
    assert read(fault=fault).fault == ""
    over = read(status="ERROR", fault={"message": "Maximum number of ports exceeded"})
    assert (over.lacks_capacity, over.lacks_quota) == (False, True)


# Pages


def test_a_listing_costs_a_call_for_each_page(tap: Tap) -> None:
    """Asked for as many at once as the options say, and on with the marker of the last."""
    tap.restart(page_size=2)
    ids = [tap.cloud.add_foreign(f"theirs-{number}") for number in range(5)]
    assert {each.cloud_id for each in tap.space.machines()} == set(ids)
    assert [each.query for each in tap.asked] == [
        {"limit": "2"},
        {"limit": "2", "marker": ids[3]},
        {"limit": "2", "marker": ids[1]},
    ]
    assert tap.since() == [SERVERS] * 3


def test_the_cloud_may_give_fewer_at_a_time() -> None:
    """Its own limit of a page holds; nothing is left out."""
    with tapped(Settings(max_limit=3)) as tap:
        for number in range(7):
            tap.cloud.add_foreign(f"theirs-{number}")
        assert names(tap) == [f"theirs-{number}" for number in range(7)]
        assert tap.since() == [SERVERS] * 3


def test_only_the_query_of_a_link_is_followed(tap: Tap) -> None:
    """A service behind a proxy links to a host that nobody outside reaches."""

    def elsewhere(_: Asked, said: Json) -> Json:
        for link in said.get("servers_links", ()):
            link["href"] = link["href"].replace("http://cloud", "http://inner.invalid")
        return said

    tap.restart(page_size=1)
    tap.cloud.add_foreign("one")
    tap.cloud.add_foreign("two")
    tap.falsify = elsewhere
    assert names(tap) == ["one", "two"]


def test_a_full_page_without_a_link_may_not_be_the_last(tap: Tap) -> None:
    """Some proxies take the links out."""

    def unlinked(_: Asked, said: Json) -> Json:
        return {key: value for key, value in said.items() if key != "servers_links"}

    tap.restart(page_size=2)
    for number in range(4):
        tap.cloud.add_foreign(f"theirs-{number}")
    tap.falsify = unlinked
    assert len(names(tap)) == 4
    assert tap.since() == [SERVERS] * 3


def test_a_server_on_two_pages_is_one_machine(tap: Tap) -> None:
    """Pages shift while servers come and go; counted twice it would take room twice."""
    first: Json = None

    def shifted(asked: Asked, said: Json) -> Json:
        nonlocal first
        first = first or said["servers"][-1]
        if "marker" in asked.query and said["servers"]:
            said["servers"].insert(0, first)
        return said

    tap.restart(page_size=2)
    for number in range(4):
        tap.cloud.add_foreign(f"theirs-{number}")
    tap.falsify = shifted
    assert len(tap.space.machines()) == 4


def test_a_server_twice_on_a_page_is_one_machine(tap: Tap) -> None:
    """However a cloud comes to that."""
    tap.cloud.add_foreign("one")
    tap.falsify = lambda _asked, said: {**said, "servers": said["servers"] * 2}
    assert names(tap) == ["one"]


def test_two_servers_of_one_name_are_two_machines(tap: Tap) -> None:
    """Vcycle 3 kept one of them."""
    tap.cloud.add_foreign("twin")
    tap.cloud.add_foreign("twin")
    assert names(tap) == ["twin", "twin"]


def break_off(_: Asked, said: Json) -> Json:
    """Answer with an object that has no servers in it."""
    return {"choices": []}


def repeat(asked: Asked, said: Json) -> Json:
    """Answer every page with the first one, linking on."""
    said["servers"] = [{**said["servers"][0], "id": "always-the-same"}]
    href = f"http://cloud.example.com/servers/detail?marker={asked.query.get('marker', '')}x"
    return {**said, "servers_links": [{"rel": "next", "href": href}]}


@pytest.mark.parametrize("falsify", [break_off, repeat])
def test_a_listing_that_makes_no_sense_is_none(tap: Tap, falsify: Any) -> None:  # noqa: ANN401
    """No machine is concluded from it, and none from its absence."""
    tap.cloud.add_foreign("one")
    tap.falsify = falsify
    with pytest.raises(Unavailable):
        tap.space.machines()
    assert len(tap.asked) <= 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answer(400, "marker [id-1] not found"), id="the marker is gone"),
        pytest.param(answer(403, "Policy does not allow this"), id="refused half way"),
        pytest.param(answer(500, "Unexpected API Error"), id="an error of the cloud"),
        pytest.param(Fault(cut=40), id="an answer that was cut"),
        pytest.param(Fault(is_reset=True), id="a reset"),
    ],
)
def test_a_listing_that_breaks_off_is_none(tap: Tap, fault: Fault) -> None:
    """A later page that fails in whatever way may do better at the next cycle."""
    tap.restart(page_size=1)
    tap.cloud.add_foreign("one")
    tap.cloud.add_foreign("two")
    tap.cloud.fail_next("machines", Fault(), fault)
    with pytest.raises(Unavailable):
        tap.space.machines()
    assert names(tap) == ["one", "two"]


def test_a_listing_that_is_refused_needs_a_person(tap: Tap) -> None:
    """The first page tells whether we may list at all."""
    tap.cloud.fail_next("machines", answer(403, "Policy does not allow this"))
    with pytest.raises(Refused, match="Policy"):
        tap.space.machines()
