"""Remember: ask what the listing leaves open, and save what it teaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vcycled.clock import JumpMeter
from vcycled.config import SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.facts import terms_of_lost
from vcycled.model import (
    CLOCK_SLACK_SECONDS,
    Changes,
    ListedMachine,
    Machine,
    Records,
    Stage,
)
from vcycled.remember import (
    Answers,
    Claim,
    LastWords,
    adopted,
    claimed,
    heard,
    learn,
    match,
    questions,
)


def lessons(
    context: Context,
    config: SpaceConfig,
    records: Records,
    listing: Sequence[ListedMachine],
    *,
    now: int,
) -> Changes:
    """Return what the listing changes. Only reads: `find` in the cloud, files in the tree."""
    theirs = _theirs(context, records, listing)
    matched = match(records, listing, installation=context.installation, now=now, theirs=theirs)
    adoptions = _adoptions(context, config, matched.strangers, now)
    adoptions += _claimed(context, config, matched.claims, now)
    asked = questions(matched, now=now)
    ended = (*asked.ended, *(machine for machine, _ in adoptions))
    answers = Answers(
        words={machine.uuid: words_of(context, machine) for machine in ended},
        found=_found(context, asked.doubtful),
        adopted=adoptions,
    )
    return heard(learn(records, matched, answers, now=now), matched.claims, now=now)


def _theirs(
    context: Context, records: Records, listing: Sequence[ListedMachine]
) -> frozenset[str]:
    """Return the uuids of listed machines that other spaces have, on the same project.

    One that such a space held for gone is still its own to find again, as long as it is looked
    after here; whoever lists it after that adopts it, so that it is not left to itself. Whose one
    is that nobody has on record, as after the database was lost, is told by its tags.
    """
    own = {"", *(machine.uuid for machine in records.machines)}
    spaces = {
        each.tags["vcycle_uuid"]: each.tags.get("vcycle_space", "")
        for each in listing
        if each.tags.get("vcycle_installation") == context.installation
        and each.tags.get("vcycle_uuid", "") not in own
    }
    if not spaces:
        return frozenset()
    cared_for = {each.name for each in context.configured()}
    known = context.store.known(spaces)
    kept = {uuid for uuid, each in known.items() if each.stage is not Stage.GONE}
    spaces |= {uuid: machine.space for uuid, machine in known.items()}
    return frozenset(
        uuid
        for uuid, space in spaces.items()
        if space != context.name and (uuid in kept or space in cared_for)
    )


def _found(context: Context, doubtful: Sequence[Machine]) -> Mapping[str, ListedMachine | None]:
    """Ask the cloud for each machine; those it gives no answer for are left out."""
    calls = [
        lambda machine=machine: context.space.find(machine.name, machine.cloud_id)
        for machine in doubtful
    ]
    found = {}
    for outcome in context.calls.run_all("find", calls):
        machine = doubtful[outcome.number]
        if outcome.error is None:
            found[machine.uuid] = outcome.value
        else:
            context.log.warning("find-failed", machine=machine.name, error=str(outcome.error))
    return found


def words_of(context: Context, machine: Machine) -> LastWords:
    """Return what the machine left; what cannot be read is passed over, not taken for silence."""
    try:
        message = context.tree.shutdown_message(machine.space, machine.name)
    except OSError as error:
        context.log.warning("message-unreadable", machine=machine.name, error=str(error))
        message = None
    file = machine.terms.heartbeat_file
    beat = context.tree.heartbeat(machine.space, machine.name, file) if file else None
    return LastWords(message=message, heartbeat_at=beat.at if beat else None)


def _adoptions(
    context: Context, config: SpaceConfig, strangers: Sequence[ListedMachine], now: int
) -> tuple[tuple[Machine, ListedMachine], ...]:
    """Return what to remember of machines that are tagged as ours but not on record."""
    if not strangers:
        return ()
    uuids = [each.tags.get("vcycle_uuid", "") for each in strangers]
    known = context.store.known(uuid for uuid in uuids if uuid)
    machines = (
        adopted(
            each,
            space=context.name,
            known=known.get(uuid),
            terms=terms_of_lost(config, each.tags.get("machinetype", ""), host=context.host),
            now=now,
        )
        for each, uuid in zip(strangers, uuids, strict=True)
    )
    renumbered = (_renumbered(context, machine, known) for machine in machines)
    return tuple(zip(renumbered, strangers, strict=True))


def _claimed(
    context: Context, config: SpaceConfig, claims: Sequence[Claim], now: int
) -> tuple[tuple[Machine, ListedMachine], ...]:
    """Return what to remember of machines that an operator claims."""
    granted = [claim for claim in claims if claim.listed is not None]
    known = context.store.known(claim.uuid for claim in granted) if granted else {}
    return tuple(
        (
            _renumbered(
                context,
                claimed(
                    claim,
                    space=context.name,
                    known=known.get(claim.uuid),
                    terms=terms_of_lost(config, claim.machinetype, host=context.host),
                    now=now,
                ),
                known,
            ),
            claim.listed,
        )
        for claim in granted
        if claim.listed is not None
    )


def _renumbered(context: Context, machine: Machine, known: Mapping[str, Machine]) -> Machine:
    """Return an adopted machine with a number for its run that no run of its has.

    One that is not known any more may have been accounted for before it was forgotten. Such a run
    is never changed, and the store refuses all that a cycle learned if it would be.
    """
    if machine.uuid in known:
        return machine
    runs = [each.interval.interval for each in context.store.intervals(uuid=machine.uuid)]
    return replace(machine, interval=max(runs, default=-1) + 1)


class JumpWatch:
    """Notices when the wall clock was set while this manager runs."""

    def __init__(self, context: Context) -> None:
        self._meter = JumpMeter(context.clock)
        self._log = context.log
        self._jumped_at: int | None = None

    def look(self, *, now: int) -> None:
        """Notice whether the clock was set since the last call."""
        jump = self._meter.jump()
        if abs(jump) >= CLOCK_SLACK_SECONDS:
            self._log.error("clock-jumped", seconds=int(jump))
            self._jumped_at = now

    def mark(self, changes: Changes) -> Changes:
        """Return `changes` with the last jump noted, unless a later one is.

        What a cycle notes may be lost with it, so every later one notes it again.
        """
        if self._jumped_at is None or changes.memory is None:
            return changes
        noted_at = changes.memory.clock_jumped_at
        if noted_at is not None and self._jumped_at <= noted_at:
            return changes
        memory = replace(changes.memory, clock_jumped_at=self._jumped_at)
        return replace(changes, memory=memory)
