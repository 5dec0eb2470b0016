"""The signs of life of web processes, which may be on other hosts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vcycled.clock import Clock
from vcycled.machinedir import reports

_FRESH_S = 60
"""A web process writes its mark every 15 s; after four without one it is not there."""
_MARK = re.compile(rb"([0-9]{1,12})(?: (-?[0-9]{1,12}))?\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebMark:
    """What a web process that is up says of itself."""

    host: str
    up_since: int
    certificate_ends_at: int | None
    """Of what it shows machines; None if it could not read it."""


def fresh_marks(paths: Iterable[Path], clock: Clock, *, now: int) -> Iterator[WebMark]:
    """Yield what those say that gave a sign of life within 60 s; damaged ones are left out.

    Raises:
        OSError: a file is there but cannot be read.
    """
    for path in paths:
        content, stamp = reports.head(path) or (b"", 0.0)
        told = _MARK.fullmatch(content)
        if told is not None and abs(now - clock.of_stamp(stamp)) <= _FRESH_S:
            ends = None if told[2] is None else int(told[2])
            yield WebMark(host=path.name, up_since=int(told[1]), certificate_ends_at=ends)
