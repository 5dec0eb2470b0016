"""Images: version 2. Of a file only its size and digest are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha512

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
from tests.fakes.openstack.settings import IMAGE, Settings
from vcycled.clock import Clock

_OWN = frozenset({"name", "disk_format", "container_format", "visibility", "min_disk", "min_ram"})


@dataclass(slots=True, kw_only=True)
class Image:
    """An image there is or was."""

    id: str
    name: str
    number: int
    status: str = "queued"
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: str = "private"
    created_at: int = 0
    size: int | None = None
    sha512: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    is_protected: bool = False
    gone_at: int | None = None


class Glance(Keeper[Image]):
    """What images answers, and what it has."""

    name = "image"
    missing = "Failed to find image {}"

    def __init__(self, settings: Settings, clock: Clock, project_id: str) -> None:
        super().__init__(settings, clock, project_id)
        self.add(IMAGE)

    def routes(self) -> Iterable[Route]:
        """Return what images can do."""
        image = r"/v2/images/([^/]+)"
        yield Route("discover", "GET", r"/?", self._versions, is_open=True)
        yield Route("images", "GET", r"/v2/images", self._list)
        yield Route("image", "GET", image, self._show)
        yield Route("make_image", "POST", r"/v2/images", self._make)
        yield Route("upload", "PUT", image + "/file", self._upload)
        yield Route("remove_image", "DELETE", image, self._remove)

    def explain(self, rejected: Rejected) -> Reply:
        """Return an error as Glance does: a small page."""
        text = f"{rejected.status} Rejected"
        page = f"<html><head><title>{text}</title></head><body><h1>{text}</h1>{rejected.message}"
        headers = {"Content-Type": "text/html; charset=UTF-8"}
        body = f"{page}<br /><br /></body></html>".encode()
        return Reply(status=rejected.status, body=body, headers=headers)

    def add(self, name: str, *, status: str = "active", **properties: str) -> Image:
        """Add an image that somebody made, by default one that can be used."""
        number = next(self._numbers)
        image = Image(
            id=f"{number:08x}-0000-4000-8000-00000000eeee",
            name=name,
            number=number,
            status=status,
            created_at=self._clock.now(),
            properties=properties,
        )
        if status == "active":
            image.size = 1024
        return self._keep(image)

    def is_active(self, image_id: str) -> bool:
        """Return whether a server can be made of it."""
        return image_id in self.by_id and self.by_id[image_id].status == "active"

    def _versions(self, request: Request) -> Reply:
        link = [{"rel": "self", "href": f"{request.base}/image/v2/"}]
        versions = [
            {"id": "v2.15", "status": "CURRENT", "links": link},
            {"id": "v2.0", "status": "SUPPORTED", "links": link},
        ]
        return as_json({"versions": versions}, 300 if request.path == "/image" else 200)

    def _list(self, request: Request) -> Reply:
        """Return a page of those that fit every filter, the youngest first."""
        settings, query = self._settings, dict(request.query)
        limit = min(request.number("limit", settings.image_limit), settings.image_max_limit)
        marker = query.pop("marker", "")
        for name in ("limit", "sort", "sort_key", "sort_dir"):
            query.pop(name, None)
        fitting = [
            each
            for each in sorted(self.by_id.values(), key=lambda each: -each.number)
            if _fits(self._view(each), query)
        ]
        ids = [each.id for each in fitting]
        if marker and marker not in self.by_id:
            raise Rejected(400, f"Invalid marker. Image {marker} could not be found.")
        start = ids.index(marker) + 1 if marker else 0
        found = fitting[start : start + limit]
        body: Json = {
            "images": [self._view(each) for each in found],
            "schema": "/v2/schemas/images",
            "first": "/v2/images",
        }
        if found and len(found) == limit:
            more = "&".join(
                f"{name}={text}" for name, text in request.query.items() if name != "marker"
            )
            body["next"] = f"/v2/images?{more}&marker={found[-1].id}".replace("?&", "?")
        return as_json(body)

    def _show(self, _request: Request, image_id: str) -> Reply:
        return as_json(self._view(self._find(image_id)))

    def _make(self, request: Request) -> Reply:
        asked = request.json()
        image = self.add(str(asked.get("name", "")), status="queued")
        image.disk_format = asked.get("disk_format", "raw")
        image.container_format = asked.get("container_format", "bare")
        image.visibility = asked.get("visibility", "shared")
        given = {name: value for name, value in asked.items() if name not in _OWN}
        if not all(isinstance(value, str) for value in given.values()):
            self._drop(image)
            raise Rejected(400, "Provided object does not match schema 'image'")
        image.properties = {**self._settings.glance_properties, **given}
        return as_json(self._view(image), 201, Location=f"{request.path}/{image.id}")

    def _upload(self, request: Request, image_id: str) -> Reply:
        """Take a file; while it comes the image is saving, and if it stops queued again."""
        image = self._find(image_id)
        if image.status != "queued":
            raise Rejected(409, f"Image status transition from {image.status} is not allowed")
        if request.headers.get("content-type") != "application/octet-stream":
            raise Rejected(415, "Unsupported Media Type")
        image.status = "saving"
        size, digest = 0, sha512()
        try:
            for piece in request.file:
                size += len(piece)
                digest.update(piece)
                image.size = size
        except OSError:
            image.status = "queued"
            raise
        image.size, image.sha512, image.status = size, digest.hexdigest(), "active"
        return Reply(status=204)

    def _remove(self, _request: Request, image_id: str) -> Reply:
        image = self._find(image_id)
        if image.is_protected:
            raise Rejected(403, f"Image {image_id} is protected and cannot be deleted.")
        self._drop(image)
        return Reply(status=204)

    def _view(self, image: Image) -> Json:
        is_whole = image.status == "active"
        return {
            **image.properties,
            "id": image.id,
            "name": image.name,
            "status": image.status,
            "disk_format": image.disk_format,
            "container_format": image.container_format,
            "visibility": image.visibility,
            "size": image.size if is_whole else None,
            "os_hash_algo": "sha512" if is_whole else None,
            "os_hash_value": image.sha512 if is_whole else None,
            "owner": self._project_id,
            "protected": image.is_protected,
            "min_disk": 0,
            "min_ram": 0,
            "tags": [],
            "created_at": stamp(image.created_at),
            "updated_at": stamp(image.created_at),
            "self": f"/v2/images/{image.id}",
            "file": f"/v2/images/{image.id}/file",
            "schema": "/v2/schemas/image",
        }


def _fits(view: Json, wanted: dict[str, str]) -> bool:
    return all(_fits_one(view.get(name), value) for name, value in wanted.items())


def _fits_one(value: object, wanted: str) -> bool:
    if wanted.startswith("in:"):
        choices = next(iter(json.loads(f"[{wanted[3:]}]"))) if '"' in wanted else wanted[3:]
        return str(value) in str(choices).split(",")
    return str(value) == wanted
