"""`vcycle accounting sinks`: where records go, in rows and sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from vcycled.cli.printing import Block, Json, Line, Table, Tone
from vcycled.cli.views import SinkView
from vcycled.cli.words import Words, several


def sink_blocks(sinks: Sequence[SinkView], words: Words) -> Iterator[Block]:
    """Return the sinks as a table, then why some of them take nothing."""
    rows = tuple(
        (
            sink.name,
            str(sink.waiting),
            "-" if sink.oldest_at is None else words.ago(sink.oldest_at),
            _state(sink),
        )
        for sink in sinks
    )
    headings = ("SINK", "WAITING", "FIRST SINCE", "STATE")
    yield Table(headings=headings, rows=rows, numbers=frozenset({"WAITING"}))
    for sink in sinks:
        yield from outage_lines(sink, words)
        yield from _refusal_lines(sink, words)
        if sink.left_at is not None:
            yield Line(left_sentence(sink, words), Tone.WARN)


def _state(sink: SinkView) -> str:
    if sink.left_at is not None:
        return "not named"
    if sink.outages:
        return "failing"
    return f"refuses {several(sink.refusals, 'record')}" if sink.refusals else "well"


def left_sentence(sink: SinkView, words: Words) -> str:
    """Return what is to be done about a sink that the configuration names no more."""
    waiting = several(sink.waiting, "record")
    return (
        f"{sink.name} is not in accounting of [vcycle], and was last"
        f" {words.ago(sink.left_at or 0)} (waiting: {waiting}): put it back, or"
        f" vcycle accounting forget {sink.name}"
    )


def _refusal_lines(sink: SinkView, words: Words) -> Iterator[Line]:
    """Return which records a sink refuses though it takes others, and why."""
    for each in sink.refused:
        text = (
            f"{sink.name} refuses the record of {each.machine} in {each.space}, uuid {each.uuid},"
            f" ended {words.stamp(each.ended_at)}: {each.refusal}"
        )
        yield Line(text, Tone.WARN)
    if more := sink.refusals - len(sink.refused):
        yield Line(f"{sink.name} refuses {several(more, 'more record')}", Tone.WARN)


def outage_lines(sink: SinkView, words: Words) -> Iterator[Line]:
    """Return why a sink takes no records from some manager, and since when."""
    for outage in sink.outages:
        again = (
            "tried at every cycle"
            if outage.retry_at is None
            else f"tried again {words.until(outage.retry_at)}"
        )
        waiting = several(sink.waiting, "record")
        text = (
            f"{sink.name} has failed for {outage.manager} since {words.instant(outage.since)}"
            f" ({again}; waiting: {waiting}): {outage.error}"
        )
        yield Line(text, Tone.WARN)


def sink_json(sink: SinkView) -> Json:
    """Return how a sink is, as a document."""
    outages: list[Json] = [
        {key: value for key, value in asdict(each).items() if key != "sink"}
        for each in sink.outages
    ]
    spaces: list[Json] = [
        {
            "space": each.space,
            "records": each.runs,
            "oldest_at": each.oldest_at,
            "refused": each.refused,
        }
        for each in sink.backlogs
    ]
    refused: list[Json] = [
        {key: value for key, value in asdict(each).items() if key != "sink"}
        for each in sink.refused
    ]
    return {
        "name": sink.name,
        "records": sink.waiting,
        "oldest_at": sink.oldest_at,
        "spaces": spaces,
        "outages": outages,
        "refused": refused,
        "left_at": sink.left_at,
        "credential_ends": dict(sink.credential_ends),
    }
