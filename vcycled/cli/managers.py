"""`vcycle managers`: which managers share the database, and who holds what. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vcycled.cli.printing import BLANK, Block, Json, Line, Table, Tone
from vcycled.cli.words import Words, several, span
from vcycled.store import Lease, Manager, Roster
from vcycled.store.sharing import heirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Managers that share a database, and what is known of them."""

    roster: Roster
    unwritten: Mapping[str, int]
    """By manager: records that it alone may write, and did not mark as written yet."""

    @property
    def managers(self) -> tuple[Manager, ...]:
        """All, by name."""
        found = self.roster.managers.values()
        return tuple(sorted(found, key=lambda each: each.presence.name))

    def lease(self, space: str) -> Lease | None:
        """Return the lease of a space that a live manager holds."""
        return None if self.roster.is_free(space) else self.roster.leases[space]

    def holder(self, space: str) -> str:
        """Return the name of the manager that holds a space; empty if none does."""
        lease = self.lease(space)
        return lease.holder if lease else ""

    def why_unheld(self, space: str) -> str:
        """Return why no manager holds a space, as far as can be told; empty if one does."""
        if self.lease(space):
            return ""
        able = [each for each in self.managers if each.is_live and space in each.spaces]
        off = [each for each in able if each.is_clock_off]
        if not able:
            return self._why_nobody(space)
        if len(off) == len(able):
            return "; ".join(_clock_sentence(each) for each in off)
        heir = heirs(self.roster).get(space, able[0].presence.name)
        return f"{heir} is about to take it"

    def _why_nobody(self, space: str) -> str:
        found = self.roster.leases.get(space)
        last = self.roster.managers.get(found.holder) if found else None
        if last is None:
            return "no manager that is alive has it in its configuration"
        return f"{last.presence.name}, which held it, {_state(last)}"


def managers_blocks(staff: Staff, words: Words) -> Iterator[Block]:
    """Return the managers, then the spaces, then what a person must do."""
    if not staff.managers:
        yield Line("No manager has used this database yet.", Tone.WARN)
        return
    yield Table(
        headings=("MANAGER", "STATE", "HOLDS", "CONFIGURED", "CLOCK", "VERSION", "HOST"),
        numbers=frozenset({"HOLDS", "CONFIGURED", "CLOCK"}),
        rows=tuple(_manager_row(each, staff) for each in staff.managers),
    )
    spaces = _spaces(staff)
    if spaces:
        yield BLANK
        yield Table(
            headings=("SPACE", "MANAGER", "EPOCH", "SINCE"),
            numbers=frozenset({"EPOCH"}),
            rows=tuple(_space_row(each, staff, words) for each in spaces),
        )
    yield from _advice(staff)


def managers_json(staff: Staff) -> dict[str, Json]:
    """Return the same as a document."""
    return {
        "managers": [_manager_json(each, staff) for each in staff.managers],
        "spaces": [_space_json(each, staff) for each in _spaces(staff)],
    }


def staff_line(staff: Staff) -> Line:
    """Return in a sentence who is alive."""
    alive = [each for each in staff.managers if each.is_live]
    others = [each for each in staff.managers if not each.is_live]
    told = [f"{each.presence.name} ({several(_held(each, staff), 'space')})" for each in alive]
    silent = [f"{each.presence.name} {_state(each)}" for each in others]
    if not alive:
        return Line("; ".join(["No manager is alive", *silent]), Tone.BAD)
    is_well = not silent and not any(each.is_clock_off for each in alive)
    sentence = "; ".join([f"{several(len(alive), 'manager')} alive: {', '.join(told)}", *silent])
    return Line(sentence, Tone.GOOD if is_well else Tone.WARN)


def _spaces(staff: Staff) -> list[str]:
    """Return the spaces that somebody holds or has configured."""
    held = {space for space, lease in staff.roster.leases.items() if lease.holder}
    return sorted(held.union(*(each.spaces for each in staff.managers if each.is_live)))


def _held(manager: Manager, staff: Staff) -> int:
    return sum(staff.holder(space) == manager.presence.name for space in staff.roster.leases)


def _state(manager: Manager) -> str:
    silent = span(int(manager.silent_s))
    if manager.is_live:
        return "is alive"
    return "has ended" if manager.ended_at is not None else f"has been silent for {silent}"


def _clock_sentence(manager: Manager) -> str:
    where = "ahead of" if manager.skew > 0 else "behind"
    off = span(round(manager.skew))
    return f"the clock of {manager.presence.name} is {off} {where} the database's"


def _manager_row(manager: Manager, staff: Staff) -> tuple[str | Line, ...]:
    tone = Tone.GOOD if manager.is_live else Tone.WARN
    clock = f"{manager.skew:+.0f} s"
    return (
        manager.presence.name,
        Line(_state(manager), tone),
        str(_held(manager, staff)),
        str(len(manager.spaces)),
        Line(clock, Tone.BAD if manager.is_clock_off else Tone.PLAIN),
        manager.presence.version,
        manager.presence.host,
    )


def _space_row(space: str, staff: Staff, words: Words) -> tuple[str | Line, ...]:
    lease = staff.lease(space)
    if lease is None:
        return space, Line("nobody", Tone.BAD), "-", staff.why_unheld(space)
    return space, lease.holder, str(lease.epoch), words.ago(lease.taken_at)


def _advice(staff: Staff) -> Iterator[Block]:
    for each in staff.managers:
        name = each.presence.name
        if each.is_clock_off:
            yield Line(f"{_clock_sentence(each)}: it holds nothing.", Tone.BAD)
        unwritten = staff.unwritten.get(name, 0)
        if unwritten and not each.is_live:
            records = several(unwritten, "record")
            yield Line(
                f"{records} can be written by {name} only. Start it again or, if it never comes "
                f"back, see to its apel-outgoing and run `vcycle managers forget {name}`.",
                Tone.WARN,
            )


def _manager_json(manager: Manager, staff: Staff) -> Json:
    said = manager.presence
    return {
        "name": said.name,
        "is_live": manager.is_live,
        "silent_seconds": round(manager.silent_s, 1),
        "beat_seconds": said.beat_seconds,
        "started_at": manager.started_at,
        "ended_at": manager.ended_at,
        "clock_ahead_seconds": round(manager.skew, 1),
        "is_clock_off": manager.is_clock_off,
        "host": said.host,
        "root": said.root,
        "pid": said.pid,
        "version": said.version,
        "spaces": sorted(manager.spaces),
        "unwritten_records": staff.unwritten.get(said.name, 0),
    }


def _space_json(space: str, staff: Staff) -> Json:
    lease = staff.lease(space)
    return {
        "space": space,
        "manager": lease.holder if lease else None,
        "epoch": lease.epoch if lease else None,
        "since": lease.taken_at if lease else None,
        "why_unheld": staff.why_unheld(space),
    }
