"""Look: what the cloud shows, in as few calls as will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vcycled.cycle.context import Context
from vcycled.cycle.images import ImagesNow
from vcycled.model import Flavor, Limits, ListedMachine

FLAVORS_SECONDS = 3600
"""Flavors seldom change; they are asked for again after so long, or after a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One complete view of a space."""

    limits: Limits
    flavors: Sequence[Flavor]
    machines: Sequence[ListedMachine]
    images: ImagesNow = field(default_factory=ImagesNow)


class Looker:
    """Looks at one space; keeps its flavors between cycles."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._flavors: Sequence[Flavor] = ()
        self._flavors_until: float | None = None

    def look(self) -> Look:
        """Return what the cloud shows now.

        Raises:
            SpaceError: something is missing, so nothing may be concluded from the rest.
        """
        space, calls = self._context.space, self._context.calls
        calls.run("connect", space.connect)
        return Look(
            limits=calls.run("limits", space.limits),
            flavors=self._known_flavors(),
            machines=calls.run("machines", space.machines),
        )

    def forget_flavors(self) -> None:
        """Ask for the flavors again at the next look."""
        self._flavors_until = None

    def _known_flavors(self) -> Sequence[Flavor]:
        now = self._context.clock.monotonic()
        if self._flavors_until is None or now >= self._flavors_until:
            self._flavors = self._context.calls.run("flavors", self._context.space.flavors)
            self._flavors_until = now + FLAVORS_SECONDS
        return self._flavors
