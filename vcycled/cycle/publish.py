"""Publish: accounting records that are final, each exactly once at each sink."""

from __future__ import annotations

from vcycled.cycle.context import Context
from vcycled.store import Key


def publish_records(context: Context) -> int:
    """Give sinks of this host what is final and they have not taken yet; return how many runs.

    A sink sees that it was given a run before, so dying between writing and marking writes no
    record twice. One sink that fails keeps nothing from the others.

    Raises:
        StoreError: what left is not marked; the next cycle repeats it.
    """
    written: set[Key] = set()
    for outlet in context.outlets():
        if outlet.sink.is_local:
            runs = context.store.take(outlet.name, space=context.name)
            written |= outlet.write(runs)
    return len(written)
