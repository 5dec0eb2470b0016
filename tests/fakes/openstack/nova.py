"""Compute: version 2.1 with microversions, for one project."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from urllib.parse import urlencode

from tests.fakes.openstack.cinder import Cinder
from tests.fakes.openstack.glance import Glance
from tests.fakes.openstack.listings import Listing, page
from tests.fakes.openstack.messages import Json, Rejected, Reply, Request, Route, Service, as_json
from tests.fakes.openstack.nova_create import addresses_on, asked_of, networks_asked
from tests.fakes.openstack.nova_keys import Keys
from tests.fakes.openstack.nova_views import Views
from tests.fakes.openstack.settings import Flavor, Settings
from tests.fakes.openstack.spans import Span
from tests.fakes.openstack.truth import Server, Servers, over_quota

T = TypeVar("T")
NO_HOST = "No valid host was found. There are not enough hosts available."
NO_BOOT = "Build of instance aborted: internal error: process exited while connecting to monitor"
_VERSION_HEADER = "OpenStack-API-Version"
_KINDS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
}
_ACTIONS = {
    "forceDelete": "delete",
    "os-getConsoleOutput": "console",
    "os-start": "start",
    "os-stop": "stop",
}


class Nova(Service):
    """What compute answers, and the servers it has."""

    name = "compute"

    def __init__(
        self,
        settings: Settings,
        servers: Servers,
        glance: Glance,
        cinder: Cinder,
        identity: tuple[str, str],
    ) -> None:
        self.listing = Listing()
        self.stuck: dict[str, Span] = {}
        """By operation, `create` or `delete`: how long servers stay as they then are."""
        self.doom: tuple[str, Span] | None = None
        """The fault of servers that are made now, and how long that is so."""
        self.keys = Keys(settings)
        self._settings = settings
        self._servers = servers
        self._glance = glance
        self._cinder = cinder
        self._identity = identity
        servers.on_gone = cinder.release

    def routes(self) -> Iterable[Route]:
        """Return what compute can do."""
        server = r"/v2\.1/servers/([^/]+)"
        yield Route("discover", "GET", r"/?", self._versions, is_open=True)
        yield Route("discover", "GET", r"/v2\.1/?", self._version, is_open=True)
        yield Route("limits", "GET", r"/v2\.1/limits", self._limits)
        yield Route("flavors", "GET", r"/v2\.1/flavors/detail", self._flavors)
        yield Route("flavors", "GET", r"/v2\.1/flavors/([^/]+)", self._flavor)
        yield Route("zones", "GET", r"/v2\.1/os-availability-zone", self._zones)
        yield Route("machines", "GET", r"/v2\.1/servers/detail", self._details)
        yield Route("machines", "GET", r"/v2\.1/servers", self._names)
        yield Route("find", "GET", server, self._show)
        yield Route("create", "POST", r"/v2\.1/servers", self._create)
        yield Route("delete", "DELETE", server, self._delete)
        yield Route("action", "POST", server + "/action", self._act)
        yield from self.keys.routes()

    def operation(self, route: Route, request: Request) -> str:
        """Tell listings from searches by name, and actions from each other."""
        if route.operation == "machines" and "name" in request.query:
            return "find"
        if route.operation == "action":
            return next((_ACTIONS[each] for each in request.json() if each in _ACTIONS), "action")
        return route.operation

    def explain(self, rejected: Rejected) -> Reply:
        """Return an error as Nova does."""
        kind = _KINDS.get(rejected.status, "computeFault")
        return as_json(
            {kind: {"code": rejected.status, "message": rejected.message}}, rejected.status
        )

    # Discovery and what is offered

    def _versions(self, request: Request) -> Reply:
        old = {"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": ""}
        old_link = [{"rel": "self", "href": f"{request.base}/compute/v2/"}]
        return as_json({"versions": [{**old, "links": old_link}, self._about(request)]})

    def _version(self, request: Request) -> Reply:
        return as_json({"version": self._about(request)})

    def _about(self, request: Request) -> Json:
        most = self._settings.max_microversion
        return {
            "id": "v2.1",
            "status": "CURRENT",
            # A cloud without microversions states none, as before Nova had them.
            "version": "" if most == "2.1" else most,
            "min_version": "" if most == "2.1" else "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": f"{request.base}/compute/v2.1/"}],
        }

    def _microversion(self, request: Request) -> tuple[int, int]:
        """Return the version asked for, 2.1 if none is.

        Raises:
            Rejected: this cloud has no such version.
        """
        most = self._settings.max_microversion
        text = request.headers.get("x-openstack-nova-api-version", "2.1")
        if found := re.fullmatch(r"compute ([\d.a-z]+)", request.headers.get(_HEADER, "")):
            text = found[1]
        version = _version_of(most if text == "latest" else text)
        if not (2, 1) <= version <= _version_of(most):
            raise Rejected(
                406,
                f"Version {text} is not supported by the API. Minimum is 2.1 and maximum is "
                f"{most}.",
            )
        return version

    def _limits(self, _request: Request) -> Reply:
        quota, used = self._settings.quota, self._servers.used
        absolute = {
            "maxTotalInstances": quota.instances,
            "maxTotalCores": quota.cores,
            "maxTotalRAMSize": quota.ram_mb,
            "maxTotalKeypairs": quota.key_pairs,
            "maxServerMeta": quota.metadata_items,
            "totalInstancesUsed": used.instances,
            "totalCoresUsed": used.cores,
            "totalRAMUsed": used.ram_mb,
        }
        return as_json({"limits": {"rate": [], "absolute": absolute}})

    def _flavors(self, request: Request) -> Reply:
        known = sorted(self._settings.flavors, key=lambda each: each.id)
        found, links = self._page(request, known, [each.id for each in known], "flavors/detail")
        shown = [self._views(request).flavor(each) for each in found]
        return as_json({"flavors": shown, **({"flavors_links": links} if links else {})})

    def _flavor(self, request: Request, flavor_id: str) -> Reply:
        for each in self._settings.flavors:
            if each.id == flavor_id:
                return as_json({"flavor": self._views(request).flavor(each)})
        raise Rejected(404, f"Flavor {flavor_id} could not be found.")

    def _zones(self, _request: Request) -> Reply:
        up = {"available": True}
        zones = [
            {"zoneName": each, "zoneState": up, "hosts": None} for each in self._settings.zones
        ]
        return as_json({"availabilityZoneInfo": zones})

    # Servers

    def _details(self, request: Request) -> Reply:
        version, views = self._microversion(request), self._views(request)
        found, links = self._listed(request, "servers/detail")
        body = b", ".join(views.listed(each, version) for each in found)
        tail = b', "servers_links": ' + json.dumps(links).encode() if links else b""
        reply = as_json(None)
        reply.body = b'{"servers": [' + body + b"]" + tail + b"}"
        self._servers.place(self.listing.places_per_page)
        return reply

    def _names(self, request: Request) -> Reply:
        self._microversion(request)
        found, links = self._listed(request, "servers")
        shown = [self._views(request).brief(each) for each in found]
        return as_json({"servers": shown, **({"servers_links": links} if links else {})})

    def _listed(self, request: Request, path: str) -> tuple[list[Server], list[Json]]:
        """Return a page of servers and the link to the next one."""
        waiting, placed = self._seen(request)
        limit = min(request.number("limit", self._settings.max_limit), self._settings.max_limit)
        found, is_full = page(waiting, placed, request.query.get("marker", ""), limit)
        return found, self._next(request, path, found[-1].id) if is_full else []

    def _seen(self, request: Request) -> tuple[list[Server], Iterable[Server]]:
        """Return the servers that a request may see: those that wait, and the others."""
        fits = self._filter(request)
        waiting = [each for each in self._servers.waiting if fits(each)]
        placed = filter(fits, self._servers.placed)
        cut = None if "name" in request.query else self.listing.cut
        if cut is None:
            return waiting, placed
        return waiting[:cut], itertools.islice(placed, max(0, cut - len(waiting)))

    def _filter(self, request: Request) -> Callable[[Server], bool]:
        if "name" in request.query:
            try:
                wanted = re.compile(request.query["name"])
            except re.error as error:
                raise Rejected(400, "Invalid regular expression in name") from error
            return lambda each: not each.is_hidden and bool(wanted.search(each.name))
        if "marker" not in request.query:
            self.listing.begin()
        now = self._servers.clock.now()
        return lambda each: not each.is_hidden and self.listing.shows(each, now=now)

    def _show(self, request: Request, server_id: str) -> Reply:
        server = self._servers.find(server_id)
        version = self._microversion(request)
        return as_json({"server": self._views(request).single(server, version)})

    def _create(self, request: Request) -> Reply:
        asked = asked_of(request.json(), self._microversion(request))
        flavor = self._flavor_asked(asked)
        self._check_places(asked)
        image_id = self._image_asked(asked)
        networks = networks_asked(asked, self._settings.networks)
        if over := over_quota(self._settings.quota, self._servers.used, flavor):
            raise Rejected(403, over)
        most = self._settings.quota.ports
        if networks and 0 <= most <= self._servers.used.instances:
            raise Rejected(403, "Maximum number of ports exceeded")
        server = self._servers.new(asked["name"], flavor)
        server.request = asked
        server.metadata = dict(asked.get("metadata", {}))
        server.image_id = image_id
        server.zone = asked.get("availability_zone", "")
        server.addresses = addresses_on(server.number, networks)
        server.first_listing = self.listing.first
        if self._settings.waits_for_host:
            server.task_state = "scheduling"
        is_stuck = self._holds("create")
        self._servers.add(server, start_seconds=None if is_stuck else self._settings.start_seconds)
        self._provide(server, asked)
        groups = asked.get("security_groups", [{"name": "default"}])
        made = self._views(request).brief(server)
        made |= {"OS-DCF:diskConfig": "MANUAL", "security_groups": groups, "adminPass": "x"}
        return as_json(
            {"server": {key: made[key] for key in made if key != "name"}},
            202,
            Location=f"{self._place(request)}/servers/{server.id}",
        )

    def _provide(self, server: Server, asked: Json) -> None:
        """Find a host and make the volumes; what fails there is seen at the server only."""
        now = self._servers.clock.now()
        if server.flavor.name in self._settings.no_room:
            self._servers.fail(server, NO_HOST, at=now, in_cell0=True)
            return
        if self.doom and self.doom[1].use():
            server.doom = self.doom[0]
        server.zone = server.zone or self._settings.zones[0]  # of the host
        for each in asked.get("block_device_mapping_v2", []):
            if each.get("destination_type") != "volume":
                continue
            volume = self._cinder.boot_volume(server, each)
            if volume is None:
                why = "Volume resource quota exceeded"
                fault = f"Build of instance {server.id} aborted: {why}"
                self._servers.fail(server, fault, at=now)
                return
            server.volumes += (volume.id,)

    def _delete(self, _request: Request, server_id: str) -> Reply:
        server = self._servers.find(server_id)
        if self._settings.keeps_deleted and server.launched_at is not None:
            now = self._servers.ask(server)
            ended = now if server.ended_at is None else server.ended_at
            self._servers.change(server, status="SOFT_DELETED", task_state=None, ended_at=ended)
        else:
            self._end(server)
        return Reply(status=204)

    def _end(self, server: Server) -> None:
        is_stuck = self._holds("delete")
        self._servers.end(
            server, delete_seconds=None if is_stuck else self._settings.delete_seconds
        )

    def _holds(self, operation: str) -> bool:
        return operation in self.stuck and self.stuck[operation].use()

    def _act(self, request: Request, server_id: str) -> Reply:
        server = self._servers.find(server_id)
        match request.json():
            case {"forceDelete": _}:
                self._end(server)
            case {"os-stop": _}:
                self._move(server, "stop", "ACTIVE", "SHUTOFF")
            case {"os-start": _}:
                self._move(server, "start", "SHUTOFF", "ACTIVE")
            case {"os-getConsoleOutput": options}:
                return self._console(server, options or {})
            case _:
                raise Rejected(400, "There is no such action")
        return Reply(status=202)

    def _move(self, server: Server, action: str, before: str, after: str) -> None:
        if server.status != before or server.task_state:
            raise Rejected(
                409,
                f"Cannot '{action}' instance {server.id} while it is in vm_state {server.status}",
            )
        ended = self._servers.clock.now() if after == "SHUTOFF" else None
        self._servers.change(server, status=after, ended_at=ended)

    def _console(self, server: Server, options: Json) -> Reply:
        if server.is_in_cell0:
            raise Rejected(409, f"Instance {server.id} is not ready")
        length = options.get("length")
        lines = server.console.splitlines(keepends=True)
        shown = lines if length in (None, -1) else lines[-int(length) :]
        return as_json({"output": "".join(shown)})

    # What a POST names

    def _flavor_asked(self, asked: Json) -> Flavor:
        name = asked["flavorRef"]
        for each in self._settings.flavors:
            if each.id == name:
                return each
        raise Rejected(400, f"Flavor {name} could not be found.")

    def _image_asked(self, asked: Json) -> str:
        devices = asked.get("block_device_mapping_v2", [])
        boots = [each for each in devices if str(each.get("boot_index")) == "0"]
        images = [each["uuid"] for each in boots if each.get("source_type") == "image"]
        named = asked.get("imageRef") or next(iter(images), "")
        if not named:
            raise Rejected(400, "Invalid imageRef provided.")
        if not self._glance.is_active(named):
            raise Rejected(400, f"Image {named} could not be found or is not active.")
        return str(asked.get("imageRef") or "")

    def _check_places(self, asked: Json) -> None:
        key, zone = asked.get("key_name"), asked.get("availability_zone")
        if key is not None and key not in self.keys.by_name:
            raise Rejected(400, "Invalid key_name provided.")
        if zone is not None and zone not in self._settings.zones:
            raise Rejected(400, "The requested availability zone is not available")
        for each in asked.get("security_groups", []):
            if each["name"] not in self._settings.security_groups:
                raise Rejected(400, f"Security group {each['name']} not found for project.")
        most = self._settings.quota.metadata_items
        if 0 <= most < len(asked.get("metadata", {})):
            raise Rejected(403, f"Maximum number of metadata items exceeds {most}")

    # Pages

    def _page(
        self, request: Request, things: Sequence[T], ids: Sequence[str], path: str
    ) -> tuple[Sequence[T], list[Json]]:
        limit = min(request.number("limit", self._settings.max_limit), self._settings.max_limit)
        marker = request.query.get("marker", "")
        if marker and marker not in ids:
            raise Rejected(400, f"marker [{marker}] not found")
        start = ids.index(marker) + 1 if marker else 0
        found = things[start : start + limit]
        is_full = bool(found) and len(found) == limit
        return found, self._next(request, path, ids[start + limit - 1]) if is_full else []

    def _next(self, request: Request, path: str, marker: str) -> list[Json]:
        query = urlencode({**request.query, "marker": marker})
        return [{"rel": "next", "href": f"{self._place(request)}/{path}?{query}"}]

    def _views(self, request: Request) -> Views:
        return Views(self._place(request), *self._identity)

    def _place(self, request: Request) -> str:
        return f"{request.base}/compute/v2.1"


_HEADER = _VERSION_HEADER.lower()


def _version_of(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)\.(\d+)", text)
    if found is None:
        raise Rejected(400, f"API Version String {text} is of invalid format.")
    return int(found[1]), int(found[2])
