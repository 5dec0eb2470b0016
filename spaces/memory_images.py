"""Images of a cloud in memory: the store that a space gives out, and what a test does to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from vcycled.clock import Clock
from vcycled.errors import Unavailable
from vcycled.spaces.base import ImageFile, ImageStore, StoredImage

_PIECE_BYTES = 2**20


class MemoryImages(ImageStore):
    """What a cloud in memory keeps of images: their tags, and the bytes that arrived.

    Calls are `images`, `upload` and `delete_image`; they are counted and fail as scripted.

    Args:
        clock: of the cloud.
        call: does one call of the cloud, as `MemoryCloud.call`.
        used: says which images machines were made of.
    """

    def __init__(
        self,
        clock: Clock,
        call: Callable[[str], AbstractContextManager[None]],
        used: Callable[[], frozenset[str]],
    ) -> None:
        self.kept: dict[str, StoredImage] = {}
        """By id, `is_used` aside; a test may add and remove some."""
        self.content: dict[str, bytes] = {}
        """By id: what arrived."""
        self.uploads = 0
        """How many were begun."""
        self.on_piece: Callable[[int], None] = lambda _done: None
        """Called with the bytes that have arrived, after each piece."""
        self._clock = clock
        self._call = call
        self._used = used
        self._numbers = itertools.count(1)

    def images(self) -> Sequence[StoredImage]:
        """Return those of any installation of ours."""
        with self._call("images"):
            used = self._used()
            return tuple(
                replace(each, is_used=each.id in used)
                for each in self.kept.values()
                if "vcycle_installation" in each.tags
            )

    def upload(self, image: ImageFile, progress: Callable[[int], None]) -> str:
        """Take a file piece by piece."""
        with self._call("upload"):
            self.uploads += 1
            begun = self._begin(image)
        with image.path.open("rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                self.content[begun.id] += piece
                progress(len(self.content[begun.id]))
                self.on_piece(len(self.content[begun.id]))
        if begun.id not in self.kept:
            raise Unavailable("upload", "the image was deleted meanwhile")
        self.kept[begun.id] = replace(begun, is_ready=True)
        return begun.id

    def delete_image(self, image_id: str) -> None:
        """Forget an image."""
        with self._call("delete_image"):
            self.kept.pop(image_id, None)

    def _begin(self, image: ImageFile) -> StoredImage:
        begun = StoredImage(
            id=f"image-{next(self._numbers):04}",
            name=image.name,
            is_ready=False,
            is_used=False,
            size_bytes=image.size_bytes,
            created_at=self._clock.now(),
            tags=dict(image.tags),
        )
        self.kept[begun.id] = begun
        self.content[begun.id] = b""
        return begun
