"""Images of this host in Glance: made, streamed, listed, deleted.

An image is made with its tags as properties, then its file is put. An upload that breaks off is
begun anew by whoever wants it; what it leaves is queued or saving, and so never ready.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import quote

from vcycled.clock import Clock
from vcycled.errors import Refused, SpaceError, Unavailable
from vcycled.spaces.base import ImageFile, ImageStore, StoredImage
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.errors import Missing
from vcycled.spaces.openstack.inventory import Seen
from vcycled.spaces.openstack.listing import INSTALLATION, instant
from vcycled.spaces.openstack.paging import pages

POLL_SECONDS = 0.5
MOST_POLL_SECONDS = 8.0
"""How often an image that arrived is looked at: ever less often."""
ACTIVE_SECONDS = 3600.0
"""How long Glance may take to make an image that arrived usable: it may copy it elsewhere."""
_PIECE_BYTES = 2**20
_OURS = "vcycle_"
_GONE = {"deleted", "pending_delete"}
_COMING = {"saving", "uploading", "importing"}


class GlanceStore(ImageStore):
    """The image service of one project.

    Args:
        api: the calls.
        seen: what the last complete listing of servers showed, if there was one.
        clock: to wait on.
    """

    def __init__(self, api: Api, seen: Callable[[], Seen | None], *, clock: Clock) -> None:
        self._api = api
        self._seen = seen
        self._clock = clock

    def images(self) -> Sequence[StoredImage]:
        """Return the private images of the project that an installation of ours made."""
        params: dict[str, str | int] = {"visibility": "private", "limit": 1000}
        found = pages(self._api, "images", "image", "/images", "images", params=params)
        seen = self._seen()
        used = None if seen is None else seen.image_ids
        return [
            _stored(each, used)
            for page in found
            for each in page
            if INSTALLATION in each and each.text("status", "") not in _GONE
        ]

    def upload(self, image: ImageFile, progress: Callable[[int], None]) -> str:
        """Make an image of a file, and wait until servers can be made of it."""
        image_id = self._make(image)
        try:
            self._put(image_id, image, progress)
            self._await(image_id, image)
        except SpaceError:
            # What is left otherwise is found and removed later.
            with suppress(SpaceError):
                self.delete_image(image_id)
            raise
        return image_id

    def delete_image(self, image_id: str) -> None:
        """Delete an image; Glance refuses if its storage still needs it for some server."""
        with suppress(Missing):
            self._api.call("delete-image", "image", "DELETE", _path(image_id))

    def _make(self, image: ImageFile) -> str:
        """Make the image, still without its file.

        Raises:
            SpaceError: if its outcome is unknown, one without a file may have been made.
        """
        body = {
            "name": image.name,
            "disk_format": image.format,
            "container_format": "bare",
            "visibility": "private",
            **image.tags,
        }
        return self._api.call("upload", "image", "POST", "/images", json=body).text("id")

    def _put(self, image_id: str, image: ImageFile, progress: Callable[[int], None]) -> None:
        try:
            with image.path.open("rb") as stream:
                file = _File(stream, image.size_bytes, progress)
                self._api.upload("upload", "image", f"{_path(image_id)}/file", file)
        except OSError as error:
            raise Refused("upload", f"{image.path} cannot be read: {error.strerror}") from error

    def _await(self, image_id: str, image: ImageFile) -> None:
        deadline = self._clock.monotonic() + ACTIVE_SECONDS
        wait_s = POLL_SECONDS
        while True:
            found = self._api.call("upload", "image", "GET", _path(image_id))
            status = found.text("status", "")
            if status == "active":
                break
            if status not in _COMING:
                raise Unavailable("upload", f"the image arrived, but the cloud has it {status}")
            if self._clock.monotonic() >= deadline:
                raise Unavailable("upload", f"the image is still {status}")
            self._clock.wait(threading.Event(), wait_s)
            wait_s = min(2 * wait_s, MOST_POLL_SECONDS)
        if found.whole("size", image.size_bytes) != image.size_bytes:
            size = found.whole("size")
            raise Unavailable("upload", f"{size} of {image.size_bytes} bytes arrived")


class _File:
    """A file as it is sent: of a length that is known, telling how much has gone."""

    def __init__(self, stream: BinaryIO, size_bytes: int, progress: Callable[[int], None]) -> None:
        self._stream = stream
        self._size_bytes = size_bytes
        self._progress = progress
        self._told = 0

    def __len__(self) -> int:
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(_PIECE_BYTES), b"")

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, never more than there were to be.

        Raises:
            Refused: the file became shorter.
        """
        left = self._size_bytes - self._stream.tell()
        wanted = left if size < 0 else min(size, left)
        piece = self._stream.read(wanted)
        if wanted and not piece:
            raise Refused("upload", "the file became shorter while it was uploaded")
        done = self._stream.tell()
        if done - self._told >= _PIECE_BYTES or self._told < done == self._size_bytes:
            self._told = done
            self._progress(done)
        return piece


def _stored(image: Doc, used: frozenset[str] | None) -> StoredImage:
    """Return one of ours; as long as the servers are not known it counts as used."""
    image_id = image.text("id")
    return StoredImage(
        id=image_id,
        name=image.text("name", ""),
        is_ready=image.text("status", "") == "active",
        is_used=used is None or image_id in used,
        size_bytes=image.whole("size", 0),
        created_at=instant(image.text("created_at", "")),
        tags={name: image.text(name) for name in image if name.startswith(_OURS)},
    )


def _path(image_id: str) -> str:
    return f"/images/{quote(image_id, safe='')}"
