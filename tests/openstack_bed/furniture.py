"""What is in a bed from the start: flavors, quotas, an image, a network, a first machine."""

from __future__ import annotations

from openstack.connection import Connection
from openstack.exceptions import SDKException

from tests.openstack_bed.accounts import connection
from tests.openstack_bed.places import BARE, FLAVORS, HOPELESS, IMAGE, NETWORK, Bed
from tests.openstack_bed.processes import BedError, wait_until


def make_flavors(bed: Bed) -> None:
    """Make the flavors; the hopeless one is for projects that ask for it."""
    with connection(bed, "admin") as admin:
        there = {str(each.name) for each in admin.compute.flavors(is_public=None)}
        for name, processors in FLAVORS.items():
            if name not in there:
                admin.compute.create_flavor(
                    name=name,
                    vcpus=processors,
                    ram=2048 * min(processors, 8),
                    disk=10,
                    is_public=name != HOPELESS,
                )


def make_image(bed: Bed) -> None:
    """Make a small image that every project may use."""
    with connection(bed, "admin") as admin:
        if admin.image.find_image(IMAGE) is None:
            admin.image.create_image(
                name=IMAGE,
                disk_format="raw",
                container_format="bare",
                visibility="public",
                data=bytes(1 << 20),
            )


def make_network(cloud: Connection) -> None:
    """Make the network of a project."""
    network = cloud.network.find_network(NETWORK) or cloud.network.create_network(name=NETWORK)
    if not network.subnet_ids:
        # Without DHCP, whose ports would wait for an agent.
        cloud.network.create_subnet(
            network_id=network.id, ip_version=4, cidr="10.64.0.0/16", is_dhcp_enabled=False
        )


def boot_one(bed: Bed, limit_s: float = 60.0) -> None:
    """Boot and delete a machine, which proves that all parts work together.

    Soon after a start the scheduler does not know the host yet; it is tried again until then.

    Raises:
        BedError: no machine runs within `limit_s`.
    """
    faults = [""]

    def boots() -> bool:
        try:
            _boot(cloud)
        except SDKException as error:
            faults.append(str(error))
            return False
        return True

    with connection(bed, BARE) as cloud:
        if not wait_until(boots, limit_s):
            message = f"no machine comes to run: {faults[-1]}; see {bed.log}/nova-*.log"
            raise BedError(message)


def _boot(cloud: Connection) -> None:
    image = cloud.image.find_image(IMAGE, ignore_missing=False)
    flavor = cloud.compute.find_flavor("vc.1", ignore_missing=False)
    server = cloud.compute.create_server(
        name="bed-first", flavor_id=flavor.id, image_id=image.id, networks="none"
    )
    try:
        cloud.compute.wait_for_server(server, wait=30, interval=0.2)
    finally:
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, wait=30, interval=0.2)
