"""Machines as Azure shows them: listings, states, times, faults; sizes, limits and leftovers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.azure_kit import AzureBed, azure_bed, request
from tests.fakes.azure import Fault, Settings, Size, answer
from tests.fakes.azure.settings import LARGE, SMALL
from vcycled.errors import Refused
from vcycled.model import Flavor, Limits, ListedMachine, MachineState
from vcycled.spaces.azure import AzureSpace
from vcycled.spaces.base import Leftover, owner_mark
from vcycled.testing.clock import START

NAME = "vcycle-prod-0000000001"
STARTING, RUNNING, SHUTDOWN, DELETING, FAILED, UNKNOWN = MachineState


@pytest.fixture
def bed() -> Iterator[AzureBed]:
    """Serve a cloud that makes machines in five seconds and deletes them in three."""
    with azure_bed(Settings(start_seconds=5, delete_seconds=3)) as found:
        yield found


@pytest.fixture
def space(bed: AzureBed) -> AzureSpace:
    """Return a space on it."""
    return bed.space()


def only(space: AzureSpace) -> ListedMachine:
    """Return the one machine that is listed, which is also what is found."""
    (machine,) = space.machines()
    found = space.find(machine.name, machine.cloud_id)
    assert found is not None
    assert (found.state, found.fault, found.started_at) == (
        machine.state,
        machine.fault,
        machine.started_at,
    )
    return machine


def test_where_it_is_is_told_as_azure_compares_names(bed: AzureBed, space: AzureSpace) -> None:
    """Without case, so that an option in other letters is the same place."""
    group = bed.cloud.settings.group
    assert space.account() == {
        "subscription": bed.cloud.settings.subscription,
        "resource group": group.lower(),
    }
    assert bed.space(resource_group=group.upper()).account() == space.account()
    assert bed.space(resource_group=f"{group}-2").account() != space.account()


def test_a_machine_is_shown_from_its_first_second_on(bed: AzureBed, space: AzureSpace) -> None:
    """With size, zone, tags and times; its address as soon as its interface has one."""
    cloud_id = space.create(request(zone="2"))
    starting = only(space)
    assert starting == ListedMachine(
        name=NAME,
        cloud_id=cloud_id,
        state=STARTING,
        processors=2,
        memory_mb=8192,
        flavor="Standard_D2s_v5",
        zone="2",
        address="10.1.0.5",
        created_at=START,
        tags=request().tags,
    )
    bed.clock.advance(60)
    assert only(space) == replace(starting, state=RUNNING, started_at=START + 5)


def test_a_machine_starts_no_earlier_than_it_was_made(bed: AzureBed, space: AzureSpace) -> None:
    """Whatever the clocks in the cloud say."""
    space.create(request())
    bed.clock.advance(60)
    bed.cloud.run(NAME)
    for launched_at, started_at in ((START - 1, START), (START, START), (START + 1, START + 1)):
        bed.cloud.change(NAME, launched_at=launched_at)
        assert only(space).started_at == started_at


def test_a_machine_that_powered_itself_off_has_ended(bed: AzureBed, space: AzureSpace) -> None:
    """It keeps its host and costs on: so the manager deletes it, and all of it goes."""
    cloud_id = space.create(request())
    bed.clock.advance(60)
    bed.cloud.finish(NAME)
    machine = only(space)
    assert (machine.state, machine.stopped_at) == (SHUTDOWN, None)
    space.delete(NAME, cloud_id)
    assert only(space).state is DELETING
    bed.clock.advance(3)
    assert space.machines() == []
    assert bed.cloud.parts == set()


@pytest.mark.parametrize(
    ("policy", "state"), [("delete", None), ("deallocate", SHUTDOWN)], ids=["gone", "ended"]
)
def test_a_spot_machine_that_azure_takes_back_has_ended(
    bed: AzureBed, policy: str, state: MachineState | None
) -> None:
    """By the policy it is gone, or shown as deallocated."""
    space = bed.space(priority="spot", eviction_policy=policy)
    space.create(request())
    bed.clock.advance(60)
    bed.cloud.evict(NAME)
    assert [each.state for each in space.machines()] == ([state] if state else [])


@pytest.mark.parametrize(
    ("code", "text", "capacity", "quota"),
    [
        ("AllocationFailed", "Allocation failed.", True, False),
        ("QuotaExceeded", "Too many ports.", False, True),
        ("OSProvisioningInternalError", "It did not boot.", False, False),
    ],
)
def test_a_machine_that_could_not_be_made_says_why(
    bed: AzureBed, space: AzureSpace, code: str, text: str, capacity: bool, quota: bool
) -> None:
    """Azure agreed to make it, and found out later."""
    space.create(request())
    bed.cloud.fail(NAME, code, text)
    machine = only(space)
    assert (machine.state, machine.fault) == (FAILED, f"{code}: {text}")
    assert (machine.lacks_capacity, machine.lacks_quota) == (capacity, quota)


def test_a_machine_whose_agent_never_reported_runs_all_the_same(
    bed: AzureBed, space: AzureSpace
) -> None:
    """Its image has none: Azure calls that a failure, but the machine works."""
    space.create(request())
    bed.cloud.fail(NAME, "OSProvisioningTimedOut", "No report in time.")
    bed.cloud.change(NAME, power="running")
    machine = only(space)
    assert (machine.state, machine.fault, machine.started_at) == (RUNNING, "", None)


def test_a_machine_of_which_azure_cannot_tell_how_it_is_counts(
    bed: AzureBed, space: AzureSpace
) -> None:
    """Its state is unknown, and nothing follows from that."""
    space.create(request())
    bed.clock.advance(60)
    bed.cloud.listing.no_status = {NAME}
    (machine,) = space.machines()
    assert (machine.state, machine.processors) == (UNKNOWN, 2)


def test_a_machine_that_failed_without_a_word_has_failed(bed: AzureBed, space: AzureSpace) -> None:
    """Its provisioning state is in the other listing."""
    space.create(request())
    bed.cloud.fail(NAME)
    bed.cloud.listing.no_status = {NAME}
    (machine,) = space.machines()
    assert (machine.state, machine.fault) == (FAILED, "")


def test_a_machine_just_made_that_has_no_status_yet_is_starting(
    bed: AzureBed, space: AzureSpace
) -> None:
    """The two listings are not of one instant."""
    space.create(request())
    bed.cloud.listing.no_status = {NAME}
    assert [each.state for each in space.machines()] == [STARTING]


def test_a_listing_takes_two_calls_a_page_and_one_look_at_addresses(
    bed: AzureBed, space: AzureSpace
) -> None:
    """And none for addresses while no machine is new."""
    bed.cloud.settings.page_size = 3
    for number in range(7):
        space.create(request(f"vcycle-prod-000000000{number}"))
    space.flavors()
    bed.cloud.calls.clear()
    machines = space.machines()
    assert bed.cloud.calls == {"machines": 3, "states": 3, "interfaces": 3}
    assert len({each.address for each in machines} - {""}) == len(machines) == 7
    space.machines()
    assert bed.cloud.calls == {"machines": 6, "states": 6, "interfaces": 3}


def test_a_listing_stands_without_addresses(bed: AzureBed, space: AzureSpace) -> None:
    """A role without that permission costs the addresses and nothing else."""
    space.create(request())
    bed.cloud.fail_next("interfaces", answer(403, "AuthorizationFailed", "no"))
    assert [each.address for each in space.machines()] == [""]
    assert [each.address for each in space.machines()] == ["10.1.0.5"]


def test_interfaces_that_cannot_be_read_cost_addresses_only(
    bed: AzureBed, space: AzureSpace
) -> None:
    """Whatever stands in their place."""
    space.create(request())
    headers = {"Content-Type": "application/json"}
    for body in ("[]", '{"value": 7}', '{"value": [7, {"properties": {}}]}'):
        bed.cloud.fail_next("interfaces", Fault(status=200, body=body, headers=headers))
        assert [each.address for each in space.machines()] == [""]


def test_a_machine_that_moves_to_a_further_page_is_listed_once(
    bed: AzureBed, space: AzureSpace
) -> None:
    """Another is made in front of it while the pages are read."""
    bed.cloud.settings.page_size = 1
    for number in range(3):
        bed.cloud.add_foreign(f"theirs-{number}")

    def move(operation: str) -> None:
        if operation == "machines" and bed.cloud.calls["machines"] == 1:
            here = bed.cloud.machines.by_name
            here["theirs-0"] = here.pop("theirs-0")
            here["theirs-2"] = here.pop("theirs-2")

    bed.cloud.add_foreign("theirs-3")
    bed.cloud.latency = move
    names = [each.name for each in space.machines()]
    assert len(names) == len(set(names))


def test_foreign_machines_count_and_their_tags_are_dropped(
    bed: AzureBed, space: AzureSpace
) -> None:
    """One of Vcycle 3's kind, that names its machinetype, keeps them."""
    bed.cloud.add_foreign("theirs", size=LARGE.name, tags={"owner": "them"})
    bed.cloud.add_foreign("old", tags={"machinetype": "prod"})
    found = {each.name: each for each in space.machines()}
    assert (found["theirs"].processors, dict(found["theirs"].tags)) == (8, {})
    assert dict(found["old"].tags) == {"machinetype": "prod"}


def test_by_its_name_alone_only_a_machine_of_ours_is_deleted(
    bed: AzureBed, space: AzureSpace
) -> None:
    """A foreign one of that name stays, and one that is meant by its id goes."""
    cloud_id = bed.cloud.add_foreign(NAME)
    space.delete(NAME)
    space.delete(NAME, "another-id")
    assert bed.cloud.of(NAME).deletes == 0
    space.delete(NAME, cloud_id)
    assert bed.cloud.of(NAME).deletes == 1


def test_a_deletion_that_takes_long_is_repeated_by_force(bed: AzureBed, space: AzureSpace) -> None:
    """The first is not: it lets the machine shut down."""
    cloud_id = space.create(request())
    space.delete(NAME, cloud_id)
    assert bed.cloud.of(NAME).forced == 0
    space.delete(NAME, cloud_id)
    assert (bed.cloud.of(NAME).deletes, bed.cloud.of(NAME).forced) == (2, 1)


# Sizes and limits


def test_sizes_have_their_real_processors_and_memory(bed: AzureBed, space: AzureSpace) -> None:
    """Constrained ones have fewer; those that the subscription may not use are not offered."""
    few = Size(
        name="Standard_E4-2s_v5", vcpus=4, memory_gb=32, capabilities={"vCPUsAvailable": "2"}
    )
    bed.cloud.settings.sizes = (
        SMALL,
        few,
        Size(name="Standard_B1ls", vcpus=1, memory_gb=0.5),
        Size(name="Standard_M128s", vcpus=128, memory_gb=2048, restriction="Location"),
        Size(name="Standard_NC6", vcpus=6, memory_gb=56, restriction="Zone"),
        Size(name="Standard_Odd", vcpus=0, memory_gb=1),
    )
    assert space.flavors() == (
        Flavor(name="Standard_D2s_v5", processors=2, memory_mb=8192),
        Flavor(name="Standard_E4-2s_v5", processors=2, memory_mb=32768),
        Flavor(name="Standard_B1ls", processors=1, memory_mb=512),
        Flavor(name="Standard_NC6", processors=6, memory_mb=57344),
    )


@pytest.mark.parametrize("name", ["Standard_F2s_v2", "Standard_D2s_v3", "Standard_D2s_v6"])
def test_a_size_is_known_whether_the_sdk_has_a_word_for_it_or_not(
    bed: AzureBed, space: AzureSpace, name: str
) -> None:
    """It has one for each of the older ones, and not for the newer."""
    bed.cloud.settings.sizes = (replace(LARGE, name=name),)
    space.create(request(flavor=name))
    (machine,) = space.machines()
    assert (machine.processors, machine.flavor) == (8, name)


def test_a_machine_of_a_size_that_is_not_offered_any_more_counts(
    bed: AzureBed, space: AzureSpace
) -> None:
    """With what the size has; if Azure has forgotten it, as others' part of the quota."""
    bed.cloud.settings.cores = 20
    bed.cloud.add_foreign("theirs", size=LARGE.name)
    bed.cloud.settings.sizes = (SMALL, replace(LARGE, restriction="Location"))
    assert [each.processors for each in space.machines()] == [8]
    bed.cloud.settings.sizes = (SMALL,)
    space.flavors()
    space.limits()
    (machine,) = space.machines()
    assert (machine.processors, machine.flavor) == (0, "Standard_D8s_v5")
    assert space.limits().processors == 12


def test_limits_are_what_others_leave_of_the_quota(bed: AzureBed, space: AzureSpace) -> None:
    """Those outside the group count from the next look on; our own machines do not."""
    bed.cloud.settings.cores = 100
    assert space.limits() == Limits(processors=100, machines=25000)
    bed.cloud.settings.others_cores = 30
    space.create(request())
    bed.cloud.add_foreign("theirs", size=LARGE.name)
    space.limits()
    space.machines()
    assert space.limits() == Limits(processors=70, machines=25000)
    bed.cloud.settings.others_cores = 0
    space.machines()
    space.limits()
    space.machines()
    assert space.limits().processors == 100


def test_a_quota_that_azure_does_not_state_is_no_limit(bed: AzureBed, space: AzureSpace) -> None:
    """The manager's own limits hold then."""
    headers = {"Content-Type": "application/json"}
    bed.cloud.fail_next("limits", Fault(status=200, body='{"value": []}', headers=headers))
    assert space.limits() == Limits()
    space.machines()


def test_limits_of_spot_machines_are_their_own(bed: AzureBed) -> None:
    """Regular ones in the group count against the other quota."""
    bed.cloud.settings.spot_cores = 20
    bed.cloud.add_foreign("theirs", size=LARGE.name)
    spot = bed.space(priority="spot")
    spot.create(request())
    for _ in range(2):
        assert spot.limits().processors == 20
        spot.machines()


def test_machines_of_another_region_take_nothing_of_the_quota(
    bed: AzureBed, space: AzureSpace
) -> None:
    """They are listed, as they are in the group."""
    bed.cloud.settings.cores = 50
    bed.cloud.settings.others_cores = 8
    bed.cloud.add_foreign("theirs", size=LARGE.name)
    bed.cloud.change("theirs", location="northeurope")
    space.limits()
    assert len(space.machines()) == 1
    assert space.limits().processors == 42


# What is left over


def test_a_disk_that_outlived_its_machine_is_left_over(bed: AzureBed, space: AzureSpace) -> None:
    """By the owner's mark in its name; one in use or of somebody else is none."""
    space.create(request())
    mark = owner_mark("installation")
    lost = f"vcycle-prod-0000000009-os-{mark}"
    bed.cloud.machines.disks |= {lost: "", "theirs": "", "vcycle-theirs": ""}
    assert space.leftovers(()) == (Leftover(kind="volume", id=lost, name=lost, owner_mark=mark),)
    for each in space.leftovers(()):
        space.remove(each)
        space.remove(each)
    assert space.leftovers(()) == ()
    assert set(bed.cloud.machines.disks) == {f"{NAME}-os-{mark}", "theirs", "vcycle-theirs"}


def test_an_interface_whose_machine_never_came_to_be_is_left_over(
    bed: AzureBed, space: AzureSpace
) -> None:
    """By its tags; one in use or of somebody else is none. Its disk is left too."""
    space.create(request())
    lost = request("vcycle-prod-0000000002")
    space.create(lost)
    bed.cloud.abandon(lost.name)
    bed.cloud.machines.interfaces |= {"theirs": "", f"vcycle-x-nic-{'0' * 12}": ""}
    mark = owner_mark("installation")
    nic, disk = f"{lost.name}-nic-{mark}", f"{lost.name}-os-{mark}"
    bed.cloud.settings.page_size = 1
    assert space.leftovers(()) == (
        Leftover(kind="volume", id=disk, name=disk, owner_mark=mark),
        Leftover(kind="interface", id=nic, name=nic, tags=lost.tags),
    )
    for each in space.leftovers(()):
        space.remove(each)
        space.remove(each)
    assert space.leftovers(()) == ()
    used = {f"{NAME}-os-{mark}", f"{NAME}-nic-{mark}"}
    assert bed.cloud.parts == used | {"theirs", f"vcycle-x-nic-{'0' * 12}"}


def test_an_interface_that_is_in_use_again_is_not_deleted(
    bed: AzureBed, space: AzureSpace
) -> None:
    """Azure sees to it; the next sweep does not show it."""
    space.create(request())
    (name,) = bed.cloud.machines.interfaces
    with pytest.raises(Refused, match="NicInUse"):
        space.remove(Leftover(kind="interface", id=name))
    assert space.leftovers(()) == ()


@pytest.mark.parametrize(
    "member",
    [
        {"name": "x", "tags": {"vcycle_installation": "installation"}},
        {
            "name": "x",
            "tags": {"vcycle_installation": "installation"},
            "properties": {"virtualMachine": "who knows"},
        },
    ],
)
def test_an_interface_of_which_azure_does_not_tell_whose_it_is_is_not_left_over(
    bed: AzureBed, space: AzureSpace, member: object
) -> None:
    """Only one that is told to be on no machine is."""
    body = json.dumps({"value": [member]})
    headers = {"Content-Type": "application/json"}
    bed.cloud.fail_next("interfaces", Fault(status=200, body=body, headers=headers))
    assert space.leftovers(()) == ()


def test_azure_shows_no_console_and_keeps_no_images_of_ours(space: AzureSpace) -> None:
    """Boot diagnostics need a storage account; images are made with Azure's own tools."""
    assert space.console(NAME, "id") == ""
    assert space.image_store() is None
    assert space.notices() == ()
