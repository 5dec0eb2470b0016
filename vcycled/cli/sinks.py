"""`vcycle accounting sinks` and `resend`: where records go, in rows and sentences. Pure."""

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
            "failing" if sink.outages else "well",
        )
        for sink in sinks
    )
    headings = ("SINK", "WAITING", "OLDEST ENDED", "STATE")
    yield Table(headings=headings, rows=rows, numbers=frozenset({"WAITING"}))
    for sink in sinks:
        yield from outage_lines(sink, words)


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
        {"space": each.space, "records": each.runs, "oldest_at": each.oldest_at}
        for each in sink.backlogs
    ]
    return {
        "name": sink.name,
        "records": sink.waiting,
        "oldest_at": sink.oldest_at,
        "spaces": spaces,
        "outages": outages,
        "credential_ends": dict(sink.credential_ends),
    }
