"""What keeps an installation from being ready. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vcycled.cli.views import View
from vcycled.cli.words import span


def troubles(view: View) -> Iterator[str]:
    """Yield a sentence for each space whose last cycle is not fresh, for whatever reason."""
    for space in view.spaces:
        if space.report is None:
            yield f"{space.name}: no cycle yet"
        elif space.is_late(now=view.now):
            yield f"{space.name}: its next cycle is {span(view.now - space.report.wake_at)} late"
