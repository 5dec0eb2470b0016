"""Publish: accounting records that are final, each exactly once."""

from __future__ import annotations

from vcycled.cycle.context import Context

SINK = "apel"


def publish_records(context: Context) -> int:
    """Write the records that are final and have not left yet; return how many.

    A file's place follows from its row, so dying between writing and marking writes the same file
    again and never a second one.

    Raises:
        StoreError: what left is not marked; the next cycle repeats it.
    """
    intervals = context.store.unexported(SINK, space=context.name)
    if not intervals:
        return 0
    try:
        context.queue.put_all(intervals)
    except OSError as error:
        context.log.error("records-waiting", records=len(intervals), error=str(error))
        return 0
    keys = [(interval.uuid, interval.interval) for interval in intervals]
    context.store.mark_exported(SINK, keys, at=context.clock.now())
    for interval in intervals:
        context.log.info("record-written", machine=interval.name, uuid=interval.uuid)
    return len(intervals)
