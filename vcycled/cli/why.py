"""`vcycle why`: why a machinetype gets no more machines, until when, what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vcycled.cli.alive import ManagerState
from vcycled.cli.as_json import plain_json
from vcycled.cli.deletions import slow_deletes, slow_sentence
from vcycled.cli.names import demand
from vcycled.cli.printing import Block, Json, Line, Tone
from vcycled.cli.sentences import WHY_PAGE, advice, hold_sentence, hold_tone
from vcycled.cli.unattended import unattended_sentence
from vcycled.cli.views import SpaceView, View
from vcycled.cli.waiting import given_room, waiting_sentences
from vcycled.cli.words import Words, several, span
from vcycled.house.disks import shortage
from vcycled.model import Hold

_FOR_ALL = frozenset({"", "vcycle", "DEFAULT"})
"""Sections an error of which keeps edits of a space from having any effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Why one space, or one machinetype of it, does not grow."""

    space: str
    manager: str = ""
    """Who looks after it, where managers share a database."""
    doubts: tuple[str, ...] = ()
    """Why what follows may not be the whole truth; empty if it is fresh."""
    notes: tuple[str, ...] = ()
    """What else takes up room."""
    kinds: tuple[tuple[str, tuple[Hold, ...]], ...] = ()
    """Each machinetype that was asked for, and what holds it; nothing if nothing does."""
    unusable: tuple[tuple[str, str], ...] = ()
    """Machinetypes (or the space) whose sections cannot be used, and why."""
    given_room: frozenset[str] = frozenset()
    """Machinetypes for which preemptible machines are making room."""
    wake_at: int | None = None
    """When the next cycle is due."""


def answer(view: View, space_name: str, machinetype: str, words: Words) -> Answer:
    """Return why `machinetype` (or each one, if it is empty) of a space does not grow.

    Raises:
        OperatorError: there is nothing of these names.
    """
    broken = _unusable(view, space_name)
    names = {space.name: space for space in view.spaces}
    if space_name not in names and "" in broken:
        return Answer(space=space_name, unusable=((space_name, broken[""]),))
    space = names[demand("space", space_name, names)]
    known = tuple(dict.fromkeys((*space.machinetypes, *filter(None, broken))))
    chosen = (demand("machinetype", machinetype, known),) if machinetype else known
    holds = space.report.holds if space.report else ()
    whole = tuple(hold for hold in holds if not hold.machinetype)
    return Answer(
        space=space.name,
        manager=view.staff.holder(space.name) if view.staff else "",
        doubts=tuple(_doubts(space, view, words)),
        notes=tuple(_notes(space, view, words)),
        kinds=tuple(
            (name, (*whole, *(hold for hold in holds if hold.machinetype == name)))
            for name in chosen
            if name not in broken
        ),
        unusable=tuple((name, broken[name]) for name in chosen if name in broken),
        given_room=given_room(space, words.now),
        wake_at=space.report.wake_at if space.report else None,
    )


def _unusable(view: View, space: str) -> dict[str, str]:
    """Return the sections of a space that cannot be used, by machinetype, and why."""
    titles = {
        title.split()[2]: why for title, why in view.unusable.items() if _is_of(title, space)
    }
    own = view.unusable.get(f"space {space}")
    return titles if own is None else {"": own, **titles}


def _is_of(title: str, space: str) -> bool:
    return title.startswith(f"machinetype {space} ")


def why_blocks(given: Answer, words: Words) -> Iterator[Block]:
    """Return the answer for people."""
    for doubt in given.doubts:
        yield Line(doubt, Tone.BAD)
    for note in given.notes:
        yield Line(note, Tone.WARN)
    if given.manager:
        yield Line(f"{given.manager} looks after it", Tone.FAINT)
    for name, why in given.unusable:
        yield Line(name, Tone.HEAD)
        yield Line(f"its section is wrong and never was right: {why}", Tone.BAD, 1)
        yield Line("Mend it; `vcycle config check` lists all that is wrong.", indent=1)
    for name, holds in given.kinds:
        yield Line(name, Tone.HEAD)
        yield from _kind(holds, given, words)


def why_json(given: Answer) -> Json:
    """Return the answer as a document."""
    return {
        "space": given.space,
        "manager": given.manager or None,
        "doubts": list(given.doubts),
        "notes": list(given.notes),
        "wake_at": given.wake_at,
        "machinetypes": [
            {
                "machinetype": name,
                "holds": [
                    {**plain_json(hold), "advice": advice(hold, given.space, given.given_room)}
                    for hold in holds
                ],
                "unusable": "",
            }
            for name, holds in given.kinds
        ]
        + [{"machinetype": name, "holds": [], "unusable": why} for name, why in given.unusable],
    }


def _kind(holds: tuple[Hold, ...], given: Answer, words: Words) -> Iterator[Block]:
    for hold in holds:
        yield Line(hold_sentence(hold, words), hold_tone(hold), 1)
        what = advice(hold, given.space, given.given_room)
        yield Line(f"{what} See {WHY_PAGE}#{hold.cause}", indent=1)
    if holds or given.wake_at is None:
        return
    if given.doubts:
        yield Line("nothing but what is said above", Tone.FAINT, 1)
    else:
        at = words.until(given.wake_at)
        yield Line(f"nothing holds it; the next cycle is {at}", Tone.GOOD, 1)


def _notes(space: SpaceView, view: View, words: Words) -> Iterator[str]:
    for problem in view.problems:
        if problem.section.startswith(f"vacuum_pipe {space.name} "):
            yield f"Machinetypes of a pipe may be missing: {problem}"
        elif problem.section in _FOR_ALL and not problem.is_warning:
            yield f"What was last right in the configuration goes on: {problem}"
    if slow := slow_deletes(space.records.machines):
        yield f"They count until they are gone: {slow_sentence(slow, words)}"
    yield from waiting_sentences(space, words)


def _doubts(space: SpaceView, view: View, words: Words) -> Iterator[str]:
    report = space.report
    unheld = view.staff.why_unheld(space.name) if view.staff else ""
    if report is None:
        yield "There has been no cycle of this space yet, so nothing is known."
    if unheld:
        yield f"No manager holds this space, so nothing is created or deleted in it: {unheld}."
    elif view.staff is None and view.manager is ManagerState.STOPPED:
        since = f" This is how it was {words.ago(report.at)}." if report else ""
        yield f"vcycled is not running, so nothing is created at all.{since}"
    elif report is not None and space.is_late(now=words.now):
        late = span(words.now - report.wake_at)
        yield f"The next cycle is {late} late; this is how it was {words.ago(report.at)}."
    if report is not None and report.error:
        yield f"The cloud could not be looked at, so nothing is created: {report.error}"
        yield _blind(space, words)
    yield from _full(space, view)
    if space.records.orders:
        yield f"{several(len(space.records.orders), 'order')} left for the next cycle."
    if space.mode == "observe":
        yield "mode is observe: nothing is created or deleted in this space."
    if alone := unattended_sentence(space):
        yield f"{space.name}: {alone}."
    elif space.config is None:
        yield "This space is not configured any more; only its machines are looked after."


def _blind(space: SpaceView, words: Words) -> str:
    """Return since when a cloud is not seen, and what to do about it."""
    seen_at = space.records.memory.listed_at
    since = "It was never seen" if seen_at is None else f"It was last seen {words.ago(seen_at)}"
    return (
        f"{since}, and is asked again in every cycle. If it does not let us in, mend what"
        f" [space {space.name}] says; otherwise see whether its API answers others."
    )


def _full(space: SpaceView, view: View) -> Iterator[str]:
    """Return which disks are full, unless the last cycle could still say so in the database."""
    holds = space.report.holds if space.report else ()
    if any(hold.detail.startswith("disk: ") for hold in holds):
        return
    for disk in view.disks:
        if why := shortage(disk, min_free_mb=view.min_free_mb):
            yield f"Nothing is created: {why}. `vcycle disk` tells what takes up the room."
