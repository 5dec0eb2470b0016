"""The sign of life by which the manager knows that heartbeats can arrive.

The manager deletes a machine for silence only if this site was up all the time that the machine
was silent. So the marker says since when without a break, and a break is anything after which a
heartbeat may have been lost: a start, a gap in our own beats (a host that slept), a disk that did
not take an output.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from vcycled import files, kvlog
from vcycled.clock import Clock

_LOG = kvlog.get(__name__)

BEAT_S = 15.0
_GAP_S = 60
"""The manager takes an older marker for a dead one."""


class Marker:
    """The file `shared/web_up/HOST`: its time stamp is the last sign.

    Its content is since when, then when our certificate ends, whose file is on our host alone.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._since: int | None = None
        self._beat_at = 0
        self._is_failing = False

    def beat(self, certificate_ends_at: int | None = None) -> None:
        """Give a sign of life; if it cannot be written, the time up begins anew."""
        now = self._clock.now()
        if not 0 <= now - self._beat_at <= _GAP_S:
            self._since = None
        self._beat_at = now
        since = now if self._since is None else self._since
        try:
            self._path.parent.mkdir(exist_ok=True)
            ends = "" if certificate_ends_at is None else f" {certificate_ends_at}"
            files.write(self._path, f"{since}{ends}", durable=False)
        except OSError as error:
            self._fail(error)
        else:
            self._since = since
            self._is_failing = False

    def broken(self) -> None:
        """Take note that a heartbeat may have been lost."""
        self._since = None

    def remove(self) -> None:
        """Say that we are gone; what cannot be removed is stale in a minute."""
        with suppress(OSError):
            self._path.unlink()

    def _fail(self, error: OSError) -> None:
        self._since = None
        if not self._is_failing:
            _LOG.error("web-marker-failed", file=str(self._path), error=error.strerror)
        self._is_failing = True
