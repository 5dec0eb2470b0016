"""A project of a test's own, so that what it leaves behind can be told from what others do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from openstack.compute.v2.server import Server
from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from tests.openstack_bed.accounts import connection, identity, make_user
from tests.openstack_bed.furniture import make_network
from tests.openstack_bed.places import HOPELESS, IMAGE, PASSWORD, REGION, Bed, url
from tests.openstack_bed.processes import BedError, wait_until
from vcycled.options import Secret
from vcycled.spaces.openstack import OpenStackOptions

ROOT_IMAGE = f"image:{IMAGE}"
_GONE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project, its user, and what is to be seen of them."""

    name: str
    """Also the user's."""
    id: str
    user_id: str
    cloud: Connection
    """As its user; of the SDK, so it shares nothing with the product."""
    admin: Connection

    def options(self, **changes: Any) -> OpenStackOptions:  # noqa: ANN401 - replace() refuses wrong names
        """Return the options of a space here, that asks as often as it likes."""
        usual = OpenStackOptions(
            url=url("keystone", "/v3"),
            username=self.name,
            password=Secret(PASSWORD),
            project_name=self.name,
            api_calls_per_second=1000.0,
            api_burst=1000,
        )
        return replace(usual, **changes)

    def set_quota(self, **limits: int) -> None:
        """Limit what Nova gives: `instances`, `cores`, `ram`, `key_pairs`."""
        self.admin.compute.put(f"/os-quota-sets/{self.id}", json={"quota_set": limits})

    def set_ports(self, limit: int) -> None:
        """Limit how many ports Neutron gives."""
        self.admin.network.update_quota(self.id, ports=limit)

    def allow_hopeless(self) -> None:
        """Let the project ask for the flavor that no host has room for."""
        flavor = self.admin.compute.find_flavor(HOPELESS, ignore_missing=False)
        self.admin.compute.flavor_add_tenant_access(flavor.id, self.id)

    def left(self) -> tuple[str, ...]:
        """Return everything there is that machines are made of or leave behind."""
        cloud, admin = self.cloud, self.admin
        ports = admin.network.ports(project_id=self.id)
        volumes = admin.block_storage.volumes(all_projects=True, project_id=self.id)
        return (
            *(f"server {each.name} {each.status}" for each in self._servers()),
            *(f"key pair {each.name}" for each in cloud.compute.keypairs()),
            *(f"image {each.name} {each.status}" for each in cloud.image.images(owner=self.id)),
            *(f"port {each.id} {each.device_owner}" for each in ports),
            *(f"volume {each.id} {each.status}" for each in volumes),
        )

    def _servers(self) -> Iterator[Server]:
        """Yield its servers, also those that were deleted and are kept, which admins alone see."""
        yield from self.cloud.compute.servers()
        query = f"all_tenants=1&project_id={self.id}&status=SOFT_DELETED&deleted=1"
        answer = self.admin.compute.get(f"/servers/detail?{query}").json()
        yield from (Server.existing(**each) for each in answer["servers"])

    def clear_servers(self) -> None:
        """Delete all servers, and wait until they are gone.

        Raises:
            BedError: they do not go, and whatever comes next would take them for its own.
        """
        for server in list(self._servers()):
            with suppress(NotFoundException):  # it is just going
                self.admin.compute.delete_server(server.id, force=True)
        if not wait_until(lambda: not any(self._servers()), _GONE_S):
            raise BedError(f"servers of {self.name} do not go: {', '.join(self.left())}")

    def clear(self) -> None:
        """Delete all there is, and wait until the servers are gone."""
        self.clear_servers()
        cloud, admin = self.cloud, self.admin
        for pair in list(cloud.compute.keypairs()):
            cloud.compute.delete_keypair(pair)
        for image in list(cloud.image.images(owner=self.id)):
            cloud.image.delete_image(str(image.id))
        for volume in list(cloud.block_storage.volumes()):
            admin.block_storage.delete_volume(str(volume.id), force=True)
        for port in list(admin.network.ports(project_id=self.id)):
            admin.network.delete_port(port)


@contextmanager
def new_project(bed: Bed, *, has_network: bool = False) -> Iterator[Project]:
    """Make a project with a user of the same name; remove it with all that is in it."""
    name = f"live-{secrets.token_hex(4)}"
    with connection(bed, "admin") as admin:
        keystone = identity(admin)
        made = make_user(keystone, name, roles=("member",), projects=(name,))
        with _login(name) as cloud:
            project = Project(
                name=name, id=made.projects[0], user_id=made.user, cloud=cloud, admin=admin
            )
            try:
                if has_network:
                    make_network(cloud)
                yield project
            finally:
                project.clear()
                _remove_networks(project)
                keystone.delete_user(project.user_id)
                keystone.delete_project(project.id)


def _remove_networks(project: Project) -> None:
    for network in list(project.cloud.network.networks(project_id=project.id)):
        project.cloud.network.delete_network(network)


def _login(name: str) -> Connection:
    names = {"username": name, "project_name": name}
    domains = {"user_domain_id": "default", "project_domain_id": "default"}
    where = {"auth_url": url("keystone", "/v3"), "password": PASSWORD}
    return Connection(auth=names | domains | where, region_name=REGION)
