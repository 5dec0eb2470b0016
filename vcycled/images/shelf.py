"""Which of the images in a cloud are used, and which are removed. Pure.

All that is known of an image stands in its tags, so nothing is lost with the manager's memory, and
several spaces of one installation on one project use what one of them uploaded.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vcycled.images.examine import Examined
from vcycled.images.source import Source
from vcycled.spaces.base import ImageFile, StoredImage

INSTALLATION = "vcycle_installation"
SPACE = "vcycle_space"
SOURCE = "vcycle_source"
SHA256 = "vcycle_sha256"
FORMAT = "vcycle_format"
SIGNER = "vcycle_signer"
"""Who signed it, if that was verified before it was uploaded."""

UNUSED_SECONDS = 300
"""An image is removed when it was unused in two looks that are so far apart."""
HANDED_SECONDS = 900
"""So long after its id was last given to a creation, a machine of it may turn up."""


def image_file(image: Examined, source: Source, *, tags: Mapping[str, str]) -> ImageFile:
    """Return what is to be uploaded; `tags` are added to those of the image."""
    return ImageFile(
        name=f"vcycle-{source.name}",
        path=image.path,
        format=image.format,
        size_bytes=image.size_bytes,
        tags={SOURCE: source.label, SHA256: image.sha256, FORMAT: image.format, **tags},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a machinetype wants of an image."""

    source: str
    """Label."""
    sha256: str = ""
    """Of what the source holds now; empty if that is not known yet."""
    format: str = ""
    pattern: str | None = None
    """cernvm_signing_dn."""
    signers: Mapping[str, str]
    """By SHA-256: who signed images, as verified here."""

    def is_met(self, image: StoredImage) -> bool:
        """Return whether `image` is just what the source holds now."""
        found = image.tags.get(SHA256), image.tags.get(FORMAT)
        return bool(self.sha256) and found == (self.sha256, self.format)

    def allows(self, image: StoredImage) -> bool:
        """Return whether machines may be made of `image`, as far as its signer goes."""
        if self.pattern is None:
            return True
        sha256 = image.tags.get(SHA256, "")
        signer = self.signers.get(sha256) or image.tags.get(SIGNER, "")
        return bool(signer and re.search(self.pattern, signer))


def choose(images: Iterable[StoredImage], want: Want) -> StoredImage | None:
    """Return the image that machines are made of: what the source holds now, else its newest.

    Until a newer one is there, the one before is used on.
    """
    fit = [
        each
        for each in images
        if each.is_ready
        and (each.tags.get(SOURCE) == want.source or want.is_met(each))
        and want.allows(each)
    ]
    return max(
        fit, key=lambda each: (want.is_met(each), each.created_at or 0, each.id), default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwanted:
    """An image of ours that no creation gets any more."""

    image: StoredImage
    since: int
    """First look at which no machine was made of it, without a break since."""
    is_used: bool

    def is_due(self, *, now: int) -> bool:
        """Return whether it can be removed."""
        return not self.is_used and now - self.since >= UNUSED_SECONDS


def unwanted(
    images: Sequence[StoredImage],
    before: Mapping[str, Unwanted],
    *,
    kept: Collection[str],
    uploading: Collection[str],
    handed: Mapping[str, int],
    now: int,
) -> dict[str, Unwanted]:
    """Return the images that are to go, by id.

    Args:
        images: of one space.
        before: what this returned at the look before.
        kept: ids of images that are in use as root images.
        uploading: SHA-256 of what is being uploaded just now.
        handed: when the id of an image was last given to a creation.
        now: of the listing.
    """
    found = {}
    for image in images:
        is_ours_to_finish = not image.is_ready and image.tags.get(SHA256) in uploading
        if image.id in kept or is_ours_to_finish:
            continue
        is_used = image.is_used or now - handed.get(image.id, -HANDED_SECONDS) < HANDED_SECONDS
        known = before.get(image.id)
        since = now if known is None or known.is_used or is_used else known.since
        found[image.id] = Unwanted(image=image, since=since, is_used=is_used)
    return found
