"""Images in Glance: which one a root_image means."""

from __future__ import annotations

import re
from urllib.parse import quote

from vcycled.clock import Clock
from vcycled.errors import Refused
from vcycled.spaces.kept import Kept
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.errors import Missing
from vcycled.spaces.openstack.paging import pages

KEPT_SECONDS = 300
"""So long the id of an image holds; then its name may mean a newer one."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class ImageFinder:
    """Finds images by `image:NAME-OR-ID`."""

    def __init__(self, api: Api, *, clock: Clock) -> None:
        self._api = api
        self._kept = Kept(self._look_up, seconds=KEPT_SECONDS, clock=clock)

    def id_of(self, image: str) -> str:
        """Return the id of an image; of several active ones of a name, that of the newest.

        Raises:
            Refused: there is none that can be used.
        """
        return self._kept.get(image.removeprefix("image:"))

    def forget(self, image: str) -> None:
        """Look an image up again before it is used again."""
        self._kept.forget(image.removeprefix("image:"))

    def _look_up(self, wanted: str) -> str:
        found = self._by_id(wanted) if _UUID.fullmatch(wanted) else []
        found = found or self._by_name(wanted)
        active = [each for each in found if each.text("status", "") == "active"]
        if not active:
            states = ", ".join(sorted({each.text("status", "") for each in found}))
            what = f"no image {wanted} that can be used, only {states}" if found else "no image "
            raise Refused("create", f"the cloud has {what}{'' if found else wanted}")
        return max(active, key=lambda each: each.text("created_at", "")).text("id")

    def _by_id(self, wanted: str) -> list[Doc]:
        path = f"/images/{quote(wanted, safe='')}"
        try:
            return [self._api.call("create", "image", "GET", path)]
        except Missing:
            return []

    def _by_name(self, wanted: str) -> list[Doc]:
        params = {"name": wanted}
        found = pages(self._api, "create", "image", "/images", "images", params=params)
        return [each for page in found for each in page if each.text("name", "") == wanted]
