"""From what Vcycle 3 left to what our store is to hold. Pure.

# Note [What becomes of a machine]

| its folder | it becomes |
| --- | --- |
| in current/, with an id | listed: it is matched by that id |
| in current/, without one | asked for: it is matched by its exact name, if the cloud shows one |
| in deleted/ | asked for: Vcycle 3 lost sight of it, so it is looked for |

A folder in deleted/ proves nothing, whatever Vcycle 3 saw or did before: its request to delete the
machine may have failed, and then a single short listing moved the folder. Where it had reason to
expect that the machine goes, one answer of `find` is enough.

Whoever of these is in no listing goes the way of any machine that vanishes: looked for by `find`
after three listings, then accounted with the best evidence of its end. One that Vcycle 3 saw stop,
or whose record is in the archive, is closed: what it ran is accounted and stays so. One that we
have already and hold for gone by its absence alone is closed too, and looked for once more.
"""

from __future__ import annotations

import uuid as uuids
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from vcycled.model import (
    Changes,
    EndSource,
    Event,
    Machine,
    MachineState,
    MachinetypeMemory,
    Reason,
    RunInterval,
    ShutdownMessage,
    SpaceMemory,
    Stage,
    Terms,
    event_of,
)
from vcycled.remember.ends import has_found_work, is_abort
from vcycled.vcycle3.archive import OldRecord
from vcycled.vcycle3.facts import OldMachine, OldTree, Place, Trouble
from vcycled.vcycle3.runs import runs_of

_NAMESPACE = uuids.UUID("0c6b1b5e-3d0a-5a53-9c3e-6c1d2b7f5a11")
_REASONS: Mapping[str, Reason] = {
    "700 Failed to start": Reason.NOT_STARTED,
    "700 Exceeded max_wallclock_seconds": Reason.TOO_OLD,
    "700 Heartbeat file not updated": Reason.SILENT,
    "700 Passed shutdowntime": Reason.SHUTDOWN_TIME,
}
"""What Vcycle 3 wrote into the outputs of a machine that it deleted, and why it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What our store has of a space already."""

    memory: SpaceMemory
    machinetypes: tuple[MachinetypeMemory, ...] = ()
    names: frozenset[str] = frozenset()
    """Of machines, gone or not."""
    uuids: frozenset[str] = frozenset()
    """Of the same."""
    machines: tuple[Machine, ...] = ()
    """Those that are not gone."""
    vanished: tuple[Machine, ...] = ()
    """Those that are held for gone because no listing showed them: nobody saw or made them end."""


class Became(StrEnum):
    """What a machine of Vcycle 3 is to us; see note [What becomes of a machine]."""

    LISTED = "listed"
    NAMED = "by-name"
    LOST = "lost"
    """Looked for, though Vcycle 3 held it for gone."""
    ENDED = "ended"
    """Accounted, but perhaps not gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """What is to be saved, and what is not."""

    changes: tuple[Changes, ...]
    """One for each space; runs in them are those whose records Vcycle 3 wrote."""
    counts: Mapping[Became, int]
    """How many machines became what; only those that there are."""
    known: int
    """How many machines our store had already, or are our own."""
    troubles: tuple[Trouble, ...]

    @property
    def machines(self) -> tuple[Machine, ...]:
        """All machines that are taken over."""
        return tuple(machine for each in self.changes for machine in each.machines)

    @property
    def runs(self) -> tuple[RunInterval, ...]:
        """Runs that Vcycle 3 accounted."""
        return tuple(run for each in self.changes for run in each.intervals)


class _Space:
    """What is collected of one space."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.machines: dict[str, Machine] = {}
        self.counts: Counter[Became] = Counter()
        self.seen_at: int | None = None
        """Last listing of Vcycle 3."""
        self.events: list[Event] = []
        self._names = set(known.names)
        self._vanished = {machine.uuid: machine for machine in known.vanished}

    def has(self, old: OldMachine) -> bool:
        """Return whether a machine needs no taking over."""
        return old.is_ours or old.name in self._names or old.cloud_id in self.known.uuids

    def bring_back(self, old: OldMachine, *, now: int) -> bool:
        """Return whether `old` is one that we hold for gone, of which the cloud is asked again.

        It may be that the section was pointed elsewhere. What it ran is accounted and stays so.
        """
        machine = None if old.is_ours else self._vanished.pop(old.cloud_id, None)
        if machine is None:
            return False
        sought = replace(
            machine,
            stage=Stage.ASKED,
            gone_at=None,
            is_delete_acknowledged=True,  # it may be absent
            missing_since=None,
            missing_first_at=None,
            missing_listings=0,
        )
        self._put(Became.LOST, sought, f"again, id {machine.cloud_id}", now=now)
        return True

    def close(self, records: Mapping[str, OldRecord], *, now: int) -> None:
        """Close machines of ours that Vcycle 3 accounted.

        That is how it is after a way back: Vcycle 3 went on for a while with what we had.
        """
        for machine in self.known.machines:
            record = records.get(machine.cloud_id)
            if record is not None and machine.stopped_at is None:
                closed = _accounted(machine, record)
                self._put(Became.ENDED, closed, "Vcycle 3 accounted it", now=now)

    def add(self, old: OldMachine, machine: Machine, *, now: int) -> Trouble | None:
        """Take a machine over; return what speaks against it, if anything does."""
        self._names.add(old.name)
        if old.place is Place.CURRENT and old.seen_at is not None:
            self.seen_at = max(self.seen_at or 0, old.seen_at)
        other = self.machines.get(machine.uuid)
        if other is not None:
            why = f"it has the same id as {other.name}, {machine.uuid}"
            return Trouble(path=old.path, why=why, is_left_out=True)
        id_text = f"id {machine.cloud_id}" if machine.cloud_id else "its id is not known"
        self._put(_became(old, machine), machine, f"from Vcycle 3, {id_text}", now=now)
        return None

    def _put(self, became: Became, machine: Machine, detail: str, *, now: int) -> None:
        self.machines[machine.uuid] = machine
        self.counts[became] += 1
        self.events.append(event_of(machine, at=now, event="machine-imported", detail=detail))


def _became(old: OldMachine, machine: Machine) -> Became:
    if machine.stopped_at is not None:
        return Became.ENDED
    if old.place is Place.DELETED:
        return Became.LOST
    return Became.LISTED if machine.cloud_id else Became.NAMED


def take_over(
    tree: OldTree,
    records: Mapping[str, OldRecord],
    *,
    spaces: Mapping[str, Known],
    runs: frozenset[str],
    terms: Callable[[str, str], Terms],
    now: int,
) -> Takeover:
    """Return what our store is to hold of `tree`.

    Args:
        tree: as it was read.
        records: those of the archive, by LocalJobId.
        spaces: what is known of each space that is configured.
        runs: uuids of machines of which our store has runs.
        terms: returns what a machinetype of a space promises today.
        now: an upper bound of all times.
    """
    collected = {name: _Space(known) for name, known in spaces.items()}
    strays: Counter[str] = Counter()
    troubles = list(tree.troubles)
    known = 0
    for old in tree.machines:
        space = collected.get(old.space)
        if space is None:
            strays[old.space] += 1
        elif space.bring_back(old, now=now):
            continue
        elif space.has(old):
            known += 1
        else:
            machine = _machine(old, records.get(old.cloud_id), terms, now=now)
            if trouble := space.add(old, machine, now=now):
                troubles.append(trouble)
    for space in collected.values():
        space.close(records, now=now)
    troubles += [_unconfigured(name, count) for name, count in strays.items()]
    accounted = runs_of(records, runs, now=now)
    changes = [
        _changes(name, space, tree.last_aborts, accounted.pop(name, ()))
        for name, space in collected.items()
    ]
    changes += [Changes(space=name, intervals=each) for name, each in accounted.items()]
    return Takeover(
        changes=tuple(each for each in changes if each != Changes(space=each.space)),
        counts=_sum(space.counts for space in collected.values()),
        known=known,
        troubles=tuple(sorted(troubles)),
    )


def _sum(counts: Iterable[Counter[Became]]) -> Mapping[Became, int]:
    total = sum(counts, Counter[Became]())
    return {became: total[became] for became in Became if total[became]}


def _unconfigured(space: str, machines: int) -> Trouble:
    left_out = "1 machine is" if machines == 1 else f"{machines} machines are"
    why = f"[space {space}] is not configured: {left_out} left out"
    return Trouble(path=f"shared/spaces/{space}", why=why, is_left_out=True)


def _machine(
    old: OldMachine, record: OldRecord | None, terms: Callable[[str, str], Terms], *, now: int
) -> Machine:
    """Return what becomes of one machine; see note [What becomes of a machine]."""
    began, ended = old.started_at, old.stopped_at
    if record is not None:
        began, ended = record.record.started_at, record.record.ended_at
    created_at = min(old.first_known_at, began or now, ended or now, now)
    processors = old.processors or 1
    machine = Machine(
        uuid=old.cloud_id or str(uuids.uuid5(_NAMESPACE, f"{old.space}/{old.name}")),
        name=old.name,
        space=old.space,
        machinetype=old.machinetype,
        stage=Stage.LISTED if old.cloud_id else Stage.ASKED,
        state=MachineState.UNKNOWN,  # the cloud's word for it comes with the first listing
        processors=processors,
        memory_mb=old.memory_mb or 0,
        flavor="",
        terms=_terms(terms(old.space, old.machinetype), old, processors),
        created_at=created_at,
        zone=old.zone,
        cloud_id=old.cloud_id,
        seen_at=None if old.seen_at is None else created_at,
        started_at=began,
        delete_reason=_delete_reason(old),
        delete_attempts=int(old.deleted_at is not None),
        delete_attempt_at=old.deleted_at,
    )
    if ended is not None:
        machine = _stopped(machine, max(ended, began or ended), old.message)
    return machine if old.place is Place.CURRENT else _moved(machine, old)


def _accounted(machine: Machine, old: OldRecord) -> Machine:
    began = machine.started_at or max(old.record.started_at, machine.created_at)
    return _stopped(replace(machine, started_at=began), max(began, old.record.ended_at), None)


def _stopped(machine: Machine, at: int, message: ShutdownMessage | None) -> Machine:
    """Return `machine` with the end that Vcycle 3 saw and accounted."""
    stopped = replace(
        machine, stopped_at=at, end_source=EndSource.CLOUD, message=message, is_closed=True
    )
    return replace(stopped, is_aborted=is_abort(stopped))


def _moved(machine: Machine, old: OldMachine) -> Machine:
    """Return a machine whose folder stood in deleted/: to be looked for.

    One that is not known to have started and was deleted has no reason for that among ours: what
    follows from it for its machinetype was for Vcycle 3 to say.
    """
    is_deleted = old.deleted_at is not None
    has_run = machine.started_at is not None or machine.stopped_at is not None
    return replace(
        machine,
        stage=Stage.ASKED,
        is_delete_acknowledged=is_deleted or machine.stopped_at is not None,  # it may be absent
        delete_reason=machine.delete_reason if has_run else "",
        missing_since=old.seen_at or machine.started_at,
    )


def _terms(today: Terms, old: OldMachine, processors: int) -> Terms:
    """Return what the machine was promised, as far as its folder tells; else what holds today."""
    if old.wallclock_seconds is not None:
        today = replace(today, max_wallclock_seconds=old.wallclock_seconds)
    if old.power is not None:
        today = replace(today, power_per_processor=old.power / processors, power_unit="HEPSPEC")
    return today


def _delete_reason(old: OldMachine) -> str:
    if old.deleted_at is None or old.message is None:
        return ""
    return _REASONS.get(old.message.text, "")


def _changes(
    name: str,
    space: _Space,
    aborts: Mapping[tuple[str, str], int],
    runs: tuple[RunInterval, ...],
) -> Changes:
    machines = tuple(space.machines.values())
    memory = space.known.memory
    is_first = memory.listed_at is None and space.seen_at is not None
    return Changes(
        space=name,
        machines=machines,
        machinetypes=_memories(name, space, aborts),
        intervals=runs,
        memory=replace(memory, listed_at=space.seen_at) if is_first else None,
        events=tuple(space.events),
    )


def _memories(
    name: str, space: _Space, aborts: Mapping[tuple[str, str], int]
) -> tuple[MachinetypeMemory, ...]:
    """Return what changes in what is remembered of machinetypes: last aborts, proofs of work."""
    before = {each.machinetype: each for each in space.known.machinetypes}
    after = dict(before)
    for (of_space, kind), at in aborts.items():
        if of_space == name:
            memory = after.get(kind) or MachinetypeMemory(space=name, machinetype=kind)
            after[kind] = replace(memory, last_abort_at=max(at, memory.last_abort_at or 0))
    for machine in space.machines.values():
        kind = machine.machinetype
        if machine.stopped_at is not None and has_found_work(machine):
            memory = after.get(kind) or MachinetypeMemory(space=name, machinetype=kind)
            proven_at = max(machine.created_at, memory.proven_at or 0)
            after[kind] = replace(memory, proven_at=proven_at)
    return tuple(each for kind, each in after.items() if each != before.get(kind))
