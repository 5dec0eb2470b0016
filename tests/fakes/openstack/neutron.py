"""Network: version 2.0, networks and security groups to look at."""

from __future__ import annotations

from collections.abc import Iterable

from tests.fakes.openstack.messages import (
    Json,
    Rejected,
    Reply,
    Request,
    Route,
    Service,
    as_json,
)
from tests.fakes.openstack.settings import Settings


class Neutron(Service):
    """What network answers."""

    name = "network"

    def __init__(self, settings: Settings, project_id: str) -> None:
        self._settings = settings
        self._project_id = project_id

    def routes(self) -> Iterable[Route]:
        """Return what network can do."""
        yield Route("discover", "GET", r"/?", self._versions, is_open=True)
        yield Route("discover", "GET", r"/v2\.0/?", self._resources)
        yield Route("networks", "GET", r"/v2\.0/networks(?:\.json)?", self._networks)
        yield Route("network", "GET", r"/v2\.0/networks/([^/]+)", self._network)
        yield Route("groups", "GET", r"/v2\.0/security-groups(?:\.json)?", self._groups)

    def explain(self, rejected: Rejected) -> Reply:
        """Return an error as Neutron does."""
        said = {"type": "HTTPError", "message": rejected.message, "detail": ""}
        return as_json({"NeutronError": said}, rejected.status)

    def _versions(self, request: Request) -> Reply:
        link = [{"rel": "self", "href": f"{request.base}/network/v2.0/"}]
        return as_json({"versions": [{"id": "v2.0", "status": "CURRENT", "links": link}]})

    def _resources(self, _request: Request) -> Reply:
        return as_json({"resources": [{"name": "network", "collection": "networks"}]})

    def _networks(self, request: Request) -> Reply:
        known: list[Json] = [
            {
                "id": each.id,
                "name": each.name,
                "status": "ACTIVE",
                "admin_state_up": True,
                "router:external": each.is_external,
                "shared": each.is_external,
                "project_id": self._project_id,
                "subnets": [f"{each.id}-subnet"],
            }
            for each in self._settings.networks
        ]
        return _page(request, "networks", known)

    def _network(self, request: Request, network_id: str) -> Reply:
        for each in self._settings.networks:
            if each.id == network_id:
                return as_json({"network": {"id": each.id, "name": each.name}})
        raise Rejected(404, f"Network {network_id} could not be found.")

    def _groups(self, request: Request) -> Reply:
        known = [{"id": f"sg-{name}", "name": name} for name in self._settings.security_groups]
        return _page(request, "security_groups", known)


def _page(request: Request, kind: str, known: list[Json]) -> Reply:
    """Return those that fit every filter, a page of them if the client gives a limit."""
    query = dict(request.query)
    marker, limit = query.pop("marker", ""), request.number("limit", len(known))
    query.pop("limit", None)
    query.pop("fields", None)
    found = [
        each
        for each in known
        if all(str(each.get(name)).lower() == text.lower() for name, text in query.items())
    ]
    ids = [each["id"] for each in found]
    start = ids.index(marker) + 1 if marker in ids else 0
    shown = found[start : start + limit]
    body: Json = {kind: shown}
    if start + limit < len(found):
        href = f"{request.base}{request.path}?limit={limit}&marker={shown[-1]['id']}"
        body[f"{kind}_links"] = [{"rel": "next", "href": href}]
    return as_json(body)
