"""What keeps an installation from being ready. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from vcycled.cli.managers import staff_line
from vcycled.cli.status import manager_line
from vcycled.cli.views import SpaceView, View
from vcycled.cli.words import Words, span


def troubles(view: View) -> Iterator[str]:
    """Yield why nobody looks after the spaces, by the rule of `vcycle check`; then each that lags.

    A space lags whose last cycle is not fresh, or that no manager holds.
    """
    if not view.is_managed:
        line = staff_line(view.staff) if view.staff else manager_line(view, Words(now=view.now))
        yield line.text
    for space in view.spaces:
        if why := _lags(space, view):
            yield f"{space.name}: {why}"


def _lags(space: SpaceView, view: View) -> str:
    if view.staff and (unheld := view.staff.why_unheld(space.name)):
        return f"no manager holds it: {unheld}"
    if space.report is None:
        return "no cycle yet"
    late = view.now - space.report.wake_at
    return f"its next cycle is {span(late)} late" if space.is_late(now=view.now) else ""
