"""Block storage: version 3, volumes only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.fakes.openstack.kept import Keeper
from tests.fakes.openstack.messages import (
    Json,
    Rejected,
    Reply,
    Request,
    Route,
    as_json,
    stamp,
)
from tests.fakes.openstack.truth import Server

_KINDS = {400: "badRequest", 401: "unauthorized", 404: "itemNotFound", 413: "overLimit"}


@dataclass(slots=True, kw_only=True)
class Volume:
    """A volume there is or was."""

    id: str
    size_gb: int
    name: str = ""
    status: str = "available"
    metadata: dict[str, str] = field(default_factory=dict)
    server_id: str = ""
    """Of the server that has it."""
    goes_with_server: bool = False
    created_at: int = 0
    gone_at: int | None = None


class Cinder(Keeper[Volume]):
    """What block storage answers, and the volumes it has."""

    name = "volume"
    missing = "Volume {} could not be found."

    def routes(self) -> Iterable[Route]:
        """Return what block storage can do."""
        volumes = rf"/v3/{self._project_id}/volumes"
        yield Route("discover", "GET", r"/?", self._versions, is_open=True)
        yield Route("discover", "GET", r"/v3/?", self._versions, is_open=True)
        yield Route("volumes", "GET", volumes + "/detail", self._list)
        yield Route("volume", "GET", volumes + "/([^/]+)", self._show)
        yield Route("tag_volume", "POST", volumes + "/([^/]+)/metadata", self._tag)
        yield Route("remove_volume", "DELETE", volumes + "/([^/]+)", self._remove)

    def explain(self, rejected: Rejected) -> Reply:
        """Return an error as Cinder does."""
        kind = _KINDS.get(rejected.status, "computeFault")
        return as_json(
            {kind: {"code": rejected.status, "message": rejected.message}}, rejected.status
        )

    def add(self, size_gb: int, *, name: str = "", **metadata: str) -> Volume:
        """Add a volume that no server has."""
        number = next(self._numbers)
        volume = Volume(
            id=f"{number:08x}-0000-4000-8000-00000000c1de",
            size_gb=size_gb,
            name=name,
            metadata=metadata,
            created_at=self._clock.now(),
        )
        return self._keep(volume)

    def boot_volume(self, server: Server, device: Json) -> Volume | None:
        """Make the volume that a server asked for; None if the quota is used up."""
        size_gb, most = int(device["volume_size"]), self._settings.quota.volume_gb
        if 0 <= most < size_gb + sum(each.size_gb for each in self.by_id.values()):
            return None
        volume = self.add(size_gb)
        volume.status, volume.server_id = "in-use", server.id
        volume.goes_with_server = bool(device.get("delete_on_termination"))
        return volume

    def release(self, server: Server) -> None:
        """Let go the volumes of a server that is gone, some of them for good."""
        for volume_id in server.volumes:
            volume = self.by_id[volume_id]
            volume.status, volume.server_id = "available", ""
            if volume.goes_with_server:
                self._drop(volume)

    def _versions(self, request: Request) -> Reply:
        link = [{"rel": "self", "href": f"{request.base}/volume/v3/"}]
        about = {"id": "v3.0", "status": "CURRENT", "version": "3.70", "min_version": "3.0"}
        return as_json({"versions": [{**about, "links": link}]})

    def _list(self, request: Request) -> Reply:
        """Return a page, the youngest first; volumes without `marker` begin at the youngest."""
        known = sorted(self.by_id.values(), key=lambda each: each.id, reverse=True)
        ids = [each.id for each in known]
        marker = request.query.get("marker", "")
        if marker and marker not in ids:
            raise Rejected(404, f"Volume {marker} could not be found.")
        limit = min(request.number("limit", 1000), 1000)
        start = ids.index(marker) + 1 if marker else 0
        found = known[start : start + limit]
        body: Json = {"volumes": [_view(each) for each in found]}
        if found and len(found) == limit:
            href = f"{request.base}{request.path}?limit={limit}&marker={found[-1].id}"
            body["volumes_links"] = [{"rel": "next", "href": href}]
        return as_json(body)

    def _show(self, _request: Request, volume_id: str) -> Reply:
        return as_json({"volume": _view(self._find(volume_id))})

    def _tag(self, request: Request, volume_id: str) -> Reply:
        volume = self._find(volume_id)
        volume.metadata |= request.json().get("metadata", {})
        return as_json({"metadata": volume.metadata})

    def _remove(self, _request: Request, volume_id: str) -> Reply:
        volume = self._find(volume_id)
        if volume.status not in {"available", "error"}:
            raise Rejected(
                400,
                "Invalid volume: Volume status must be available or error or error_restoring or "
                "error_extending or error_managing and must not be migrating, attached.",
            )
        self._drop(volume)
        return Reply(status=202)


def _view(volume: Volume) -> Json:
    at = stamp(volume.created_at, "%Y-%m-%dT%H:%M:%S.000000")
    attached = [{"server_id": volume.server_id, "volume_id": volume.id, "device": "/dev/vda"}]
    return {
        "id": volume.id,
        "name": volume.name,
        "size": volume.size_gb,
        "status": volume.status,
        "metadata": volume.metadata,
        "attachments": attached if volume.server_id else [],
        "bootable": "true" if volume.server_id else "false",
        "created_at": at,
        "updated_at": at,
    }
