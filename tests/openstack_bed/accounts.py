"""Accounts of a bed: one of all services, and projects with a user for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from openstack.config import OpenStackConfig
from openstack.connection import Connection
from openstack.identity.v3._proxy import Proxy as Identity

from tests.openstack_bed.places import (
    BARE,
    NETWORKED,
    PASSWORD,
    REGION,
    SERVICE,
    Bed,
    url,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A service in the catalogue."""

    kind: str
    name: str
    url: str


_CATALOGUE: Final = (
    Entry(kind="image", name="glance", url=url("glance-api")),
    Entry(kind="placement", name="placement", url=url("placement")),
    Entry(kind="compute", name="nova", url=url("nova-api", "/v2.1")),
    Entry(kind="network", name="neutron", url=url("neutron-server")),
    Entry(kind="volumev3", name="cinderv3", url=url("cinder-api", "/v3/%(project_id)s")),
)
_INTERFACES = ("public", "internal")


def connection(bed: Bed, cloud: str) -> Connection:
    """Return a connection of the SDK to one of the clouds of the bed's clouds.yaml."""
    config = OpenStackConfig(
        config_files=[str(bed.clouds)], vendor_files=[], secure_files=[], load_envvars=False
    )
    return Connection(config=config.get_one(cloud))


def identity(admin: Connection) -> Identity:
    """Return the API of Keystone; the bed's has no other version."""
    api = admin.identity
    assert isinstance(api, Identity)
    return api


def make_identities(bed: Bed) -> None:
    """Make the account of the services, their catalogue, and two projects for tests."""
    with connection(bed, "admin") as admin:
        keystone = identity(admin)
        known = {str(each.type) for each in keystone.services()}
        for entry in _CATALOGUE:
            if entry.kind not in known:
                _register(keystone, entry)
        if "service" not in {str(each.name) for each in keystone.roles()}:
            keystone.create_role(name="service")
        make_user(keystone, SERVICE, roles=("admin", "service"), projects=(SERVICE,))
        make_user(keystone, NETWORKED, roles=("member",), projects=(NETWORKED, BARE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """What Keystone calls a user and its projects."""

    user: str
    projects: tuple[str, ...]


def make_user(
    keystone: Identity, name: str, *, roles: tuple[str, ...], projects: tuple[str, ...]
) -> Ids:
    """Make a user with roles in projects; whatever is there already stays as it is."""
    role_ids = {str(each.name): str(each.id) for each in keystone.roles()}
    user = next(iter(keystone.users(name=name)), None) or keystone.create_user(
        name=name, password=PASSWORD, domain_id="default"
    )
    made = tuple(_project(keystone, each) for each in projects)
    for project in made:
        for role in roles:
            keystone.assign_project_role_to_user(project, user.id, role_ids[role])
    return Ids(user=str(user.id), projects=made)


def _project(keystone: Identity, name: str) -> str:
    there = next(iter(keystone.projects(name=name)), None)
    return str((there or keystone.create_project(name=name, domain_id="default")).id)


def _register(keystone: Identity, entry: Entry) -> None:
    made = keystone.create_service(name=entry.name, type=entry.kind)
    for interface in _INTERFACES:
        keystone.create_endpoint(
            service_id=made.id, interface=interface, url=entry.url, region_id=REGION
        )
