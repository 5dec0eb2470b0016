"""Rounds of a whole daemon: every space begins a cycle at once, and all are waited for.

What lets them begin is a change of the configuration file, as when an operator edits it. A cycle
lasts from its first call of the cloud until its report is in the database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.installation import Installation
from vcycled.daemon.supervisor import Supervisor

PATIENCE_S = 120.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One cycle of each of some spaces."""

    times: Mapping[str, tuple[float, float]]
    """By space: when it began and ended."""
    cpu: float
    """CPU seconds of the process, also to read the configuration that began the round."""
    calls: int
    """Of all clouds."""

    @property
    def seconds(self) -> float:
        """How long it took, from the first begin to the last end."""
        began = min(began for began, _ in self.times.values())
        return max(ended for _, ended in self.times.values()) - began

    @property
    def cycles(self) -> list[float]:
        """How long each cycle took."""
        return [ended - began for began, ended in self.times.values()]


class Rounds:
    """A daemon at work on an installation whose clouds take `latency_s` for each call."""

    def __init__(self, installation: Installation, latency_s: float) -> None:
        self._installation = installation
        self._began: dict[str, float] = {}
        for space, cloud in installation.clouds.items():
            cloud.latency = self._latency(space, latency_s)

    @contextmanager
    def run(self) -> Iterator[Round]:
        """Let the daemon run; give its first round."""
        supervisor = Supervisor(self._installation.outfit)
        thread = threading.Thread(target=supervisor.run)
        try:
            yield self._round(self._installation.clouds, thread.start)
        finally:
            supervisor.stop()
            thread.join()

    def next(self, spaces: Collection[str]) -> Round:
        """Let all begin a cycle; return the round when `spaces` have ended theirs.

        Raises:
            TimeoutError: it took longer than PATIENCE_S.
        """
        return self._round(spaces, self._edit)

    def rest(self, space: str) -> None:
        """Wait until the cycle of `space` that is under way has ended.

        Raises:
            TimeoutError: it took longer than PATIENCE_S.
        """
        self._wait([space], since=0.0)

    def is_under_way(self, space: str) -> bool:
        """Return whether a cycle of `space` has begun and not ended."""
        return self._began[space] > self._installation.store.ended[space]

    def _round(self, spaces: Collection[str], begin: Callable[[], None]) -> Round:
        asked, cpu, calls = time.monotonic(), time.process_time(), self._calls()
        begin()
        self._wait(spaces, since=asked)
        ended = self._installation.store.ended
        return Round(
            times={space: (self._began[space], ended[space]) for space in spaces},
            cpu=time.process_time() - cpu,
            calls=self._calls() - calls,
        )

    def _edit(self) -> None:
        with self._installation.config_path.open("a", encoding="utf-8") as file:
            file.write("# now\n")

    def _wait(self, spaces: Collection[str], *, since: float) -> None:
        began, ended = self._began, self._installation.store.ended
        patience, until = threading.Event(), time.monotonic() + PATIENCE_S
        while not all(since < began.get(each, 0.0) < ended.get(each, 0.0) for each in spaces):
            if time.monotonic() > until:
                raise TimeoutError
            patience.wait(_POLL_S)

    def _calls(self) -> int:
        return sum(cloud.calls.total() for cloud in self._installation.clouds.values())

    def _latency(self, space: str, latency_s: float) -> Callable[[str], None]:
        def wait(operation: str) -> None:
            if operation == "connect":
                self._began[space] = time.monotonic()
            threading.Event().wait(latency_s)

        return wait
