"""Servers and flavors as Nova writes them."""

from __future__ import annotations

import json
from hashlib import sha224

from tests.fakes.openstack.messages import Json, stamp
from tests.fakes.openstack.settings import Flavor
from tests.fakes.openstack.truth import VM_STATES, Server

EMBEDS_FLAVOR = (2, 47)
_FRACTION = "%Y-%m-%dT%H:%M:%S.000000"


class Views:
    """What clients of one project and user see; `place` begins every link to a server."""

    def __init__(self, place: str, project_id: str, user_id: str) -> None:
        self._place = place
        self._project_id = project_id
        self._user_id = user_id

    def listed(self, server: Server, version: tuple[int, int]) -> bytes:
        """Return a server as a listing with details shows it; serialised when it last changed."""
        key = "embedded" if version >= EMBEDS_FLAVOR else "linked"
        if key not in server.shown:
            body = self._server(server, version, has_fault=not server.is_in_cell0)
            server.shown[key] = json.dumps(body).encode()
        return server.shown[key]

    def single(self, server: Server, version: tuple[int, int]) -> Json:
        """Return a server as GET shows it: with its fault wherever it failed."""
        return self._server(server, version, has_fault=True)

    def brief(self, server: Server) -> Json:
        """Return a server as a listing without details shows it."""
        return {"id": server.id, "name": server.name, "links": self._links("servers", server.id)}

    def flavor(self, flavor: Flavor) -> Json:
        """Return a flavor with its details."""
        return {
            "id": flavor.id,
            "name": flavor.name,
            "vcpus": flavor.vcpus,
            "ram": flavor.ram_mb,
            "disk": flavor.disk_gb,
            "swap": "",
            "OS-FLV-EXT-DATA:ephemeral": 0,
            "OS-FLV-DISABLED:disabled": False,
            "os-flavor-access:is_public": True,
            "rxtx_factor": 1.0,
            "links": self._links("flavors", flavor.id),
        }

    def _server(self, server: Server, version: tuple[int, int], *, has_fault: bool) -> Json:
        vm_state, power_state = VM_STATES[server.status]
        asked = server.request or {}
        found: Json = {
            **self.brief(server),
            "status": server.status,
            "tenant_id": self._project_id,
            "user_id": self._user_id,
            "metadata": dict(server.metadata),
            "hostId": "" if server.is_in_cell0 else sha224(server.id.encode()).hexdigest(),
            "image": self._image(server),
            "flavor": self._flavor(server.flavor, version),
            "created": stamp(server.created_at),
            "updated": stamp(server.updated_at),
            "addresses": _addresses(server),
            "accessIPv4": "",
            "accessIPv6": "",
            "OS-DCF:diskConfig": "MANUAL",
            "OS-EXT-AZ:availability_zone": server.zone,
            "OS-EXT-STS:task_state": server.task_state,
            "OS-EXT-STS:vm_state": vm_state,
            "OS-EXT-STS:power_state": power_state,
            "OS-SRV-USG:launched_at": stamp(server.launched_at, _FRACTION),
            "OS-SRV-USG:terminated_at": None,
            "config_drive": "True" if asked.get("config_drive") else "",
            "key_name": asked.get("key_name"),
            "os-extended-volumes:volumes_attached": _volumes(server, version),
        }
        if version >= EMBEDS_FLAVOR:
            found |= {"description": server.name, "locked": False, "tags": []}
        if server.status != "ERROR":
            groups = asked.get("security_groups") or [{"name": "default"}]
            found["security_groups"] = [{"name": each["name"]} for each in groups]
        if server.status in {"ACTIVE", "BUILD"}:
            found["progress"] = 0
        if server.status == "ERROR" and server.fault and has_fault:
            found["fault"] = {
                "code": 500,
                "created": stamp(server.updated_at),
                "message": server.fault,
            }
        return found

    def _image(self, server: Server) -> object:
        if not server.image_id:
            return ""
        return {"id": server.image_id, "links": self._links("images", server.image_id)[1:]}

    def _flavor(self, flavor: Flavor, version: tuple[int, int]) -> Json:
        if version < EMBEDS_FLAVOR:
            return {"id": flavor.id, "links": self._links("flavors", flavor.id)[1:]}
        return {
            "original_name": flavor.name,
            "vcpus": flavor.vcpus,
            "ram": flavor.ram_mb,
            "disk": flavor.disk_gb,
            "ephemeral": 0,
            "swap": 0,
            "extra_specs": {},
        }

    def _links(self, kind: str, thing: str) -> list[Json]:
        plain = self._place.replace("/v2.1", "")
        return [
            {"rel": "self", "href": f"{self._place}/{kind}/{thing}"},
            {"rel": "bookmark", "href": f"{plain}/{kind}/{thing}"},
        ]


def _addresses(server: Server) -> Json:
    if server.launched_at is None:
        return {}
    return {
        network: [
            {
                "version": 6 if ":" in each else 4,
                "addr": each,
                "OS-EXT-IPS:type": "fixed",
                "OS-EXT-IPS-MAC:mac_addr": f"fa:16:3e:{server.number % 256:02x}:00:01",
            }
            for each in addresses
        ]
        for network, addresses in server.addresses.items()
    }


def _volumes(server: Server, version: tuple[int, int]) -> list[Json]:
    if version < (2, 3):
        return [{"id": each} for each in server.volumes]
    return [{"id": each, "delete_on_termination": True} for each in server.volumes]
