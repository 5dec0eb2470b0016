"""What an operator orders: whom it concerns and what will come of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vcycled.cli.as_json import condition
from vcycled.cli.names import demand, hint
from vcycled.cli.views import SpaceView
from vcycled.cli.words import Words, several, span
from vcycled.errors import Misworded, OperatorError, Unknown
from vcycled.model import GRACE_SECONDS, Drain, Machine, Order, OrderKind, Stage
from vcycled.remember.named import meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a drain is of."""

    space: SpaceView
    machinetype: str = ""
    """Empty for the whole space."""

    @property
    def title(self) -> str:
        """How it is called in sentences."""
        return f"{self.machinetype} of {self.space.name}" if self.machinetype else self.space.name

    def machines(self) -> int:
        """Return how many machines it has."""
        mine = {"", self.machinetype}
        return sum(
            not self.machinetype or each.machinetype in mine
            for each in self.space.records.machines
        )

    def order(
        self, kind: OrderKind, *, now: int, who: str, by: int | None = None, reason: str = ""
    ) -> Order:
        """Return the order to leave in the store."""
        return Order(
            kind=kind,
            space=self.space.name,
            machinetype=self.machinetype,
            at=now,
            who=who,
            by=by,
            reason=reason,
        )


def target(
    words: Sequence[str], spaces: Iterable[SpaceView], what: str = "space or machinetype"
) -> Target:
    """Return what SPACE, SPACE MACHINETYPE, or MACHINETYPE means.

    `what` tells what the word could have been if it is nothing.

    Raises:
        OperatorError: nothing, or more than one thing.
    """
    if len(words) > 2:
        raise Misworded(
            "name a space, a machinetype, a space and a machinetype of it, or machines"
        )
    known = {space.name: space for space in spaces}
    first, *rest = words
    if rest:
        space = known[demand("space", first, known)]
        return Target(space=space, machinetype=demand("machinetype", rest[0], space.machinetypes))
    if first in known:
        return Target(space=known[first])
    having = [space for space in known.values() if first in space.machinetypes]
    if len(having) == 1:
        return Target(space=having[0], machinetype=first)
    if having:
        names = ", ".join(space.name for space in having)
        raise OperatorError(f"{first} is a machinetype of several spaces ({names}): say which")
    kinds = [name for space in known.values() for name in space.machinetypes]
    raise Unknown(f"there is no {what} {first!r}{hint(first, (*known, *kinds))}")


def check_by(by: int | None, *, now: int) -> None:
    """Refuse a time that is over.

    Raises:
        ValueError: it is.
    """
    if by is not None and by < now:
        message = f"that was {span(now - by)} ago; machines can be told only of times to come"
        raise ValueError(message)


def drain_promise(target: Target, by: int | None, words: Words) -> Iterator[str]:
    """Return what will come of a drain, in sentences."""
    before = _drain_of(target, words.now)
    if before is not None:
        since = words.instant(before.since)
        was = "was held" if before.is_hold else "drained already"
        yield f"{target.title} {was}, since {since}; this replaces it."
    left = several(target.machines(), "machine")
    yield f"{target.title}: nothing more is created; {left} left to end by themselves."
    if by is None:
        return
    yield from _grace_sentence(by, words)
    yield f"Those left are deleted {words.until(_in_time(by, words.now))}."


def _in_time(by: int, now: int) -> int:
    """Return when machines must be gone that an operator wants gone `by`."""
    return max(by, now + GRACE_SECONDS)


def _grace_sentence(by: int, words: Words) -> Iterator[str]:
    """Return that `by` is too near, if it is."""
    if by < words.now + GRACE_SECONDS:
        at = words.instant(_in_time(by, words.now))
        yield (
            f"Machines are promised {span(GRACE_SECONDS)} between the news of an earlier end and"
            f" that end, so the time becomes {at}."
        )


def leave_promise(machines: Sequence[Machine], by: int | None, words: Words) -> Iterator[str]:
    """Return what will come of draining `machines`, in sentences; without a time it is soon."""
    if by is not None:
        yield from _grace_sentence(by, words)
    at = words.until(_in_time(by or 0, words.now))
    for machine in machines:
        yield f"{machine_line(machine, words)} is told to leave, and deleted {at} if it is there."


def stay_promise(
    machines: Sequence[Machine], spaces: Iterable[SpaceView], words: Words
) -> Iterator[str]:
    """Return what will come of lifting the drain of each of `machines`, in sentences.

    Raises:
        OperatorError: one of them is not drained by itself.
    """
    known = {space.name: space for space in spaces}
    for machine in machines:
        if machine.drain_by is None:
            raise OperatorError(f"{machine.name} is not drained by itself")
        drains = known[machine.space].drains(now=words.now)
        mine = [each for each in drains if each.machinetype in {"", machine.machinetype}]
        ends = [each.by for each in mine if each.by is not None]
        but = f", but its drain with others ends it {words.until(min(ends))}" if ends else ""
        yield f"{machine_line(machine, words)} may stay for its time{but}."


def undrain_promise(target: Target, words: Words) -> Iterator[str]:
    """Return what will come of lifting a drain, in sentences.

    Raises:
        OperatorError: there is none.
    """
    before = _drain_of(target, words.now)
    if before is not None and before.is_hold:
        raise OperatorError(f"{target.title} is not draining but held: see vcycle release")
    if before is None:
        raise OperatorError(f"{target.title} is not draining{_other_drains(target, words.now)}")
    yield _lifted(target)
    left = [each for each in target.space.drains(now=words.now) if not each.is_hold]
    if target.machinetype and any(not each.machinetype for each in left):
        yield f"But {target.space.name} drains as a whole, so this changes nothing until then."
    kinds = sorted(each.machinetype for each in left if each.machinetype)
    if kinds and not target.machinetype:
        yield f"Still drained by orders of their own: {', '.join(kinds)}."


def _lifted(target: Target) -> str:
    """Return what comes of it once nothing that was ordered keeps `target` from growing."""
    if target.space.may_create(target.machinetype):
        return f"{target.title}: machines are created again as its share allows."
    return (
        f"{target.title}: machines that are there may stay for their time; none is created, as no"
        " section of the configuration makes any."
    )


def _other_drains(target: Target, now: int) -> str:
    """Return which drains there are instead that concern it, and what would lift them."""
    space = target.space.name
    drains = (each for each in target.space.drains(now=now) if not each.is_hold)
    kinds = {each.machinetype for each in drains}
    if target.machinetype:
        return f", but {space} as a whole is: vcycle undrain {space}" if "" in kinds else ""
    return "".join(f"; {kind} of it is: vcycle undrain {space} {kind}" for kind in sorted(kinds))


def hold_promise(target: Target, until: int | None, words: Words) -> Iterator[str]:
    """Return what will come of a hold, in sentences.

    Raises:
        OperatorError: it drains, so nothing is created anyway.
    """
    before = _drain_of(target, words.now)
    if before is not None and not before.is_hold:
        raise OperatorError(f"{target.title} drains already, which is more than a hold")
    if before is not None:
        since = words.instant(before.since)
        yield f"{target.title} was held already, since {since}; this replaces it."
    end = "until it is released" if until is None else f"until {words.instant(until)}"
    left = several(target.machines(), "machine")
    yield f"{target.title}: nothing more is created {end}; {left} there, told nothing."


def release_promise(target: Target, words: Words) -> Iterator[str]:
    """Return what will come of lifting a hold, in sentences.

    Raises:
        OperatorError: there is none.
    """
    before = _drain_of(target, words.now)
    if before is None:
        raise OperatorError(f"{target.title} is not held")
    if not before.is_hold:
        raise OperatorError(f"{target.title} is not held but drains: see vcycle undrain")
    yield _lifted(target)
    whole = any(not each.machinetype for each in target.space.drains(now=words.now))
    if target.machinetype and whole:
        yield f"But {target.space.name} as a whole is held or drains, so that goes on."


def _drain_of(target: Target, now: int) -> Drain | None:
    drains = target.space.drains(now=now)
    return next((each for each in drains if each.machinetype == target.machinetype), None)


def doomed(
    words: Iterable[str], live: Iterable[Machine], gone: Iterable[str]
) -> Mapping[str, Machine]:
    """Return the machines of these names or uuids, of whatever space, by the words for them.

    Args:
        words: as they were typed; a machine that is meant by two of them is there once.
        live: all machines that are not gone.
        gone: those of the words that named a machine once.

    Raises:
        OperatorError: a word is of none of them, or the name of several.
    """
    here, past = tuple(live), set(gone)
    found: dict[str, tuple[str, Machine]] = {}
    for word in words:
        machine = meant(here, word)
        if machine is None:
            raise _unmeant(word, here, is_gone=word in past)
        found.setdefault(machine.uuid, (word, machine))
    return dict(found.values())


def _unmeant(word: str, here: Sequence[Machine], *, is_gone: bool) -> OperatorError:
    """Return why `word` means no machine, and what would."""
    named = sorted((each for each in here if each.name == word), key=lambda each: each.uuid)
    if named:
        told = "; ".join(f"{each.uuid} ({each.space}, {condition(each)})" for each in named)
        return OperatorError(
            f"{word} is the name of {len(named)} machines: say which by its uuid: {told}"
        )
    if is_gone:
        return OperatorError(f"{word} is gone already")
    return Unknown(f"there is no machine {word!r}{hint(word, (each.name for each in here))}")


def machine_order(
    kind: OrderKind,
    machine: Machine,
    *,
    now: int,
    who: str,
    by: int | None = None,
    word: str = "",
) -> Order:
    """Return an order that concerns `machine` alone, by its name or by the `word` for it."""
    return Order(
        kind=kind,
        space=machine.space,
        machinetype=machine.machinetype,
        machine=word or machine.name,
        at=now,
        who=who,
        by=by,
    )


def machine_line(machine: Machine, words: Words) -> str:
    """Return which machine is concerned, and what is at stake."""
    began = machine.started_at
    runs = f", runs for {span(words.now - began)}" if began and machine.stopped_at is None else ""
    place = machine.space if machine.stage is Stage.LISTED else f"{machine.space}, not listed yet"
    return f"{machine.name} ({place}, {condition(machine)}{runs})"
