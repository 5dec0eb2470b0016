"""Keeps in the cloud the images that the machinetypes of one space name by path or URL.

A cycle only looks at what is known and starts what is due; reading, fetching, uploading and
removing go on in threads of their own, however long they take. Nothing need be remembered: what an
image is stands in its tags (`vcycled.images.shelf`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from vcycled.config import SpaceConfig
from vcycled.cycle.cloud_images import CloudImages
from vcycled.cycle.context import Context
from vcycled.cycle.provision import Provision
from vcycled.errors import SpaceError, StoreError
from vcycled.images import Source, source_of
from vcycled.images.shelf import SOURCE, UNUSED_SECONDS, Unwanted, choose, unwanted
from vcycled.images.status import ImageState, ImageStatus, sentence
from vcycled.plan.instants import retry_at

LOOK_SECONDS = 300
"""How often the images in the cloud are listed while any of ours is there or wanted."""
MOST_RETRY_SECONDS = 3600
ENOUGH_FAILURES = 5
"""After so many refusals to delete it, an image does not keep a removed space alive."""
_NO_STORE = "image: this cloud takes no images from here; name one that it has as image:NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesNow:
    """What a cycle is told."""

    ids: Mapping[str, str] = field(default_factory=dict)
    """By machinetype: the image that its machines are made of, as `image:ID`."""
    holds: Mapping[str, str] = field(default_factory=dict)
    """By machinetype: why no machine of it can be made now."""


class ImageKeeper:
    """The images of one space."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cloud: CloudImages | None = None
        self._provisions: dict[str, Provision] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._chosen: dict[str, str] = {}
        """By machinetype: id of the image that it has now."""
        self._named: dict[str, tuple[str, ...]] = {}
        """By label of a source: the machinetypes that name it."""
        self._handed: dict[str, int] = {}
        self._unwanted: dict[str, Unwanted] = {}
        self._refusals: dict[str, tuple[int, int]] = {}
        """By id: how often a deletion failed in a row, and when last."""
        self._list_failures = 0
        self._list_failed_at: int | None = None
        self._list_error = ""
        self._tidying_broke_at: int | None = None
        self._is_closed = False

    def look(self, config: SpaceConfig, *, is_acting: bool) -> ImagesNow:
        """Return what is known, and start what is due unless only looking on.

        To be called after the space has listed its machines.
        """
        sources = {} if config.is_removed else _sources(config)
        store = self._context.space.image_store()
        if store is None:
            is_needed = self._context.space.needs_image
            return ImagesNow(holds=dict.fromkeys(sources, _NO_STORE) if is_needed else {})
        if self._cloud is None:
            self._cloud = CloudImages(self._context, store)
        self._first_look(self._cloud, is_wanted=bool(sources))
        self._named = _names(sources)
        for source in sources.values():
            if source.label not in self._provisions:
                self._provisions[source.label] = self._provision(self._cloud, source)
        now = self._choose(config, self._cloud, sources)
        if is_acting:
            self._start_rounds(config)
            self._start_tidying(self._cloud)
        return now

    def recheck(self) -> None:
        """List the images again soon: a creation failed, perhaps because one is gone."""
        if self._cloud is not None and self._chosen:
            self._cloud.listed_at = 0

    def close(self) -> None:
        """Let no round go on for longer than it must."""
        self._is_closed = True

    @property
    def owes(self) -> bool:
        """Whether there may still be images of this space in the cloud that can be removed."""
        if self._cloud is None:
            return False
        if self._cloud.listed_at is None:
            return self._list_failures < ENOUGH_FAILURES
        return any(
            self._refusals.get(each.id, (0, 0))[0] < ENOUGH_FAILURES for each in self._cloud.own
        )

    def statuses(self) -> tuple[ImageStatus, ...]:
        """Return how every image is, those that are wanted first."""
        wanted = [
            replace(
                self._provisions[label].status,
                machinetypes=names,
                image_id=next((self._chosen[each] for each in names if each in self._chosen), ""),
            )
            for label, names in sorted(self._named.items())
        ]
        going = sorted(self._unwanted.values(), key=lambda each: (each.since, each.image.id))
        return (*wanted, *map(_of_unwanted, going))

    def wait(self, timeout_s: float) -> bool:
        """Wait for the threads under way, for real seconds each; True if all have ended."""
        for thread in tuple(self._threads.values()):
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads.values())

    def _is_stopping(self) -> bool:
        context = self._context
        return self._is_closed or context.is_stopping() or not context.may_act()

    def _provision(self, cloud: CloudImages, source: Source) -> Provision:
        return Provision(self._context, source, cloud, is_stopping=self._is_stopping)

    def _first_look(self, cloud: CloudImages, *, is_wanted: bool) -> None:
        """List what is in the cloud before anything is decided; later that is done beside.

        A space that uploads nothing may have left something; it need not be able to look.
        """
        now = self._context.clock.now()
        until = retry_at(
            self._list_failures, self._list_failed_at, most_seconds=MOST_RETRY_SECONDS
        )
        if cloud.listed_at is not None or (until is not None and now < until):
            return
        try:
            self._context.calls.run("images", cloud.look)
        except SpaceError as error:
            self._list_failures, self._list_failed_at = self._list_failures + 1, now
            self._list_error = str(error)
            if is_wanted:
                self._context.log.warning("images-unseen", error=str(error))

    def _choose(
        self, config: SpaceConfig, cloud: CloudImages, sources: Mapping[str, Source]
    ) -> ImagesNow:
        holds, chosen = {}, {}
        now = self._context.clock.now()
        for kind in config.machinetypes:
            if kind.name not in sources:
                continue
            provision = self._provisions[sources[kind.name].label]
            pattern = kind.options.cernvm_signing_dn
            image = choose(cloud.images, provision.want(pattern))
            if image is None:
                holds[kind.name] = f"image: {self._why(cloud, provision, pattern)}"
            else:
                chosen[kind.name] = image.id
                self._handed[image.id] = now
        self._chosen = chosen
        ids = {name: f"image:{image_id}" for name, image_id in chosen.items()}
        return ImagesNow(ids=ids, holds=holds)

    def _why(self, cloud: CloudImages, provision: Provision, pattern: str | None) -> str:
        """Return why there is no image."""
        if cloud.listed_at is None:
            return self._list_error
        if provision.status.state is ImageState.READY:
            return provision.objection(pattern) or "it is about to be looked at"
        return sentence(provision.status)

    def _start_rounds(self, config: SpaceConfig) -> None:
        now = self._context.clock.now()
        for label, names in self._named.items():
            provision = self._provisions[label]
            patterns = tuple(
                kind.options.cernvm_signing_dn
                for kind in config.machinetypes
                if kind.name in names
            )
            if provision.is_due(now=now):
                self._start(label, partial(provision.run, patterns))
        for label in self._provisions.keys() - self._named.keys():
            if not self._is_under_way(label):
                del self._provisions[label]

    def _start_tidying(self, cloud: CloudImages) -> None:
        listed_at, now = cloud.listed_at, self._context.clock.now()
        if listed_at is None or not (self._named or cloud.images):
            return
        if now - max(listed_at, self._tidying_broke_at or 0) >= LOOK_SECONDS:
            self._start("", partial(self._tidy_safely, cloud))

    def _start(self, key: str, work: Callable[[], None]) -> None:
        if self._is_stopping() or self._is_under_way(key):
            return
        thread = threading.Thread(target=work, daemon=True)
        self._threads[key] = thread
        thread.start()

    def _is_under_way(self, key: str) -> bool:
        return key in self._threads and self._threads[key].is_alive()

    def _tidy_safely(self, cloud: CloudImages) -> None:
        try:
            self._tidy(cloud)
        except Exception:  # noqa: BLE001 - the top of a thread: it must not end unheard
            self._tidying_broke_at = self._context.clock.now()
            self._context.log.bug("images-broken")

    def _tidy(self, cloud: CloudImages) -> None:
        """List the images; remove those that nobody will miss, and what was left half made."""
        try:
            cloud.look()
        except SpaceError as error:
            self._context.log.warning("images-unseen", error=str(error))
            return
        now = self._context.clock.now()
        self._unwanted = unwanted(
            (*cloud.own, *cloud.of(self._abandoned())),
            self._unwanted,
            kept=frozenset(self._chosen.values()),
            uploading=cloud.uploading,
            handed=self._handed,
            now=now,
        )
        for each in tuple(self._unwanted.values()):
            if each.is_due(now=now) and not self._is_stopping():
                self._remove(cloud, each, now=now)

    def _abandoned(self) -> frozenset[str]:
        """Return spaces that left the configuration, perhaps before their images could be removed.

        If they were in this project, nobody else will do it.
        """
        configured = [space.name for space in self._context.configured()]
        if self._context.name not in configured:  # we are not told of all
            return frozenset()
        try:
            return self._context.store.abandoned(configured)
        except StoreError:  # the cycle tells of it; the next look will do
            return frozenset()

    def _remove(self, cloud: CloudImages, given: Unwanted, *, now: int) -> None:
        image = given.image
        failures, failed_at = self._refusals.get(image.id, (0, 0))
        until = retry_at(failures, failed_at, most_seconds=MOST_RETRY_SECONDS)
        if until is not None and now < until:
            return
        label = image.tags.get(SOURCE, "")
        try:
            cloud.delete(image)
        except SpaceError as error:
            self._refusals[image.id] = failures + 1, now
            self._context.log.warning(
                "image-remove-failed", source=label, image=image.id, error=str(error)
            )
            return
        self._unwanted = {key: kept for key, kept in self._unwanted.items() if key != image.id}
        self._refusals.pop(image.id, None)
        self._context.log.info("image-removed", source=label, image=image.id)


def _sources(config: SpaceConfig) -> dict[str, Source]:
    """Return the sources by machinetype, for those that need one."""
    found = ((kind.name, source_of(kind.options.root_image)) for kind in config.machinetypes)
    return {name: source for name, source in found if source is not None}


def _names(sources: Mapping[str, Source]) -> dict[str, tuple[str, ...]]:
    """Return the machinetypes by the label of their source."""
    labels = dict.fromkeys(source.label for source in sources.values())
    return {
        label: tuple(name for name, source in sources.items() if source.label == label)
        for label in labels
    }


def _of_unwanted(given: Unwanted) -> ImageStatus:
    image = given.image
    return ImageStatus(
        source=image.tags.get(SOURCE, ""),
        state=ImageState.OLD if image.is_ready else ImageState.UNFINISHED,
        since=given.since,
        image_id=image.id,
        size_bytes=image.size_bytes,
        detail="machines still use it" if given.is_used else "no machine uses it",
        until=None if given.is_used else given.since + UNUSED_SECONDS,
    )
