"""The volumes that machines boot from: how they are asked for, and what is left of them.

Nova makes the volume and deletes it with the server. It gives it neither name nor metadata, so as
soon as a machine is listed with one it is tagged by us; a tagged volume that outlives its machine
is a leftover.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import quote

from vcycled.errors import Refused
from vcycled.spaces.base import Leftover
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.errors import Conflict, Missing
from vcycled.spaces.openstack.inventory import Attached, Seen
from vcycled.spaces.openstack.listing import INSTALLATION
from vcycled.spaces.openstack.paging import pages

MACHINE = "vcycle_machine"
"""The tag that names the machine of a volume."""
MOST_TAGGED = 50
"""How many volumes are tagged at a time."""
TYPED_MICROVERSION = "2.67"
"""From it on Nova takes the type of a volume that it is to make."""
_UNUSED = {"available", "error"}


def boot_volume(image_id: str, size_gb: int, volume_type: str | None) -> dict[str, object]:
    """Return the block device that a server boots from: a new volume with the image on it."""
    device: dict[str, object] = {
        "boot_index": 0,
        "uuid": image_id,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": size_gb,
        "delete_on_termination": True,
    }
    return {**device, "volume_type": volume_type} if volume_type else device


class Volumes:
    """Cinder's volumes of our machines; of a cloud without Cinder there are none."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._tagged: set[str] = set()

    def leftovers(self, seen: Seen) -> Iterator[Leftover]:
        """Tag the volumes of machines that are there, and return those whose machine is gone."""
        if not self._api.has("block-storage"):
            return
        self._tag(seen.volumes)
        for page in pages(self._api, "leftovers", "block-storage", "/volumes/detail", "volumes"):
            for volume in page:
                tags = volume.mapping("metadata")
                if INSTALLATION in tags and _is_unused(volume, tags, seen):
                    name = volume.text("name", "")
                    yield Leftover(kind="volume", id=volume.text("id"), name=name, tags=tags)

    def remove(self, volume_id: str) -> None:
        """Delete a volume."""
        with suppress(Missing):
            self._api.call("remove", "block-storage", "DELETE", _path(volume_id))

    def _tag(self, attached: Iterable[Attached]) -> None:
        present = {each.volume_id: each for each in attached}
        self._tagged &= present.keys()
        new = [each for each in present.values() if each.volume_id not in self._tagged]
        for each in new[:MOST_TAGGED]:
            tags = {INSTALLATION: each.installation, MACHINE: each.machine}
            path = f"{_path(each.volume_id)}/metadata"
            with suppress(Missing, Conflict):  # it went with its machine meanwhile
                self._api.call("leftovers", "block-storage", "POST", path, json={"metadata": tags})
            self._tagged.add(each.volume_id)


def check_type_is_taken(api: Api) -> None:
    """Raise Refused if the cloud cannot be told the type of a volume."""
    major, minor = TYPED_MICROVERSION.split(".")
    if not api.offers((int(major), int(minor))):
        detail = f"volume_type needs a cloud with version {TYPED_MICROVERSION} of Nova's API"
        raise Refused("create", detail)


def _is_unused(volume: Doc, tags: dict[str, str], seen: Seen) -> bool:
    return (
        volume.text("status", "") in _UNUSED
        and not volume.docs("attachments")
        and tags.get(MACHINE, "") not in seen.names
    )


def _path(volume_id: str) -> str:
    return f"/volumes/{quote(volume_id, safe='')}"
