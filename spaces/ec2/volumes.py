"""Volumes that outlived their machine: none should, so each that did is shown and removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from vcycled.spaces.base import Leftover
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.listing import INSTALLATION, NAME
from vcycled.spaces.ec2.rejections import Missing

_FREE = (
    {"Name": "tag-key", "Values": [INSTALLATION]},
    {"Name": "status", "Values": ["available", "error"]},
)


class Volumes:
    """The volumes of an account in a region that bear our tag."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def leftovers(self) -> Iterator[Leftover]:
        """Yield those that no machine has."""
        for page in self._api.pages("leftovers", "describe_volumes", Filters=list(_FREE)):
            for each in page.docs("Volumes"):
                tags = each.tags
                name = tags.get(NAME, "")
                yield Leftover(kind="volume", id=each.id("VolumeId"), name=name, tags=tags)

    def remove(self, volume_id: str) -> None:
        """Delete a volume; one that is gone already is fine."""
        with suppress(Missing):
            self._api.call("remove", "delete_volume", VolumeId=volume_id)
