"""What went wrong with servers: asked for where listings do not show it."""

from __future__ import annotations

import pytest

from tests import openstack_tap
from tests.fakes.openstack import Fault, answer
from tests.openstack_tap import SERVERS, Tap, request
from vcycled.model import MachineState
from vcycled.spaces.openstack.inventory import MOST_FAULTS

tap = openstack_tap.tap


def test_the_fault_of_a_server_without_host_is_asked_for_once(tap: Tap) -> None:
    """Listings do not show it: such a server never came to a cell. Foreign ones are not asked."""
    tap.space.create(request("vcycle-prod-aaaaaaaaaa"))
    tap.cloud.add_foreign("theirs")
    tap.cloud.fail("vcycle-prod-aaaaaaaaaa", in_cell0=True)
    tap.cloud.fail("theirs", in_cell0=True)
    tap.since()
    for _ in range(2):
        ours = next(each for each in tap.space.machines() if each.name != "theirs")
        assert "No valid host was found" in ours.fault
        assert ours.lacks_capacity
    server = tap.cloud.of("vcycle-prod-aaaaaaaaaa")
    assert tap.since() == [SERVERS, f"GET /servers/{server.id}", SERVERS]


def test_many_faults_are_asked_for_little_by_little(tap: Tap) -> None:
    """A cloud that is full fails hundreds at once; a listing must not cost hundreds of calls."""
    for number in range(MOST_FAULTS + 1):
        tap.space.create(request(f"vcycle-prod-{number:010}"))
        tap.cloud.fail(f"vcycle-prod-{number:010}", in_cell0=True)
    tap.since()
    assert sum(bool(each.fault) for each in tap.space.machines()) == MOST_FAULTS
    assert len(tap.since()) == 1 + MOST_FAULTS
    assert all(each.fault for each in tap.space.machines())
    assert len(tap.since()) == 2


@pytest.mark.parametrize(
    "error", [answer(500, "oops"), answer(404, "Instance could not be found")]
)
def test_a_fault_that_cannot_be_had_does_not_spoil_the_listing(tap: Tap, error: Fault) -> None:
    """The machine has failed all the same; why, the next listing may tell."""
    tap.space.create(request())
    tap.cloud.fail(request().name, in_cell0=True)
    tap.cloud.fail_next("find", error)
    (machine,) = tap.space.machines()
    assert (machine.state, machine.fault) == (MachineState.FAILED, "")
    (machine,) = tap.space.machines()
    assert machine.lacks_capacity


def test_servers_that_tell_no_fault_keep_no_other_from_being_asked(tap: Tap) -> None:
    """There may be as many of them as a listing asks, and they are listed first."""
    tap.space.create(request("vcycle-prod-aaaaaaaaaa"))
    for number in range(MOST_FAULTS):
        tap.space.create(request(f"vcycle-prod-{number:010}"))
        tap.cloud.fail(f"vcycle-prod-{number:010}", "", in_cell0=True)
    tap.space.machines()
    tap.cloud.fail("vcycle-prod-aaaaaaaaaa", in_cell0=True)
    faults = {each.name: each.fault for each in tap.space.machines()}
    assert "No valid host was found" in faults["vcycle-prod-aaaaaaaaaa"]


def test_what_went_wrong_is_forgotten_with_the_machine(tap: Tap) -> None:
    """Nothing grows with the machines that ever failed."""
    tap.space.create(request())
    tap.cloud.fail(request().name, in_cell0=True)
    tap.space.machines()
    tap.cloud.vanish(request().name)
    tap.space.machines()
    assert tap.space._inventory._faults == {}


def test_a_hopeless_flavor_ends_in_want_of_room(tap: Tap) -> None:
    """From the request to what the planner is told."""
    tap.cloud.settings.no_room = frozenset({"large"})
    tap.space.create(request(flavor="large"))
    tap.clock.advance(60)
    (machine,) = tap.space.machines()
    assert (machine.state, machine.lacks_capacity) == (MachineState.FAILED, True)
