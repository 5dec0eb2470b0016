"""AMIs: which one a root_image means, and the volume that it boots from.

image:ami-0123456789abcdef0        that one
image:ssm:/PATH                    the one that this parameter of Systems Manager names
image:NAME or image:NA*ME          of those of `image_owners` with such a name, the newest
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vcycled.clock import Clock
from vcycled.errors import Refused
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.rejections import Missing
from vcycled.spaces.kept import Kept

KEPT_SECONDS = 300
"""So long what was found holds; then a name may mean a newer image."""
_ID = re.compile(r"[ae]mi-[0-9a-fA-F]{8,17}")
_SSM = "ssm:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that machines can be made of."""

    id: str
    root_device: str
    """Name of the device that it boots from; empty if that is no volume."""
    root_gb: int


class ImageFinder:
    """Finds images by `root_image`."""

    def __init__(self, api: Api, options: Ec2Options, *, clock: Clock) -> None:
        self._api = api
        self._owners = options.image_owners
        self._is_aws = options.is_aws
        self._kept = Kept(self._look_up, seconds=KEPT_SECONDS, clock=clock)

    def find(self, image: str) -> Image:
        """Return the image that a root_image means.

        Raises:
            Refused: there is none that can be used.
        """
        return self._kept.get(image.removeprefix("image:"))

    def forget(self, image: str) -> None:
        """Look an image up again before it is used again."""
        self._kept.forget(image.removeprefix("image:"))

    def _look_up(self, wanted: str) -> Image:
        if wanted.startswith(_SSM):
            found = self._by_id(self._parameter(wanted.removeprefix(_SSM)))
        elif _ID.fullmatch(wanted):
            found = self._by_id(wanted)
        else:
            found = self._by_name(wanted)
        usable = [each for each in found if each.text("State") in {"available", ""}]
        if not usable:
            states = ", ".join(sorted({each.text("State") for each in found}))
            what = f"only one that is {states}" if found else "none"
            raise Refused("create", f"no image {wanted} can be used: there is {what}")
        return _image(max(usable, key=lambda each: each.text("CreationDate")))

    def _by_id(self, image_id: str) -> list[Doc]:
        try:
            return self._api.call("create", "describe_images", ImageIds=[image_id]).docs("Images")
        except Missing:
            return []

    def _by_name(self, name: str) -> list[Doc]:
        filters = [{"Name": "name", "Values": [name]}]
        pages = self._api.pages(
            "create", "describe_images", Owners=list(self._owners), Filters=filters
        )
        return [each for page in pages for each in page.docs("Images")]

    def _parameter(self, name: str) -> str:
        if not self._is_aws:
            raise Refused("create", f"{_SSM}{name}: only AWS has parameters, and url is another's")
        try:
            answer = self._api.ask("create", "ssm", "get_parameter", Name=name)
        except Missing as error:
            raise Refused("create", f"there is no parameter {name}: {error.detail}") from error
        return answer.doc("Parameter").text("Value")


def _image(shown: Doc) -> Image:
    device = shown.text("RootDeviceName")
    volumes = {
        each.text("DeviceName"): each.doc("Ebs").whole("VolumeSize")
        for each in shown.docs("BlockDeviceMappings")
        if "Ebs" in each
    }
    has_volume = device in volumes or shown.text("RootDeviceType") == "ebs"
    return Image(
        id=shown.id("ImageId"),
        root_device=device if has_volume else "",
        root_gb=volumes.get(device, 0),
    )
