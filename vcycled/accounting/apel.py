"""APEL: messages in apel-archive, and in apel-outgoing for ssmsend."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from vcycled.accounting.base import RunInterval, Sink, SinkRefused, Verdict
from vcycled.apel.queue import BATCH, Queue


class ApelSink(Sink):
    """The queue of this host; what belongs into it is said by docs/reference/accounting.md."""

    is_local = True
    batch = BATCH

    def __init__(self, name: str, options: object, *, root: Path) -> None:  # noqa: ARG002
        self._queue = Queue(root)
        self._lock = threading.Lock()

    def put(self, runs: Sequence[RunInterval]) -> Iterable[Verdict]:
        """Write each record unless it was written before."""
        try:
            with self._lock:  # what looks for a free place must find it free when it is there
                self._queue.put_all(runs)
        except OSError as error:
            raise SinkRefused(str(error)) from error
        return [Verdict(run=run) for run in runs]
