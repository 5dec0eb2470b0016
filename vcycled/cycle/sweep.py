"""What machines leave in a cloud, volumes and key pairs: removed once nobody uses it.

# Note [Seen twice]

A volume that is just being made for a machine, or a key pair between its making and its first use,
looks like a leftover. So one is removed only if two sweeps, minutes apart, both show it; after a
restart of the manager that begins anew. What is not of our installation is never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from vcycled.config import SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.contextualize import public_keys_of
from vcycled.errors import SpaceError, UserDataError
from vcycled.model import Records
from vcycled.spaces.base import Leftover, owner_mark

SWEEP_SECONDS = 600
FIRST_SECONDS = 60
"""So long after a start the first sweep is due: before that there is more urgent work."""
TWICE_SECONDS = 300
MOST = 50
"""So many are removed in one sweep; what is over is due in the next cycle."""
PATIENCE_SECONDS = 30
"""After so long no further removal of a sweep begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sight:
    """A leftover of ours."""

    leftover: Leftover
    since: int
    """First sweep that showed it."""
    began: float
    """The same on the monotonic clock."""
    error: str = ""
    """Why it could not be removed."""

    def __str__(self) -> str:
        """Return what waits and why, for people."""
        left = self.leftover
        name = f"{left.name} ({left.id})" if left.name and left.name != left.id else left.id
        failed = f"; it could not be removed: {self.error}" if self.error else ""
        return f"{left.kind} {name}, unused since {self.since}{failed}"


class Sweeper:
    """Sweeps one space, about every ten minutes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sights: dict[tuple[str, str], _Sight] = {}
        self._due_at = context.clock.monotonic() + FIRST_SECONDS
        self._is_clean = False

    @property
    def is_clean(self) -> bool:
        """Whether the space was removed, its machines are gone, and nothing else is left."""
        return self._is_clean

    @property
    def waiting(self) -> tuple[str, ...]:
        """What was left over at the last sweep and is there still, a sentence each."""
        return tuple(sorted(str(sight) for sight in self._sights.values()))

    def sweep(self, config: SpaceConfig, records: Records) -> None:
        """Look for leftovers if that is due, and remove those that were seen before.

        It is due in every cycle for a space that is to be forgotten, until it is clean.
        """
        clock = self._context.clock
        is_last = config.is_removed and not records.machines
        self._is_clean = self._is_clean and is_last
        is_due = clock.monotonic() >= self._due_at
        if not (is_due or (is_last and not self._is_clean)):
            return
        self._due_at = clock.monotonic() + SWEEP_SECONDS
        with suppress(SpaceError, UserDataError):  # logged; the next sweep tries again
            self._look(config, is_last=is_last)
            self._remove()
            self._is_clean = is_last and not self._sights

    def _look(self, config: SpaceConfig, *, is_last: bool) -> None:
        context = self._context
        others = [
            each
            for each in context.configured()
            if each.name != config.name and not each.is_removed
        ]
        try:
            keys = public_keys_of(others if is_last else [*others, config])
            found = context.errands.run("leftovers", lambda: context.space.leftovers(keys))
        except (SpaceError, UserDataError) as error:
            context.log.warning("leftover-failed", detail=str(error))
            raise
        ours = [each for each in found if _is_of(each, context.installation)]
        before = self._sights
        self._sights = {(each.kind, each.id): self._sight(each, before) for each in ours}

    def _sight(self, leftover: Leftover, before: dict[tuple[str, str], _Sight]) -> _Sight:
        clock = self._context.clock
        known = before.get((leftover.kind, leftover.id))
        return known or _Sight(leftover=leftover, since=clock.now(), began=clock.monotonic())

    def _remove(self) -> None:
        """Remove what has been left over for long enough; each by itself."""
        context, began = self._context, self._context.clock.monotonic()
        old = [each for each in self._sights.values() if began - each.began >= TWICE_SECONDS]
        if len(old) > MOST:
            self._due_at = began
        removals = [self._removal(each.leftover, began) for each in old[:MOST]]
        for outcome in context.errands.run_all("remove", removals):
            sight = old[outcome.number]
            key = sight.leftover.kind, sight.leftover.id
            if outcome.error is not None:
                error = str(outcome.error)
                context.log.warning("leftover-failed", detail=f"{sight}: {error}")
                self._sights[key] = replace(sight, error=error)
            elif outcome.value:
                context.log.info("leftover-removed", detail=str(sight))
                del self._sights[key]

    def _removal(self, leftover: Leftover, began: float) -> Callable[[], bool]:
        """Return the call that removes it; it returns False if it is too late, or not ours to."""
        context = self._context

        def remove() -> bool:
            is_late = context.clock.monotonic() - began > PATIENCE_SECONDS
            if is_late or context.is_stopping() or not context.may_act():
                return False
            context.space.remove(leftover)
            return True

        return remove


def _is_of(leftover: Leftover, installation: str) -> bool:
    if leftover.owner_mark:
        return leftover.owner_mark == owner_mark(installation)
    return leftover.tags.get("vcycle_installation") == installation
