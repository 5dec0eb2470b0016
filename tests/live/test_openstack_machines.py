"""What a real Nova, Neutron and Cinder make of machines, and what they say when they do not."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.live import ON_OPENSTACK, PATIENT
from tests.live.conftest import MakeSpace
from tests.openstack_bed.lifecycle import held
from tests.openstack_bed.places import HOPELESS, IMAGE, NETWORK, PASSWORD, REGION, Bed, url
from tests.openstack_bed.project import ROOT_IMAGE, Project
from vcycled.errors import QuotaExceeded, Refused, Unavailable
from vcycled.model import ListedMachine, MachineState
from vcycled.spaces.base import CreateRequest, Space, owner_mark
from vcycled.spaces.openstack import OpenStackSpace

pytestmark = [*ON_OPENSTACK, PATIENT]

Until = Callable[[Callable[[], bool]], None]
INSTALLATION = "0123456789ab-live"
USER_DATA = bytes(range(256)) * 4


def request(name: str, **changes: Any) -> CreateRequest:  # noqa: ANN401 - replace() refuses wrong names
    """Return a request for a small machine."""
    usual = CreateRequest(
        name=name,
        uuid=f"uuid-of-{name}",
        machinetype="live",
        flavor="vc.1",
        zone="",
        user_data=USER_DATA,
        tags={"vcycle_installation": INSTALLATION, "vcycle_uuid": f"uuid-of-{name}"},
        image=ROOT_IMAGE,
    )
    return replace(usual, **changes)


def seen(space: Space, name: str) -> ListedMachine | None:
    """Return a machine as the listing shows it."""
    return next((each for each in space.machines() if each.name == name), None)


def state(space: Space, name: str) -> MachineState | None:
    """Return the state of a machine in the listing."""
    machine = seen(space, name)
    return machine.state if machine else None


def running(space: Space, name: str) -> Callable[[], bool]:
    """Return a function that tells whether the listing shows a machine as running."""
    return lambda: state(space, name) is MachineState.RUNNING


def failed(space: Space) -> list[ListedMachine]:
    """Return the machines that failed and say why, which Nova notes a moment later."""
    return [each for each in space.machines() if each.state is MachineState.FAILED and each.fault]


@pytest.fixture(autouse=True)
def _no_machine_is_left(project: Project) -> Iterator[None]:
    """End each test without machines, whatever it left."""
    yield
    project.clear_servers()


PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PUBLIC_KEYS: Mapping[str, PublicKey] = {
    "rsa": rsa.generate_private_key(65537, 2048).public_key(),
    "ecdsa": ec.generate_private_key(ec.SECP256R1()).public_key(),
    "ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
}


@pytest.mark.parametrize("named", ["by the cloud", "by name", "by id"])
def test_a_machine_on_a_network_has_an_address_and_leaves_no_port(
    networked: Project, make_space: MakeSpace, until: Until, named: str
) -> None:
    """The project's only network, chosen by the cloud or by us."""
    network = networked.cloud.network.find_network(NETWORK, ignore_missing=False)
    options: Mapping[str, dict[str, Any]] = {
        "by the cloud": {},
        "by name": {"networks": (NETWORK,)},
        "by id": {"network_uuid": str(network.id)},
    }
    space = make_space(networked, **options[named])
    cloud_id = space.create(request("vcycle-live-network001"))
    until(running(space, "vcycle-live-network001"))
    machine = seen(space, "vcycle-live-network001")
    assert machine is not None
    assert machine.address.startswith("10.64.")
    space.delete("vcycle-live-network001", cloud_id)
    until(lambda: networked.left() == ())


def test_user_data_and_config_drive_arrive(project: Project, make_space: MakeSpace) -> None:
    """To the byte; the drive only where it was asked for."""
    plain = make_space(project).create(request("vcycle-live-userdata01"))
    driven = make_space(project, config_drive=True).create(request("vcycle-live-userdata02"))
    # One by one: a listing of all projects may lose a server while others are made.
    servers = [project.admin.compute.get_server(each) for each in (plain, driven)]
    assert [base64.b64decode(each.user_data) for each in servers] == [USER_DATA, USER_DATA]
    assert [bool(each.has_config_drive) for each in servers] == [False, True]


def test_user_data_of_the_size_that_nova_takes_is_taken_and_one_byte_more_is_not(
    project: Project, make_space: MakeSpace
) -> None:
    """The limit that we state is Nova's own."""
    space = make_space(project)
    most = OpenStackSpace.user_data_limit
    assert most is not None
    space.create(request("vcycle-live-userdata03", user_data=b"x" * most))
    before = space.calls.total()
    with pytest.raises(Refused, match=f"{most + 1} bytes"):
        space.create(request("vcycle-live-userdata04", user_data=b"x" * (most + 1)))
    assert space.calls.total() == before
    assert project.cloud.compute.find_server("vcycle-live-userdata04") is None


@pytest.mark.parametrize("kind", PUBLIC_KEYS)
def test_keys_of_every_type_are_put_once_and_removed_when_unused(
    project: Project, make_space: MakeSpace, until: Until, kind: str
) -> None:
    """Two machines, another comment, another space object: one key pair; then none."""
    key = PUBLIC_KEYS[kind].public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    one, two = make_space(project), make_space(project)
    names = [f"vcycle-live-{kind:-<8}{number:02}" for number in range(2)]
    one.create(request(names[0], public_key=f"{key} root@here"))
    two.create(request(names[1], public_key=f"{key} somebody else"))
    (pair,) = project.cloud.compute.keypairs()
    assert pair.name.startswith(f"vcycle-{owner_mark(INSTALLATION)}-")
    assert {each.key_name for each in project.cloud.compute.servers()} == {pair.name}
    assert len(one.machines()) == 2
    assert one.leftovers(()) == ()
    for name in names:
        one.delete(name)
    until(lambda: one.machines() == ())
    assert one.leftovers((key,)) == ()
    (left,) = one.leftovers(())
    assert (left.kind, left.owner_mark) == ("keypair", owner_mark(INSTALLATION))
    one.remove(left)
    one.remove(left)
    assert project.left() == ()


def test_a_flavor_that_no_host_has_room_for_ends_in_a_fault_that_is_told(
    project: Project, make_space: MakeSpace, until: Until
) -> None:
    """Such a server never leaves the cell for lost ones, where a listing does not show faults."""
    project.allow_hopeless()
    space = make_space(project)
    assert HOPELESS in {each.name for each in space.flavors()}
    space.create(request("vcycle-live-hopeless01", flavor=HOPELESS))
    until(lambda: len(failed(space)) == 1)
    (machine,) = failed(space)
    assert "No valid host was found" in machine.fault
    assert machine.lacks_capacity
    assert not machine.lacks_quota
    space.delete(machine.name, machine.cloud_id)
    until(lambda: space.machines() == ())


@pytest.mark.parametrize(
    "quota", [{"instances": 1}, {"cores": 1}, {"ram": 2048}], ids=["instances", "cores", "ram"]
)
def test_a_quota_that_is_used_up_is_told_from_other_refusals(
    project: Project, make_space: MakeSpace, until: Until, quota: dict[str, int]
) -> None:
    """403 at the POST; and the limit was to be seen before."""
    space = make_space(project)
    project.set_quota(**quota)
    try:
        limits = space.limits()
        assert sorted(quota.values()) == [
            each
            for each in (limits.machines, limits.processors, limits.memory_mb)
            if each in quota.values()
        ]
        space.create(request("vcycle-live-quota00001"))
        until(running(space, "vcycle-live-quota00001"))  # Nova counts what has a host
        with pytest.raises(QuotaExceeded, match="403"):
            space.create(request("vcycle-live-quota00002"))
        assert [each.name for each in space.machines()] == ["vcycle-live-quota00001"]
    finally:
        project.set_quota(instances=20000, cores=80000, ram=-1)


def test_a_quota_that_is_passed_unseen_ends_in_a_fault_that_is_told(
    bed: Bed, project: Project, make_space: MakeSpace, until: Until
) -> None:
    """Two requests before either has a host: Nova takes both, and counts again with the hosts."""
    space = make_space(project)
    project.set_quota(instances=1)
    try:
        with held(bed, "nova-scheduler"):
            for number in range(2):
                space.create(request(f"vcycle-live-recheck0{number:02}"))
        until(lambda: bool(failed(space)))
        for machine in failed(space):
            assert (machine.lacks_quota, machine.lacks_capacity) == (True, False), machine
    finally:
        project.set_quota(instances=20000)


def test_no_quota_is_no_limit(project: Project, make_space: MakeSpace) -> None:
    """Nova says -1."""
    project.set_quota(instances=-1, cores=-1, ram=-1)
    limits = make_space(project).limits()
    assert (limits.processors, limits.machines, limits.memory_mb) == (None, None, None)


def test_a_machine_for_which_there_is_no_port_is_refused_for_want_of_quota(
    networked: Project, make_space: MakeSpace
) -> None:
    """Nova asks Neutron for its quota before it takes a request."""
    space = make_space(networked)
    networked.set_ports(0)
    try:
        with pytest.raises(QuotaExceeded, match="ports"):
            space.create(request("vcycle-live-ports00001"))
    finally:
        networked.set_ports(-1)
    assert networked.left() == ()


def test_a_volume_whose_machine_failed_is_swept(
    project: Project, make_space: MakeSpace, until: Until
) -> None:
    """Cinder's fake volumes cannot be booted from: the machine fails, its volume must not stay."""
    space = make_space(project)
    space.create(request("vcycle-live-volume0001", volume_gb=1))
    until(lambda: state(space, "vcycle-live-volume0001") is MachineState.FAILED)
    space.leftovers(())  # tags what hangs on a machine
    space.delete("vcycle-live-volume0001")
    until(lambda: space.machines() == ())

    def is_swept() -> bool:
        for each in space.leftovers(()):
            space.remove(each)
        return project.left() == ()

    until(is_swept)


def test_a_listing_in_small_pages_is_complete_or_fails(
    project: Project, make_space: MakeSpace, until: Until
) -> None:
    """Two at a time, also while Nova moves servers from one list of its own to another."""
    space = make_space(project, page_size=2)
    names = {f"vcycle-live-pages{number:05}" for number in range(6)}
    for name in names:
        space.create(request(name))

    def all_run() -> bool:
        try:
            listed = space.machines()
        except Unavailable:
            return False
        assert {each.name for each in listed} == names
        assert len(listed) == len(names)
        return {each.state for each in listed} == {MachineState.RUNNING}

    until(all_run)
    before = space.calls["machines"]
    assert len(space.machines()) == len(names)
    assert space.calls["machines"] == before + 4  # one behind a full page, though it is empty


def test_two_servers_of_one_name_are_both_seen_and_a_foreign_one_stays(
    project: Project, make_space: MakeSpace, until: Until
) -> None:
    """Ours is found and deleted by its name alone, the other is counted."""
    space = make_space(project)
    ours = space.create(request("vcycle-live-twins00001"))
    image = project.cloud.image.find_image(IMAGE, ignore_missing=False)
    flavor = project.cloud.compute.find_flavor("vc.2", ignore_missing=False)
    theirs = project.cloud.compute.create_server(
        name="vcycle-live-twins00001", flavor_id=flavor.id, image_id=image.id, networks="none"
    )
    listed = {each.cloud_id: each.processors for each in space.machines()}
    assert listed == {ours: 1, theirs.id: 2}
    found = space.find("vcycle-live-twins00001")
    assert found is not None
    assert found.cloud_id == ours
    space.delete("vcycle-live-twins00001")
    until(lambda: [each.cloud_id for each in space.machines()] == [theirs.id])


def test_a_machine_that_stops_by_itself_is_shut_down_and_tells_its_last_lines(
    project: Project, make_space: MakeSpace, until: Until
) -> None:
    """Power-off from inside is SHUTOFF; the console is what the fake driver always says."""
    space = make_space(project)
    cloud_id = space.create(request("vcycle-live-console001"))
    until(running(space, "vcycle-live-console001"))
    assert "LAST LINE" in space.console("vcycle-live-console001", cloud_id)
    project.cloud.compute.stop_server(cloud_id)
    until(lambda: state(space, "vcycle-live-console001") is MachineState.SHUTDOWN)
    assert space.console("vcycle-live-console001", "no-such-id") == ""


@pytest.mark.parametrize(("action", "status"), [("pause", "PAUSED"), ("suspend", "SUSPENDED")])
def test_a_machine_that_somebody_halts_is_still_there(
    project: Project, make_space: MakeSpace, until: Until, action: str, status: str
) -> None:
    """It is neither running nor ended: nothing is concluded from it."""
    space = make_space(project)
    name = "vcycle-live-halted0001"
    cloud_id = space.create(request(name))
    until(running(space, name))
    project.cloud.compute.post(f"/servers/{cloud_id}/action", json={action: None})
    until(lambda: project.cloud.compute.get_server(cloud_id).status == status)
    assert state(space, name) is MachineState.UNKNOWN


def test_what_a_cloud_keeps_after_a_delete_is_deleted_by_force(
    project: Project, make_space: MakeSpace, until: Until, tmp_path: Path
) -> None:
    """A second API of the bed only marks servers as deleted; a second delete ends them."""
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        f"clouds:\n  soft:\n    region_name: {REGION}\n"
        f"    compute_endpoint_override: {url('nova-api-soft', '/v2.1')}\n    auth:\n"
        f"      auth_url: {url('keystone', '/v3')}\n      password: {PASSWORD}\n"
        f"      username: {project.name}\n      project_name: {project.name}\n"
        "      user_domain_id: default\n      project_domain_id: default\n"
    )
    nobody = {"username": None, "password": None, "project_name": None, "url": None}
    space = make_space(project, **nobody, cloud="soft", clouds_file=str(clouds))
    name = "vcycle-live-soft000001"
    cloud_id = space.create(request(name))
    until(running(space, name))
    space.delete(name, cloud_id)
    until(lambda: project.left() == (f"server {name} SOFT_DELETED",))
    assert space.find(name, cloud_id) is not None
    space.delete(name, cloud_id)
    until(lambda: space.find(name, cloud_id) is None)
    assert project.left() == ()
