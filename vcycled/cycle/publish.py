"""Publish: accounting records that are final, each exactly once."""

from __future__ import annotations

from collections.abc import Container, Sequence

from vcycled.apel.queue import Queue
from vcycled.clock import Clock
from vcycled.cycle.context import Context
from vcycled.kvlog import KVLogger
from vcycled.model import RunInterval
from vcycled.store import Store

SINK = "apel"


def publish_records(context: Context) -> int:
    """Write the records that are final and have not left yet; return how many.

    A file's place follows from its row, so dying between writing and marking writes the same file
    again and never a second one.

    Raises:
        StoreError: what left is not marked; the next cycle repeats it.
    """
    return Publisher(context.store, context.queue, clock=context.clock, log=context.log).write(
        context.store.take(SINK, space=context.name)
    )


class Publisher:
    """Writes records into the queue of this host and marks them as written."""

    def __init__(self, store: Store, queue: Queue, *, clock: Clock, log: KVLogger) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._log = log

    def write(self, intervals: Sequence[RunInterval]) -> int:
        """Write the records of `intervals`; return how many.

        Raises:
            StoreError: what left is not marked; repeat it.
        """
        if not intervals:
            return 0
        try:
            self._queue.put_all(intervals)
        except OSError as error:
            self._log.error("records-waiting", records=len(intervals), error=str(error))
            return 0
        keys = [(interval.uuid, interval.interval) for interval in intervals]
        self._store.mark_exported(SINK, keys, at=self._clock.now())
        for interval in intervals:
            self._log.info("record-written", machine=interval.name, uuid=interval.uuid)
        return len(intervals)

    def write_left(self, manager: str, held: Container[str]) -> int:
        """Write what this manager took while it held spaces that it does not hold any more.

        Nobody else may. Those of spaces in `held` are left to their cycles.

        Raises:
            StoreError: what left is not marked; repeat it.
        """
        taken = self._store.taken(SINK, manager)
        return self.write([each for each in taken if each.space not in held])
