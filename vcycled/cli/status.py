"""`vcycle status`: how the manager and the spaces are. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

from vcycled.cli.alive import ManagerState
from vcycled.cli.as_json import plain_json
from vcycled.cli.deletions import leaves_by, slow_deletes, slow_sentence
from vcycled.cli.disk import disks_json, shortage_lines
from vcycled.cli.managers import Staff, managers_json, staff_line
from vcycled.cli.names import demand
from vcycled.cli.printing import BLANK, Block, Json, Line, Table, Tone, facts
from vcycled.cli.sentences import drain_sentence, hold_sentence, hold_tone
from vcycled.cli.sinks import outage_lines, sink_json
from vcycled.cli.unattended import unattended_sentence
from vcycled.cli.views import SpaceView, View, space_names
from vcycled.cli.words import Words, several, span
from vcycled.cycle.report import SpaceReport
from vcycled.errors import Problem
from vcycled.model import Cause, Hold, MachineState, Share

_ORDERED = frozenset({Cause.DRAIN, Cause.ON_HOLD})


def chosen(view: View, space: str) -> View:
    """Return `view` with only the space of this name; with all if it is empty.

    Raises:
        OperatorError: there is none.
    """
    if not space:
        return view
    demand("space", space, space_names(view.spaces))
    return replace(view, spaces=tuple(each for each in view.spaces if each.name == space))


def status_blocks(view: View, words: Words) -> Iterator[Block]:
    """Return the page: what is wrong first, then space by space."""
    yield from problem_lines(view.problems)
    yield staff_line(view.staff) if view.staff else manager_line(view, words)
    yield from shortage_lines(view.disks, min_free_mb=view.min_free_mb)
    for title, why in sorted(view.unusable.items()):
        yield Line(f"[{title}] is not used: {why}", Tone.BAD)
    for sink in view.sinks:
        yield from outage_lines(sink, words)
    for space in view.spaces:
        yield BLANK
        yield from _space(space, view.staff, words)
    if not view.spaces:
        yield Line("There is no space.", Tone.WARN)


def status_json(view: View) -> Json:
    """Return the same as a document."""
    return {
        "now": view.now,
        "manager": {"state": view.manager, "newest_report_at": _newest(view.spaces)},
        "managers": managers_json(view.staff)["managers"] if view.staff else [],
        "disks": disks_json(view.disks, min_free_mb=view.min_free_mb),
        "problems": [asdict(each) for each in view.problems],
        "unusable": dict(view.unusable),
        "sinks": [sink_json(each) for each in view.sinks],
        "spaces": [_space_json(space, view.staff, now=view.now) for space in view.spaces],
    }


def manager_line(view: View, words: Words) -> Line:
    """Return whether the manager is alive, judged by its lock and the age of its reports."""
    newest = _newest(view.spaces)
    last = f"last cycle {words.ago(newest)}" if newest is not None else "no cycle yet"
    is_any_late = any(space.is_late(now=view.now) for space in view.spaces)
    if view.manager is ManagerState.RUNNING:
        return Line(f"vcycled is running; {last}", Tone.WARN if is_any_late else Tone.GOOD)
    if view.manager is ManagerState.STOPPED:
        return Line(f"vcycled is NOT running; {last}", Tone.BAD)
    if newest is not None and not is_any_late:
        return Line(f"vcycled is at work, but not on this host; {last}", Tone.WARN)
    return Line(f"vcycled has not run on this host, as far as is known; {last}", Tone.BAD)


def _newest(spaces: Iterable[SpaceView]) -> int | None:
    return max((space.report.at for space in spaces if space.report), default=None)


def problem_lines(problems: Iterable[Problem]) -> Iterator[Block]:
    """Return what is wrong with the configuration, for people."""
    for problem in problems:
        kind = "warning" if problem.is_warning else "error"
        yield Line(f"{kind}: {problem}", Tone.WARN if problem.is_warning else Tone.BAD)


def _space(space: SpaceView, staff: Staff | None, words: Words) -> Iterator[Block]:
    yield Line(f"{space.name} ({space_notes(space)})", Tone.HEAD)
    yield facts(space_facts(space, staff, words), indent=1)
    yield from space_warnings(space, staff, words)
    shares = _shares(space)
    if shares.rows:
        yield shares
    for hold in untold_holds(space):
        yield hold_line(hold, words)


def hold_line(hold: Hold, words: Words) -> Line:
    """Return what is held, why and until when; faint if that is no trouble."""
    name = hold.machinetype or "the whole space"
    return Line(f"{name}: {hold_sentence(hold, words)}", hold_tone(hold), 1)


def space_notes(space: SpaceView) -> str:
    """Return what kind of space it is."""
    notes = [space.config.api] if space.config else ["not configured any more"]
    if space.mode != "manage":
        notes.append(f"mode {space.mode}")
    return ", ".join(notes)


def space_facts(space: SpaceView, staff: Staff | None, words: Words) -> Iterator[tuple[str, str]]:
    """Return the facts of a space, each with its name; an empty one is not to be told."""
    yield "processors", _processors(space)
    yield "machines", states_text(space)
    yield "manager", staff.holder(space.name) if staff else ""
    yield "last cycle", "none yet" if space.report is None else _cycle(space.report, words)


def _processors(space: SpaceView) -> str:
    ours = sum(machine.processors for machine in space.records.machines)
    foreign = space.records.memory.foreign_processors
    limit = space.limits.processors
    most = f" of {limit}" if limit is not None else ", no limit"
    return f"{ours} ours + {foreign} foreign{most}" if foreign else f"{ours}{most}"


def states_text(space: SpaceView) -> str:
    """Return our machines by state: `20 running, 3 starting`."""
    counts = Counter(machine.state for machine in space.records.machines)
    told = [f"{counts[state]} {state}" for state in MachineState if counts[state]]
    return ", ".join(told) or "none"


def _cycle(report: SpaceReport, words: Words) -> str:
    took = sum(report.seconds.values())
    done = (
        f"{report.creates} asked for, {several(report.deletes, 'deletion')},"
        f" {several(report.records, 'record')}"
    )
    return f"{words.ago(report.at)}, took {took:.1f} s: {done}; next {words.until(report.wake_at)}"


def space_warnings(space: SpaceView, staff: Staff | None, words: Words) -> Iterator[Line]:
    """Return what a person should know of a space, the worst first."""
    report = space.report
    if alone := unattended_sentence(space):
        yield Line(alone, Tone.BAD, 1)
    if staff and (unheld := staff.why_unheld(space.name)):
        yield Line(f"no manager holds it: {unheld}", Tone.BAD, 1)
    if space.config is not None and space.config.held:
        yield Line(f"held: {space.config.held}", Tone.BAD, 1)
    if report is not None and report.error:
        yield Line(f"the cloud could not be looked at: {report.error}", Tone.BAD, 1)
    if report is not None and space.is_late(now=words.now):
        late = span(words.now - report.wake_at)
        yield Line(f"its next cycle is {late} late, so this may be out of date", Tone.BAD, 1)
    if report is not None and report.stuck_calls:
        count = several(report.stuck_calls, "call")
        calls = f"{count} to the cloud given up without an answer so far"
        yield Line(calls, Tone.WARN, 1)
    yield from _left(space, words)
    for drain in space.records.drains:
        yield Line(drain_sentence(drain, words), Tone.WARN, 1)
    if leaving := _leaving(space):
        each = ", ".join(f"{len(ends)} {why}" for why, ends in leaving.items())
        first = words.until(min(min(ends) for ends in leaving.values()))
        yield Line(f"told to leave: {each}; the first must be gone {first}", Tone.PLAIN, 1)
    if space.records.orders:
        orders = several(len(space.records.orders), "order")
        yield Line(f"{orders} left for the next cycle", Tone.PLAIN, 1)


def _leaving(space: SpaceView) -> dict[str, list[int]]:
    """Return by when machines must leave that were told to, by reason."""
    ends: dict[str, list[int]] = {}
    for machine in space.records.machines:
        if (by := leaves_by(machine)) is not None:
            ends.setdefault(machine.leave_why, []).append(by)
    return dict(sorted(ends.items()))


def _left(space: SpaceView, words: Words) -> Iterator[Line]:
    """Return what is not gone yet though it should be, and what else should be known."""
    report = space.report
    for sentence in report.notices if report else ():
        yield Line(sentence, Tone.WARN, 1)
    for sentence in report.deferred if report else ():
        yield Line(f"not deleted yet: {words.retold(sentence)}", Tone.WARN, 1)
    if slow := slow_deletes(space.records.machines):
        yield Line(slow_sentence(slow, words), Tone.WARN, 1)
    for sentence in report.leftovers if report else ():
        yield Line(f"left in the cloud: {words.retold(sentence)}", Tone.PLAIN, 1)


def _shares(space: SpaceView) -> Table:
    shares = {share.machinetype: share for share in space.report.shares} if space.report else {}
    held = {hold.machinetype: hold.cause for hold in _holds(space)}
    rows = []
    for name in space.machinetypes:
        mine = [each for each in space.records.machines if each.machinetype == name]
        share = shares.get(name)
        rows.append(
            (
                name,
                wanted_text(share),
                had_text(share),
                str(sum(each.processors for each in mine)),
                str(len(mine)),
                str(held.get(name, held.get("", "-"))),
            )
        )
    return Table(
        headings=("MACHINETYPE", "WANTED", "HAS", "PROCESSORS", "MACHINES", "NO MORE BECAUSE"),
        numbers=frozenset({"WANTED", "HAS", "PROCESSORS", "MACHINES"}),
        rows=tuple(rows),
        indent=1,
    )


def wanted_text(share: Share | None) -> str:
    """Return which part of its space a machinetype wants."""
    if share is None:
        return "-"
    return "left over" if share.is_preemptible else f"{share.wanted:.0%}"


def had_text(share: Share | None) -> str:
    """Return what a machinetype has of what those with shares have; a preemptible has no part."""
    return f"{share.had:.0%}" if share and not share.is_preemptible else "-"


def _holds(space: SpaceView) -> tuple[Hold, ...]:
    return space.report.holds if space.report else ()


def untold_holds(space: SpaceView) -> Iterator[Hold]:
    """Return the holds but for drains, which are told with their ends already."""
    told = {drain.machinetype for drain in space.records.drains}
    for hold in _holds(space):
        if hold.cause not in _ORDERED or hold.machinetype not in told:
            yield hold


def kinds_json(space: SpaceView) -> list[Json]:
    """Return each machinetype of a space as a document, with what holds it."""
    return [
        {
            "space": space.name,
            **_kind_json(space, name),
            "holds": [
                plain_json(hold) for hold in _holds(space) if hold.machinetype in {"", name}
            ],
        }
        for name in space.machinetypes
    ]


def _space_json(space: SpaceView, staff: Staff | None, *, now: int) -> Json:
    counts = Counter(str(machine.state) for machine in space.records.machines)
    return {
        "name": space.name,
        "api": space.config.api if space.config else None,
        "mode": space.mode,
        "is_configured": space.config is not None and not space.config.is_removed,
        "manager": _manager_of(space, staff),
        "held": space.config.held if space.config else "",
        "limits": plain_json(space.limits),
        "processors": sum(machine.processors for machine in space.records.machines),
        "foreign_processors": space.records.memory.foreign_processors,
        "machines": {state: counts[state] for state in map(str, MachineState)},
        "machinetypes": [_kind_json(space, name) for name in space.machinetypes],
        "holds": [plain_json(hold) for hold in _holds(space)],
        "deferred": list(space.report.deferred) if space.report else [],
        "slow_deletes": [machine.name for machine in slow_deletes(space.records.machines)],
        "notices": list(space.report.notices) if space.report else [],
        "leftovers": list(space.report.leftovers) if space.report else [],
        "drains": [plain_json(drain) for drain in space.records.drains],
        "leaving": {why: len(ends) for why, ends in _leaving(space).items()},
        "open_orders": len(space.records.orders),
        "last_cycle": _cycle_json(space.report, is_late=space.is_late(now=now)),
    }


def _manager_of(space: SpaceView, staff: Staff | None) -> str | None:
    """Return who looks after a space: the holder or, where there is one only, who did last."""
    if staff is not None:
        return staff.holder(space.name) or None
    return space.report.manager or None if space.report else None


def _kind_json(space: SpaceView, name: str) -> dict[str, Json]:
    shares = space.report.shares if space.report else ()
    share = next((each for each in shares if each.machinetype == name), None)
    mine = [each for each in space.records.machines if each.machinetype == name]
    is_preemptible = share is not None and share.is_preemptible
    parts = share if not is_preemptible else None
    return {
        "machinetype": name,
        "is_preemptible": is_preemptible,
        "wanted": parts.wanted if parts else None,
        "had": parts.had if parts else None,
        "processors": sum(each.processors for each in mine),
        "machines": len(mine),
    }


def _cycle_json(report: SpaceReport | None, *, is_late: bool) -> Json:
    if report is None:
        return None
    return {
        "at": report.at,
        "wake_at": report.wake_at,
        "is_late": is_late,
        "error": report.error,
        "creates": report.creates,
        "deletes": report.deletes,
        "records": report.records,
        "api_calls": report.api_calls,
        "stuck_calls": report.stuck_calls,
        "seconds": dict(report.seconds),
    }
