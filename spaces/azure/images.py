"""What a root_image means: an image of the Marketplace, of a gallery, or one of the group."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vcycled.errors import Refused

if TYPE_CHECKING:
    from azure.mgmt.compute.models import ImageReference, Plan

_URN = re.compile(r"([^:/\s]+):([^:/\s]+):([^:/\s]+):([^:/\s]+?)(:plan)?")
_SHARED = re.compile(r"/sharedGalleries/.+", re.IGNORECASE)
_COMMUNITY = re.compile(r"/communityGalleries/.+", re.IGNORECASE)
_RESOURCE = re.compile(r"/subscriptions/.+/(images|galleries)/.+", re.IGNORECASE)
_NAME = re.compile(r"[\w.-]+")


def image_of(root_image: str, group_id: str) -> tuple[ImageReference, Plan | None]:
    """Return the image of a `root_image`, and the plan that some of the Marketplace's need.

    Args:
        root_image: `image:` and one of: `PUBLISHER:OFFER:SKU:VERSION`, with `:plan` at its end
            for an image that has terms of its own; the id of an image, of a gallery's image or of
            a version of it, shared and community galleries included; the name of an image in the
            resource group.
        group_id: of the resource group.

    Raises:
        Refused: it is none of these.
    """
    from azure.mgmt.compute.models import ImageReference, Plan  # noqa: PLC0415 - slow to import

    wanted = root_image.removeprefix("image:").strip()
    if urn := _URN.fullmatch(wanted):
        publisher, offer, sku, version = urn.group(1, 2, 3, 4)
        image = ImageReference(publisher=publisher, offer=offer, sku=sku, version=version)
        # A plan is called after the image: these are the names that it has in all cases.
        has_plan = urn[5] is not None
        return image, Plan(name=sku, product=offer, publisher=publisher) if has_plan else None
    if _SHARED.fullmatch(wanted):
        return ImageReference(shared_gallery_image_id=wanted), None
    if _COMMUNITY.fullmatch(wanted):
        return ImageReference(community_gallery_image_id=wanted), None
    if _RESOURCE.fullmatch(wanted):
        return ImageReference(id=wanted), None
    if _NAME.fullmatch(wanted):
        image_id = f"{group_id}/providers/Microsoft.Compute/images/{wanted}"
        return ImageReference(id=image_id), None
    detail = (
        f"root_image {wanted!r} is no image of Azure: write image:PUBLISHER:OFFER:SKU:VERSION, or"
        " image: and the id of an image or of a gallery's image"
    )
    raise Refused("create", detail)
