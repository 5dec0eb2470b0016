"""Look: what the cloud shows, in as few calls as will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vcycled.cycle.context import Context
from vcycled.cycle.images import ImagesNow
from vcycled.errors import Refused
from vcycled.model import Flavor, Limits, ListedMachine
from vcycled.remember import in_words, is_elsewhere, mislaid, unproven, waited_for

FLAVORS_SECONDS = 3600
"""Flavors seldom change; they are asked for again after so long, or after a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One complete view of a space."""

    limits: Limits
    flavors: Sequence[Flavor]
    machines: Sequence[ListedMachine]
    account: Mapping[str, str] = field(default_factory=dict)
    """Where that is, as `Space.account` tells it."""
    images: ImagesNow = field(default_factory=ImagesNow)


class Looker:
    """Looks at one space; keeps its flavors between cycles."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._flavors: Sequence[Flavor] = ()
        self._flavors_until: float | None = None
        self._is_proven = False
        """Whether no machine is left that nothing but an import tells of: none can come while we
        look after the space."""

    def look(self) -> Look:
        """Return what the cloud shows now.

        Raises:
            SpaceError: something is missing, so nothing may be concluded from the rest, or this
                is not where our machines run.
        """
        space, calls = self._context.space, self._context.calls
        calls.run("connect", space.connect)
        account = calls.run("account", space.account)
        self._check_whereabouts(account)
        look = Look(
            account=account,
            limits=calls.run("limits", space.limits),
            flavors=self._known_flavors(),
            machines=calls.run("machines", space.machines),
        )
        self._check_imported(look)
        return look

    def forget_flavors(self) -> None:
        """Ask for the flavors again at the next look."""
        self._flavors_until = None

    def _check_whereabouts(self, account: Mapping[str, str]) -> None:
        store, name = self._context.store, self._context.name
        before = store.memory(name).account
        if not is_elsewhere(before, account):
            return
        if left := waited_for(store.records(name).machines):
            raise Refused(
                "account",
                f"this is {in_words(account)}, but machines are waited for ({len(left)}) in "
                f"{in_words(before)}: point the section there again; what is elsewhere needs a "
                "section of another name",
            )

    def _check_imported(self, look: Look) -> None:
        if self._is_proven:
            return
        machines = self._context.store.records(self._context.name).machines
        self._is_proven = not unproven(machines, ())
        if lost := mislaid(unproven(machines, look.machines)):
            place = f"this is {in_words(look.account)}, but it" if look.account else "the listing"
            raise Refused(
                "account",
                f"{place} shows none of the machines that were imported ({len(lost)}): point the "
                "section to where they run; what is gone for good is to be forgotten, by order",
            )

    def _known_flavors(self) -> Sequence[Flavor]:
        now = self._context.clock.monotonic()
        if self._flavors_until is None or now >= self._flavors_until:
            self._flavors = self._context.calls.run("flavors", self._context.space.flavors)
            self._flavors_until = now + FLAVORS_SECONDS
        return self._flavors
