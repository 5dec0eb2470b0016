"""One image on its way from its source into the cloud."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from vcycled.cycle.cloud_images import CloudImages
from vcycled.cycle.context import Context
from vcycled.errors import ImageError, SpaceError, Unavailable
from vcycled.images import (
    Busy,
    Copy,
    Examined,
    ImageCache,
    Source,
    Stamp,
    check_signer,
    examine,
    signer_of,
    stamp_of,
)
from vcycled.images.shelf import Want
from vcycled.images.status import ImageState, ImageStatus, size_text
from vcycled.plan.instants import retry_at

MOST_RETRY_SECONDS = 900
_TELL_SECONDS = 60
_TELL_PERCENT = 10


class Provision:
    """Brings what one source holds into the cloud, round by round.

    A round may take hours, so it runs in a thread; there is one round at a time. How it stands is
    to be seen in `status`.
    """

    def __init__(
        self,
        context: Context,
        source: Source,
        cloud: CloudImages,
        *,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._context = context
        self._source = source
        self._cloud = cloud
        self._is_stopping = is_stopping
        self._cache = ImageCache(
            context.manager.root / "imagecache",
            clock=context.clock,
            ca_folder=context.manager.ca_folder,
        )
        self._log = context.log.bind(source=source.label)
        self._examined: Examined | None = None
        self._unsigned = ""
        """Why nobody is known to have signed what was examined."""
        self._seen: Stamp | None = None
        """The file of this host, as the last round met it."""
        self._failures = 0
        self._told_at = 0.0
        self._told_percent = 0
        self._status = ImageStatus(
            source=source.label,
            state=ImageState.WAITING,
            since=context.clock.now(),
            detail="its source is about to be looked at",
        )

    @property
    def status(self) -> ImageStatus:
        """How it stands now."""
        return self._status

    def is_due(self, *, now: int) -> bool:
        """Return whether another round makes sense: after a failure, in time or for a new file."""
        until = self._status.until
        return until is None or now >= until or self._seen != self._stamp()

    def want(self, pattern: str | None) -> Want:
        """Return what a machinetype with this cernvm_signing_dn wants."""
        image = self._examined
        return Want(
            source=self._source.label,
            sha256=image.sha256 if image else "",
            format=image.format if image else "",
            pattern=pattern,
            signers=self._cloud.signers,
        )

    def objection(self, pattern: str | None) -> str:
        """Return what speaks against what the source holds, as far as its signer goes."""
        image = self._examined
        if pattern is None or image is None:
            return ""
        try:
            self._check_signer(image, pattern)
        except ImageError as error:
            return str(error)
        return ""

    def run(self, patterns: Collection[str | None]) -> None:
        """Do a round: is there anything new, and is it in the cloud?

        Args:
            patterns: cernvm_signing_dn of each machinetype that wants this image.
        """
        try:
            trouble = self._round(patterns)
        except Busy as busy:
            self._status = replace(self._now(ImageState.WAITING), detail=str(busy))
        except (ImageError, SpaceError) as error:
            self._fail(str(error))
        except Exception:  # noqa: BLE001 - whatever it is, the hold tells of it and time passes
            self._log.bug("images-broken")
            self._fail("a bug ended it, see images-broken in the manager's log")
        else:
            if trouble:
                self._fail(f"{trouble}; the copy from before is used")
            else:
                self._failures = 0

    def _stamp(self) -> Stamp | None:
        """Return what tells whether a file of this host was changed; None if there is none."""
        try:
            return None if self._source.is_remote else stamp_of(Path(self._source.place))
        except ImageError:
            return None

    def _round(self, patterns: Collection[str | None]) -> str:
        """Return what went wrong though the image is in the cloud; empty if all is well.

        Raises:
            Busy: it must wait for something.
            ImageError: the source does not hold an image that can be used.
            SpaceError: the cloud does not take it.
        """
        self._seen = self._stamp()
        copy = self._copy()
        image = self._examine(copy)
        self._find_signer(image, patterns)
        if not self._cloud.has(image):
            self._upload(image)
        self._status = self._of(image, ImageState.READY)
        return copy.trouble

    def _copy(self) -> Copy:
        if not self._source.is_remote:
            return Copy(path=Path(self._source.place))
        self._told_at, self._told_percent = self._context.clock.monotonic(), 0
        return self._cache.refresh(self._source, self._downloaded, is_stopping=self._is_stopping)

    def _examine(self, copy: Copy) -> Examined:
        """Return what the source holds; it is read through only if it is another file now."""
        known, stamp = self._examined, stamp_of(copy.path)
        if known is not None and known.stamp == stamp:
            return known
        self._status = replace(self._now(ImageState.CHECKING), size_bytes=stamp.size_bytes)
        image = examine(copy.path, self._source.name, is_stopping=self._is_stopping)
        self._unsigned = ""
        self._examined = image
        return image

    def _find_signer(self, image: Examined, patterns: Collection[str | None]) -> None:
        """Find out who signed an image if anybody asks; check that somebody can use it."""
        asked = [pattern for pattern in patterns if pattern is not None]
        if not asked:
            return
        if image.sha256 not in self._cloud.signers:
            try:
                folder, now = self._context.manager.ca_folder, self._context.clock.now()
                self._cloud.note_signer(image, signer_of(image, folder, now=now))
            except ImageError as error:
                self._unsigned = str(error)
        objections = [self.objection(pattern) for pattern in asked]
        if None not in patterns and all(objections):
            raise ImageError(f"{self._source.label}: {objections[0]}")

    def _check_signer(self, image: Examined, pattern: str) -> None:
        signer = self._cloud.signers.get(image.sha256)
        if signer is None:
            raise ImageError(self._unsigned or "signature: it was not looked at yet")
        check_signer(signer, pattern)

    def _upload(self, image: Examined) -> None:
        self._cloud.look()  # another space may have been quicker
        if self._cloud.has(image):
            return
        self._cloud.check_others(image)
        self._told_at, self._told_percent = self._context.clock.monotonic(), 0
        self._status = self._of(image, ImageState.UPLOADING)
        self._stop_if_told()
        self._log.info("image-uploading", **self._progress(), format=image.format)
        image_id = self._cloud.upload(image, self._source, self._uploaded)
        self._log.info("image-ready", image=image_id, sha256=image.sha256)

    def _downloaded(self, done: int, total: int | None) -> None:
        now = self._now(ImageState.DOWNLOADING)
        self._status = replace(now, size_bytes=total, done_bytes=done)
        if self._is_news():
            self._log.info("image-downloading", **self._progress())

    def _stop_if_told(self) -> None:
        if self._is_stopping():
            raise Unavailable("upload", "told to stop")

    def _uploaded(self, done: int) -> None:
        self._stop_if_told()
        self._status = replace(self._status, done_bytes=done)
        if self._is_news():
            self._log.info("image-uploading", **self._progress())

    def _is_news(self) -> bool:
        """Return whether it went on by ten per cent or a minute since the last line of log."""
        now, percent = self._context.clock.monotonic(), self._percent()
        is_further = percent >= self._told_percent + _TELL_PERCENT
        if not is_further and now - self._told_at < _TELL_SECONDS:
            return False
        self._told_at, self._told_percent = now, percent
        return True

    def _percent(self) -> int:
        size = self._status.size_bytes
        return 100 * self._status.done_bytes // size if size else 0

    def _progress(self) -> dict[str, str]:
        size = self._status.size_bytes
        if not size:
            return {"done": size_text(self._status.done_bytes)}
        return {"done": f"{self._percent()} %", "size": size_text(size)}

    def _fail(self, why: str) -> None:
        if self._is_stopping():
            return
        now = self._context.clock.now()
        self._failures += 1
        until = retry_at(self._failures, now, most_seconds=MOST_RETRY_SECONDS)
        self._status = replace(self._now(ImageState.FAILED), detail=why, until=until)
        self._log.warning("image-failed", error=why, until=until)

    def _of(self, image: Examined, state: ImageState) -> ImageStatus:
        now = self._now(state)
        return replace(now, size_bytes=image.size_bytes, format=image.format)

    def _now(self, state: ImageState) -> ImageStatus:
        """Return the status of having just come to `state`, or of still being there."""
        was = self._status
        since = was.since if state is was.state else self._context.clock.now()
        return ImageStatus(source=was.source, state=state, since=since)
