"""What the threads of a space know together of the images in its cloud."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from vcycled.cycle.context import Context
from vcycled.errors import ImageError
from vcycled.images import Busy, Examined, Source, stamp_of
from vcycled.images.shelf import (
    FORMAT,
    INSTALLATION,
    SHA256,
    SIGNER,
    SPACE,
    Want,
    choose,
    image_file,
)
from vcycled.spaces.base import ImageStore, StoredImage

PATIENCE_SECONDS = 3600
"""So long an upload that another space has begun is waited for."""


class CloudImages:
    """Images of our installation in one cloud, as of the last listing and what came after it."""

    def __init__(self, context: Context, store: ImageStore) -> None:
        self._context = context
        self._store = store
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._images: Sequence[StoredImage] = ()
        self._signers: dict[str, str] = {}
        self._uploading: set[str] = set()
        self._condemned: set[str] = set()
        self._others_since: dict[str, int] = {}
        """By SHA-256: since when another space uploads it."""
        self.listed_at: int | None = None
        """None before the first listing."""

    def look(self) -> None:
        """List them anew.

        Raises:
            SpaceError: what is known stays.
        """
        ours = tuple(
            replace(each, is_ready=each.is_ready and each.id not in self._condemned)
            for each in self._store.images()
            if each.tags.get(INSTALLATION) == self._context.installation
        )
        with self._lock:
            self._images = ours
            self.listed_at = self._context.clock.now()

    @property
    def images(self) -> Sequence[StoredImage]:
        """All that are known."""
        with self._lock:
            return self._images

    @property
    def own(self) -> Sequence[StoredImage]:
        """Those that this space uploaded, which are its own to remove."""
        return self.of({self._context.name})

    def of(self, spaces: Collection[str]) -> Sequence[StoredImage]:
        """Return those that any of these spaces uploaded."""
        return [each for each in self.images if each.tags.get(SPACE) in spaces]

    @property
    def uploading(self) -> frozenset[str]:
        """SHA-256 of what this space is uploading."""
        with self._lock:
            return frozenset(self._uploading)

    @property
    def signers(self) -> Mapping[str, str]:
        """By SHA-256: who signed what was looked at here."""
        with self._lock:
            return dict(self._signers)

    def note_signer(self, image: Examined, signer: str) -> None:
        """Note who signed an image."""
        with self._lock:
            self._signers[image.sha256] = signer

    def has(self, image: Examined) -> bool:
        """Return whether it can be used already, whoever uploaded it."""
        want = Want(source="", sha256=image.sha256, format=image.format, signers={})
        return choose(self.images, want) is not None

    def upload(self, image: Examined, source: Source, progress: Callable[[int], None]) -> str:
        """Upload an image and return its id; one at a time.

        Raises:
            Busy: another upload is under way.
            ImageError: the file was changed meanwhile.
            SpaceError: the cloud did not take it.
        """
        tags = {INSTALLATION: self._context.installation, SPACE: self._context.name}
        if signer := self.signers.get(image.sha256):
            tags[SIGNER] = signer
        file = image_file(image, source, tags=tags)
        with self._alone(image.sha256):
            image_id = self._store.upload(file, progress)
            if stamp_of(image.path) != image.stamp:
                self._condemned.add(image_id)
                self._store.delete_image(image_id)
                raise ImageError(f"{source.label}: it was changed while it was uploaded")
        uploaded = StoredImage(
            id=image_id,
            name=file.name,
            is_ready=True,
            is_used=False,
            size_bytes=file.size_bytes,
            created_at=self._context.clock.now(),
            tags=file.tags,
        )
        with self._lock:
            self._images = (*(each for each in self._images if each.id != image_id), uploaded)
        return image_id

    def delete(self, image: StoredImage) -> None:
        """Delete an image.

        Raises:
            SpaceError: it stays.
        """
        self._store.delete_image(image.id)
        with self._lock:
            self._images = tuple(each for each in self._images if each.id != image.id)

    def check_others(self, image: Examined) -> None:
        """Check that no other space of ours is uploading the same just now.

        Raises:
            Busy: one is, and that is not long ago.
        """
        if not any(
            each.tags.get(SHA256) == image.sha256
            and each.tags.get(FORMAT) == image.format
            and each.tags.get(SPACE) != self._context.name
            for each in self.images
            if not each.is_ready and each.id not in self._condemned
        ):
            self._others_since.pop(image.sha256, None)
            return
        now = self._context.clock.now()
        if now - self._others_since.setdefault(image.sha256, now) < PATIENCE_SECONDS:
            raise Busy("another space of this installation is uploading it")

    @contextmanager
    def _alone(self, sha256: str) -> Iterator[None]:
        if not self._turn.acquire(blocking=False):
            raise Busy("another image is being uploaded")
        try:
            with self._lock:
                self._uploading.add(sha256)
            yield
        finally:
            with self._lock:
                self._uploading.discard(sha256)
            self._turn.release()
