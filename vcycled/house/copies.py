"""Copies of images in the image cache: which are wanted, and which are to go, and when."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from vcycled.clock import Clock
from vcycled.config import Config
from vcycled.images import ImageCache, source_of
from vcycled.images.source import Source
from vcycled.images.status import ImageState, ImageStatus

UNUSED_SECONDS = 7 * 86_400
"""Copies that no machinetype has named for so long are removed."""


def cache_of(config: Config, clock: Clock) -> ImageCache:
    """Return the image cache of the manager."""
    return ImageCache(config.manager.root / "imagecache", clock=clock)


def named(config: Config) -> Iterator[Source]:
    """Yield the sources that machinetypes name."""
    for space in config.spaces:
        for kind in space.machinetypes:
            source = source_of(kind.options.root_image)
            if source is not None:
                yield source


def unnamed(config: Config, clock: Clock) -> tuple[ImageStatus, ...]:
    """Return the copies that no machinetype names, as `vcycle images` shows them.

    Raises:
        OSError: one cannot be looked at.
    """
    return tuple(
        ImageStatus(
            source=unquote(copy.path.name),
            state=ImageState.UNNAMED,
            since=copy.wanted_at,
            size_bytes=copy.size_bytes,
            detail="a copy on this host that no machinetype names",
            until=copy.wanted_at + UNUSED_SECONDS,
        )
        for copy in cache_of(config, clock).unnamed(named(config))
    )
