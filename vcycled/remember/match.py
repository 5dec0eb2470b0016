"""Which listed machine is which of ours, which of ours is missing, and what is foreign.

# Note [Whose is it?]

A machine is ours if it carries our installation id, or if we have just asked for one of its name,
or with its UUID, and the cloud shows no tags yet. The name pattern alone proves nothing: other
managers use it too. A second machine with the tags of one we know under another cloud id is a
duplicate that a repeated request made; it is seen, counted and deleted. A second one that has but
the name, as of a request of Vcycle 3 whose id is not known, is foreign. What another space of the
same project has on record, and whatever carries the tags of that, is that space's to judge: for
this one it is foreign.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from vcycled.model import FATE, Fate, ListedMachine, Machine, Records, SpaceMemory, Stage
from vcycled.remember.claims import Claim, claims
from vcycled.remember.times import is_yet_to_begin

CONFIRM_LISTINGS = 3
CONFIRM_SECONDS = 300
"""Absent from so many complete listings over so long: then `find` may confirm it (law 3)."""
UNKNOWN_OUTCOME_SECONDS = 600
"""How long a creation of unknown outcome must be absent before `find` may end it: longer than any
cloud keeps a request in a queue before it shows a machine for it."""
ABSENT_ANYWAY_LISTINGS = 1000
"""Absent from so many: then `find` may confirm it though by the clock it has yet to begin."""
SUSPECT_FROM = 4
"""A listing of fewer machines than this cannot shrink suspiciously."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A listing, taken apart."""

    seen: tuple[tuple[Machine, ListedMachine], ...]
    absent: tuple[Machine, ...]
    """Asked for or listed before, not in this listing; how long is already counted in them."""
    unasked: tuple[Machine, ...]
    """Intents of a manager that died before it called the cloud."""
    strangers: tuple[ListedMachine, ...]
    """Tagged as ours, but not among the records."""
    claims: tuple[Claim, ...]
    """Foreign ones that operators claim; what is granted is not foreign any more."""
    memory: SpaceMemory
    """With this listing's time and foreign machines, and whether it is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What must be known before the listing's news can be recorded."""

    ended: tuple[Machine, ...]
    """Read their shutdown message and heartbeat."""
    doubtful: tuple[Machine, ...]
    """Ask `find` for them: they may be gone."""


def match(
    records: Records,
    listing: Iterable[ListedMachine],
    *,
    installation: str,
    now: int,
    theirs: Collection[str] = (),
) -> Matched:
    """Take a complete `listing` apart against the `records` of its space.

    `theirs` are the uuids of machines in it that other spaces have on record.
    """
    book = _Book(records.machines, installation, theirs)
    for listed in listing:
        book.enter(listed)
    seen = book.seen()
    here = {machine.uuid for machine, _ in seen}
    missing = [machine for machine in records.machines if machine.uuid not in here]
    absent = tuple(
        _missed(machine, records.memory, now) for machine in missing if _was_asked(machine)
    )
    ours = {machine.name for machine in records.machines}
    claimed = claims(records.orders, book.foreign, ours)
    granted = {claim.listed.cloud_id for claim in claimed if claim.listed is not None}
    foreign = [each for each in book.foreign if each.cloud_id not in granted]
    foreign += book.theirs
    return Matched(
        seen=tuple(seen),
        absent=absent,
        unasked=tuple(machine for machine in missing if not _was_asked(machine)),
        strangers=tuple(book.strangers),
        claims=claimed,
        memory=_memory(records.memory, seen, absent, foreign, now=now),
    )


def questions(matched: Matched, *, now: int) -> Questions:
    """Return what the shell must find out before `learn` can be called."""
    doubtful = tuple(machine for machine in matched.absent if _is_due_for_find(machine, now))
    ended = [machine for machine, listed in matched.seen if _ends(machine, listed)]
    ended += [machine for machine in doubtful if machine.stopped_at is None]
    return Questions(ended=tuple(ended), doubtful=doubtful)


class _Book:
    """Listed machines, entered one by one under ours."""

    def __init__(
        self, machines: Sequence[Machine], installation: str, theirs: Collection[str]
    ) -> None:
        self._installation = installation
        self._theirs = theirs
        self._by_id = {machine.cloud_id: machine for machine in machines if machine.cloud_id}
        self._by_uuid = {machine.uuid: machine for machine in machines}
        self._by_name = {machine.name: machine for machine in machines}
        self._seen: list[tuple[Machine, ListedMachine]] = []
        self._candidates: dict[str, list[ListedMachine]] = {}
        self.strangers: list[ListedMachine] = []
        self.foreign: list[ListedMachine] = []
        self.theirs: list[ListedMachine] = []
        """Of other spaces, so that nobody may claim them for this one."""

    def enter(self, listed: ListedMachine) -> None:
        known = self._by_id.get(listed.cloud_id)
        if known is not None:
            self._seen.append((known, listed))
            return
        installation = listed.tags.get("vcycle_installation")
        if installation == self._installation:
            known = self._by_uuid.get(listed.tags.get("vcycle_uuid", ""))
        elif installation is None:
            uuid = listed.tags.get("vcycle_uuid", "")
            known = self._by_uuid.get(uuid) or self._by_name.get(listed.name)
        if known is not None and not known.cloud_id:
            self._candidates.setdefault(known.uuid, []).append(listed)
        elif installation == self._installation and self._is_theirs(listed):
            self.theirs.append(listed)
        elif installation == self._installation:
            self.strangers.append(listed)
        else:
            self.foreign.append(listed)

    def _is_theirs(self, listed: ListedMachine) -> bool:
        return listed.tags.get("vcycle_uuid") in self._theirs

    def seen(self) -> list[tuple[Machine, ListedMachine]]:
        """Return the pairs; of several new machines for one intent, the oldest is it.

        One that bears its uuid goes before those that have only its name.
        """
        for uuid, listed in self._candidates.items():
            tagged = [each for each in listed if each.tags.get("vcycle_uuid") == uuid]
            named = [each for each in listed if each not in tagged]
            first = min(tagged or named, key=lambda each: (each.created_at or 0, each.cloud_id))
            self._seen.append((self._by_uuid[uuid], first))
            self.strangers += [each for each in tagged if each is not first]
            self.foreign += [each for each in named if each is not first]
        self._candidates.clear()
        return self._seen


def _was_asked(machine: Machine) -> bool:
    return machine.stage is not Stage.INTENDED


def _missed(machine: Machine, memory: SpaceMemory, now: int) -> Machine:
    """Return `machine` with one more complete listing counted that omits it."""
    return replace(
        machine,
        missing_since=machine.missing_since or memory.listed_at or machine.created_at,
        missing_first_at=machine.missing_first_at or now,
        missing_listings=machine.missing_listings + 1,
    )


def _is_due_for_find(machine: Machine, now: int) -> bool:
    if is_yet_to_begin(machine, now=now):
        return machine.missing_listings >= ABSENT_ANYWAY_LISTINGS
    if machine.is_delete_acknowledged:
        return True
    first = now if machine.missing_first_at is None else machine.missing_first_at
    is_outcome_known = machine.stage is Stage.LISTED or bool(machine.cloud_id)
    patience = CONFIRM_SECONDS if is_outcome_known else UNKNOWN_OUTCOME_SECONDS
    return machine.missing_listings >= CONFIRM_LISTINGS and now - first >= patience


def _ends(machine: Machine, listed: ListedMachine) -> bool:
    return machine.stopped_at is None and FATE[listed.state] in {Fate.REMOVE, Fate.GOING}


def _memory(
    memory: SpaceMemory,
    seen: Sequence[tuple[Machine, ListedMachine]],
    absent: Sequence[Machine],
    foreign: Sequence[ListedMachine],
    *,
    now: int,
) -> SpaceMemory:
    lost = sum(_is_unexpected(machine) for machine in absent)
    expected = sum(not machine.is_delete_acknowledged for machine, _ in seen) + lost
    expected += memory.foreign_machines
    present = sum(not machine.is_delete_acknowledged for machine, _ in seen) + len(foreign)
    is_cut = expected >= SUSPECT_FROM and 2 * present < expected
    suspect_since = (memory.suspect_since or now) if is_cut else None
    if suspect_since is not None and now - suspect_since >= CONFIRM_SECONDS:
        suspect_since = None  # it has been so for long: foreign machines did leave
    if suspect_since is not None:
        return replace(memory, listed_at=now, suspect_since=suspect_since)
    return replace(
        memory,
        listed_at=now,
        listed_machines=len(seen) + len(foreign),
        foreign_machines=len(foreign),
        foreign_processors=sum(each.processors for each in foreign),
        foreign_memory_mb=sum(each.memory_mb for each in foreign),
        suspect_since=None,
    )


def _is_unexpected(machine: Machine) -> bool:
    """True if nothing that we did or saw explains that `machine` is not listed."""
    return (
        machine.stage is Stage.LISTED
        and not machine.is_delete_acknowledged
        and machine.stopped_at is None
    )
