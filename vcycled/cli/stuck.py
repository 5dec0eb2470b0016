"""Which machinetypes get no more machines until a person acts, and why. Pure.

`vcycle check`, the status page and the metrics all tell of these. A full or an idle space, a
backoff and what an operator ordered are not among them.
"""

from __future__ import annotations

from collections.abc import Iterator

from vcycled.cli.views import SpaceView
from vcycled.images.status import ImageState
from vcycled.model import Cause, Hold, MachinetypeMemory
from vcycled.plan.holds import creation_failed, fails_for_long

_ON_ITS_WAY = frozenset(
    {ImageState.WAITING, ImageState.DOWNLOADING, ImageState.CHECKING, ImageState.UPLOADING}
)


def stuck(space: SpaceView, *, now: int) -> tuple[Hold, ...]:
    """Return a hold for each such machinetype of `space`, as of its last cycle."""
    ordered = {
        drain.machinetype
        for drain in space.records.drains
        if drain.until is None or now < drain.until
    }
    if space.report is None or "" in ordered:
        return ()
    found = (*_held(space), *_failing(space))
    return tuple(hold for hold in found if hold.machinetype not in ordered)


def _held(space: SpaceView) -> Iterator[Hold]:
    """Return what is held by its configuration, its files or its image."""
    report = space.report
    images = report.images if report else ()
    coming = {name for each in images if each.state in _ON_ITS_WAY for name in each.machinetypes}
    for hold in report.holds if report else ():
        is_coming = hold.machinetype in coming and hold.detail.startswith("image: ")
        if hold.machinetype and hold.cause is Cause.HELD and not is_coming:
            yield hold


def _failing(space: SpaceView) -> Iterator[Hold]:
    """Return what has met nothing but failures for about an hour, also while it is tried again."""
    holds = space.report.holds if space.report else ()
    held = {hold.machinetype for hold in holds if hold.cause is Cause.CREATION_FAILED}
    for memory in space.records.machinetypes:
        is_seen = memory.machinetype in held or _is_tried(space, memory)
        if is_seen and fails_for_long(memory):
            yield creation_failed(memory)


def _is_tried(space: SpaceView, memory: MachinetypeMemory) -> bool:
    """Return whether a machine was asked for since the last failure and has not run so far."""
    failed_at = memory.creation_failed_at
    return failed_at is not None and any(
        machine.machinetype == memory.machinetype
        and machine.started_at is None
        and machine.created_at > failed_at
        for machine in space.records.machines
    )
