"""Root images that clouds do not have yet: where they come from and whether they are right.

Nothing here knows a cloud. A source is a path or a URL; a URL is kept in the image cache and
asked for again only if it changed; what is to be uploaded is examined first.
"""

from __future__ import annotations

from vcycled.images.cache import Busy, Copy, ImageCache
from vcycled.images.examine import Examined, Stamp, examine, stamp_of
from vcycled.images.signature import check_signer, signer_of
from vcycled.images.source import Source, source_of

__all__ = [
    "Busy",
    "Copy",
    "Examined",
    "ImageCache",
    "Source",
    "Stamp",
    "check_signer",
    "examine",
    "signer_of",
    "source_of",
    "stamp_of",
]
