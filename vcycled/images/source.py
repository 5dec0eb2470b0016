"""What `root_image` names. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from vcycled.download import shown

_LONGEST = 200
"""Of a label; clouds and file systems take 255 bytes of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A root image that must be uploaded: a file of this host, or one of a web server."""

    place: str = field(repr=False)
    """The path or URL as configured; it may hold secrets."""
    label: str
    """The same for people, tags and file names: without secrets, and different for each place."""

    @property
    def is_remote(self) -> bool:
        """Whether it must be fetched first."""
        return self.place.startswith(("http://", "https://"))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.label.partition("#")[0].rstrip("/").rpartition("/")[2]


def source_of(root_image: str | None) -> Source | None:
    """Return the source that `root_image` names; None if that is an image of the cloud, or none.

    Secrets of a URL (user, password, query) are not in the label, so part of a hash of the whole
    stands for them; it also stands for what is too long.
    """
    if not root_image or root_image.startswith("image:"):
        return None
    plain = shown(root_image) if "://" in root_image else root_image
    if plain == root_image and len(plain.encode()) <= _LONGEST:
        return Source(place=root_image, label=plain)
    mark = hashlib.sha256(root_image.encode()).hexdigest()[:12]
    return Source(place=root_image, label=f"{_cut(plain)}#{mark}")


def _cut(text: str) -> str:
    """Return the end of `text`, which tells images apart better than its start."""
    return text.encode()[-_LONGEST:].decode(errors="ignore")
