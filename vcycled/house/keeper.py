"""Removes what is old, now and then, beside everything else that the manager does.

# Note [Removed for its age]

What is removed here cannot be had again, and a clock that is set wrong makes everything look old.
So nothing is removed until the wall clock has gone on without a jump for some minutes, and in a
database that managers share, not while this host's clock is off the server's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from vcycled.apel.queue import Queue
from vcycled.apel.retention import prune
from vcycled.clock import Clock
from vcycled.config import Config, SinkConfig, SpaceConfig, make_sink
from vcycled.errors import StoreError
from vcycled.house import copies
from vcycled.house.calm import Calm
from vcycled.kvlog import KVLogger
from vcycled.machinedir import MachineDir
from vcycled.remember.sinks import forgotten
from vcycled.store import Store
from vcycled.store.tenure import SKEW_MOST_SECONDS

TURN_SECONDS = 3600
CALM_SECONDS = 600
"""For so long the clock must not have jumped; the first turn after a start waits for it too."""
HOUR = 3600
DAY = 24 * HOUR
EXIT_S = 5.0
"""How long a turn under way is waited for at the end, in real seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chore:
    """One thing to do in a turn."""

    area: str
    do: Callable[[], int]
    """Returns how much it removed."""
    space: str = ""


class Housekeeper:
    """Keeps the folders and the database of one manager small."""

    def __init__(
        self, store: Store, queue: Queue, tree: MachineDir, *, clock: Clock, log: KVLogger
    ) -> None:
        self._store = store
        self._queue = queue
        self._tree = tree
        self._clock = clock
        self._log = log
        self._calm = Calm(clock)
        self._kept_at: float | None = None
        """When the last turn began, on the monotonic clock."""
        self._is_ending = False
        self._thread: threading.Thread | None = None

    def tend(self, config: Config) -> None:
        """Begin a turn if one is due; to be called often, never waits."""
        calm_seconds = self._calm.seconds()
        if not self._is_due() or calm_seconds < CALM_SECONDS:
            return
        if abs(self._store.leases.skew) > SKEW_MOST_SECONDS:
            return
        self._kept_at = self._clock.monotonic()
        self._thread = threading.Thread(target=self._work, args=(config,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Begin nothing more, and wait a little for what is under way."""
        self._is_ending = True
        self.wait(EXIT_S)

    def wait(self, timeout_s: float) -> None:
        """Wait for the turn under way, for real seconds."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _is_due(self) -> bool:
        if self._is_ending or (self._thread is not None and self._thread.is_alive()):
            return False
        kept_at = self._kept_at
        return kept_at is None or self._clock.monotonic() - kept_at >= TURN_SECONDS

    def _work(self, config: Config) -> None:
        for chore in self._chores(config, now=self._clock.now()):
            if self._is_ending:
                return
            self._try(chore)

    def _try(self, chore: _Chore) -> None:
        """Do it; trouble with one hinders no other, and the next turn tries again."""
        log = self._log.bind(area=chore.area, space=chore.space or None)
        try:
            removed = chore.do()
        except (StoreError, OSError) as error:
            log.warning("house-failed", error=str(error))
        except Exception:  # noqa: BLE001 - the top of a thread: it must not end unheard
            log.bug("house-broken")
        else:
            if removed:
                log.info("house-kept", removed=removed)

    def _chores(self, config: Config, *, now: int) -> Iterator[_Chore]:
        history = now - config.manager.history_days * DAY
        held = self._store.leases.held
        for space in config.spaces:
            if space.name in held and space.options.mode == "manage":
                yield self._cleaning(space, now=now)
        yield _Chore(area="removed spaces", do=lambda: self._clear(config, before=history))
        yield _Chore(area="imagecache", do=lambda: self._prune_images(config, now=now))
        yield _Chore(area="apel-archive", do=lambda: self._prune_archive(config, now=now))
        yield from self._prunings(config, now=now)
        yield _Chore(area="sinks", do=lambda: self._forget_sinks(config, before=history, now=now))
        yield _Chore(area="database", do=lambda: self._store.forget_before(history))

    def _cleaning(self, space: SpaceConfig, *, now: int) -> _Chore:
        """Return the removal of folders of finished machines of a space that we look after."""
        before = now - space.options.cleanup_hours * HOUR

        def clean() -> int:
            return self._tree.remove_retired(space.name, before=before)

        return _Chore(area="deleted", space=space.name, do=clean)

    def _clear(self, config: Config, *, before: int) -> int:
        """Remove folders of finished machines of spaces that nobody looks after any more."""
        removed, failed = 0, None
        for name in sorted(self._store.abandoned(space.name for space in config.spaces)):
            try:
                removed += self._tree.remove_retired(name, before=before)
            except OSError as error:
                failed = error
        if failed is not None:
            raise failed
        return removed

    def _prunings(self, config: Config, *, now: int) -> Iterator[_Chore]:
        """Yield what sinks remove of their own files, each for itself."""
        before = now - config.manager.archive_days * DAY
        for sink in config.sinks if config.manager.archive_days else ():
            yield _Chore(area="accounting", do=partial(_prune, config, sink, before=before))

    def _forget_sinks(self, config: Config, *, before: int, now: int) -> int:
        """Give up what waits for sinks that no manager has named for long."""
        gone = self._store.forget_unnamed(config.manager.accounting, before)
        self._store.tell(forgotten(sink, runs, who="", at=now) for sink, runs in gone.items())
        return sum(gone.values())

    def _prune_images(self, config: Config, *, now: int) -> int:
        cache = copies.cache_of(config, self._clock)
        return cache.prune(copies.named(config), before=now - copies.UNUSED_SECONDS)

    def _prune_archive(self, config: Config, *, now: int) -> int:
        days = config.manager.archive_days
        today = datetime.fromtimestamp(now, tz=UTC).date()
        return prune(self._queue, before=today - timedelta(days=days)) if days else 0


def _prune(config: Config, sink: SinkConfig, *, before: int) -> int:
    return make_sink(sink, config.manager.root).prune(before=before)
