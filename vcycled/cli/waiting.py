"""Who waits for the room of preemptible machines, and who makes it, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vcycled.cli.views import SpaceView
from vcycled.cli.words import Words, several
from vcycled.model import Machine, Reason


def waiting_sentences(space: SpaceView, words: Words) -> Iterator[str]:
    """Return who in a space has lacked room since when, and who was told to make it."""
    patience = space.config.options.preempt_after_seconds if space.config else 0
    for memory in sorted(space.records.machinetypes, key=lambda each: each.machinetype):
        since = memory.waiting_since
        if since is None:
            continue
        sentence = f"{memory.machinetype} has lacked room since {words.instant(since)}"
        if since + patience > words.now:
            at = words.until(since + patience)
            sentence += f"; preemptible machines are told to make some {at}"
        yield f"{sentence}."
    yield from _leaving(space, words)


def given_room(space: SpaceView, now: int) -> frozenset[str]:
    """Return the machinetypes for which preemptible machines make room, or are about to."""
    patience = space.config.options.preempt_after_seconds if space.config else 0
    is_told = bool(_told(space))
    return frozenset(
        each.machinetype
        for each in space.records.machinetypes
        if each.waiting_since is not None and (is_told or each.waiting_since + patience > now)
    )


def _told(space: SpaceView) -> dict[Machine, int | None]:
    """Return by when preemptible machines leave that were told to."""
    return {
        machine: machine.leave_by
        for machine in space.records.machines
        if machine.leave_why == Reason.PREEMPTED and machine.stopped_at is None
    }


def _leaving(space: SpaceView, words: Words) -> Iterator[str]:
    told = _told(space)
    ends = [end for end in told.values() if end is not None]
    if ends:
        count = several(len(told), "preemptible machine")
        size = several(sum(machine.processors for machine in told), "processor")
        yield f"{count} with {size} must make room, the first {words.until(min(ends))}."
