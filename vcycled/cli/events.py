"""`vcycle events`: what happened, line by line. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from vcycled.cli.printing import Block, Line, Table, Tone
from vcycled.cli.sentences import event_sentence, is_loud, subject
from vcycled.cli.words import Words
from vcycled.model import Event


def event_blocks(events: Sequence[Event], words: Words) -> tuple[Block, ...]:
    """Return a row for each event; the space is told only if there are several."""
    if not events:
        return (Line("no events"),)
    has_spaces = len({event.space for event in events}) > 1
    rows = tuple(
        (
            Line(words.stamp(event.at), Tone.FAINT),
            *((event.space,) if has_spaces else ()),
            subject(event) or "-",
            Line(event_sentence(event, words), Tone.WARN if is_loud(event) else Tone.PLAIN),
        )
        for event in events
    )
    spaces = ("SPACE",) if has_spaces else ()
    return (Table(headings=("TIME", *spaces, "OF", "WHAT"), rows=rows),)
