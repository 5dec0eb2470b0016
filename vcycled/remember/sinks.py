"""What is told of sinks of accounting records, of no space: records of any may go there."""

from __future__ import annotations

from vcycled.model import Event


def failing(sink: str, manager: str, error: str, *, at: int) -> Event:
    """Return that a sink takes nothing of a manager any more."""
    return _told(event="sink-failing", detail=f"{sink} of {manager}: {error}", at=at)


def back(sink: str, manager: str, *, since: int, at: int) -> Event:
    """Return that it does again, having failed `since` then."""
    away_s = max(0, at - since)
    return _told(
        event="sink-back",
        detail=f"{sink} of {manager}: takes records again, after {away_s} s",
        at=at,
    )


def forgotten(sink: str, runs: int, *, who: str, at: int) -> Event:
    """Return that a sink collects no records any more, nor so many that waited for it.

    Args:
        sink: its name.
        runs: how many waited.
        who: gave the order; empty if it has just not been named for long.
        at: Unix seconds.
    """
    why = f"by {who}" if who else "not in the configuration of any manager for long"
    return _told(
        event="sink-forgotten", detail=f"{sink}, {why}: records that waited for it: {runs}", at=at
    )


def given_up(sink: str, runs: int, *, who: str, at: int) -> Event:
    """Return that so many records that a sink refused are given to it no more, by order."""
    return _told(
        event="sink-forgotten", detail=f"{sink}, by {who}: records that it refused: {runs}", at=at
    )


def _told(*, event: str, detail: str, at: int) -> Event:
    return Event(at=at, space="", event=event, detail=detail)
