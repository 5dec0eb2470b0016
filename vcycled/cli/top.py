"""`vcycle top`: the live view of an installation, drawn anew every few seconds."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType

from rich.console import Console
from rich.live import Live

from vcycled.cli.keys import quit_pressed
from vcycled.cli.live import Frame, Snapshot, frame, latest
from vcycled.cli.live_parts import SpaceShot
from vcycled.cli.managers import staff_line
from vcycled.cli.printing import Line, Tone
from vcycled.cli.session import Session
from vcycled.cli.status import chosen, manager_line
from vcycled.cli.views import SpaceView, View
from vcycled.cli.words import Words, several
from vcycled.errors import VcycleError

_FEW_EVENTS = 10
"""Of what is no terminal; there the picture is as high as it needs to be."""
_HIGH = 10_000


def look(session: Session, space: str) -> Snapshot:
    """Return how the spaces are, or the one of this name, as `vcycle status` would tell.

    Raises:
        OperatorError: there is no such space, or no database.
        StoreError: the database does not answer.
        ConfigError: nothing can be used.
    """
    with session.store() as store:
        view = chosen(session.view(store), space)
        events = latest(store, space or None)
    return Snapshot(
        spaces=tuple(_shot(each, view) for each in view.spaces),
        events=events,
        warnings=tuple(_warnings(view, session.words)),
    )


def _shot(space: SpaceView, view: View) -> SpaceShot:
    return SpaceShot(
        name=space.name,
        report=space.report,
        machines=tuple(sorted(space.records.machines, key=lambda each: each.created_at)),
        held=_held(space, view),
    )


def _held(space: SpaceView, view: View) -> str:
    if space.config is not None and space.config.held:
        return f"held: {space.config.held}"
    unheld = view.staff.why_unheld(space.name) if view.staff else ""
    return f"no manager holds it: {unheld}" if unheld else ""


def _warnings(view: View, words: Words) -> Iterator[Line]:
    """Yield what `vcycle status` tells before the spaces, if it is bad."""
    line = staff_line(view.staff) if view.staff else manager_line(view, words)
    if line.tone is not Tone.GOOD:
        yield line
    errors = sum(not problem.is_warning for problem in view.problems)
    if errors:
        yield Line(f"{several(errors, 'error')} in the configuration: vcycle status", Tone.BAD)


def show_once(session: Session, space: str, console: Console) -> None:
    """Print one picture: on a terminal as high as that, else with all that there is to tell.

    Raises:
        VcycleError: see `look`.
    """
    seen = look(session, space)
    if console.is_terminal:
        console.print(frame(seen, session.now))
    else:
        few = replace(seen, events=seen.events[-_FEW_EVENTS:])
        console.print(Frame(snapshot=few, words=session.words, height=_HIGH))


def show_until_quit(session: Session, space: str, console: Console, *, every: int) -> None:
    """Show a picture, and a new one every so many seconds, until `q`, Ctrl-C or SIGTERM.

    What fails after the first picture is told above the last one, and tried again.

    Raises:
        VcycleError: there is no first picture; see `look`.
    """
    seen = look(session, space)
    with (
        suppress(KeyboardInterrupt),
        _heeding_signals() as told,
        quit_pressed(sys.stdin) as quit_,
        Live(console=console, auto_refresh=False, screen=True) as live,
    ):
        while not told.to_end:
            live.update(frame(seen, session.clock.now()), refresh=True)
            if session.clock.wait(quit_, every):
                return
            seen = _again(session.anew(), space, seen)


def _again(session: Session, space: str, before: Snapshot) -> Snapshot:
    try:
        return look(session, space)
    except VcycleError as error:
        told = str(error).partition("\n")[0]
        return replace(before, warnings=(Line(f"out of date: {told}", Tone.BAD),))


class _Told:
    """Handles a signal as Ctrl-C, and keeps that it came.

    An exception that is raised while Python finalizes an object is dropped, so to raise one is
    not enough.
    """

    def __init__(self) -> None:
        self.to_end = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.to_end = True
        raise KeyboardInterrupt


@contextmanager
def _heeding_signals() -> Iterator[_Told]:
    """Let SIGINT and SIGTERM end this, so that it leaves the terminal as it was."""
    told = _Told()
    before = {each: signal.signal(each, told) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
