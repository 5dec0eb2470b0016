"""One sink of accounting records, as this manager uses it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence

from vcycled.accounting.base import Sink, SinkError, SinkRefused, SinkUnavailable, Verdict
from vcycled.calls import CallPool
from vcycled.clock import Clock
from vcycled.errors import Unavailable
from vcycled.kvlog import KVLogger
from vcycled.model import RunInterval
from vcycled.remember.sinks import back, failing
from vcycled.store import Key, Outage, Store

BACKOFF_SECONDS = 60
BACKOFF_MOST_SECONDS = 1800
"""How long a sink that is not local is left alone after it failed; doubled at each failure."""
ASKED_MOST_SECONDS = 3600
"""A sink that asks for a longer pause is tried again after so long."""


class Outlet:
    """Gives runs to a sink, marks those that it took, and remembers while it fails.

    Used by the cycles of several spaces, or by one thread of its own.
    """

    def __init__(
        self, name: str, sink: Sink, *, store: Store, manager: str, clock: Clock, log: KVLogger
    ) -> None:
        """Store what it works with.

        Args:
            name: of the sink in marks and messages.
            sink: what takes the records.
            store: where marks are kept.
            manager: name of this manager.
            clock: for marks and pauses.
            log: told of each record.
        """
        self.name = name
        self.sink = sink
        self._store = store
        self._manager = manager
        self.clock = clock
        self.log = log
        self._outage: Outage | None = None
        self._is_read = False
        self._retry_at = 0.0
        self._lock = threading.Lock()

    @property
    def is_paused(self) -> bool:
        """Whether it is left alone because it failed a moment ago."""
        return self.clock.monotonic() < self._retry_at

    def claim(self, *, besides: Collection[str], limit: int = 1000) -> tuple[RunInterval, ...]:
        """Return what is due at it of any space but some, this manager's alone to write.

        Raises:
            StoreError: the database does not answer.
        """
        return self._store.claim(self.name, self._manager, besides=besides, limit=limit)

    def write(
        self, runs: Sequence[RunInterval], *, calls: CallPool | None = None
    ) -> frozenset[Key]:
        """Give it `runs`, batch by batch until one fails; return which it took.

        Args:
            runs: that this manager alone may write.
            calls: where calls are made that may hang; None makes them here.

        Raises:
            StoreError: what it took is not marked; repeat it.
        """
        taken: set[Key] = set()
        for batch in _batched(runs, self.sink.batch):
            verdicts, error = self._put(batch, calls)
            taken |= self._mark([each.run for each in verdicts if not each.refusal])
            self._put_aside([each for each in verdicts if each.refusal])
            if error is not None:
                self._fail(error, waiting=len(runs) - len(taken))
                return frozenset(taken)
        if runs:
            self._recover()
        return frozenset(taken)

    def _put(
        self, batch: Sequence[RunInterval], calls: CallPool | None
    ) -> tuple[Sequence[Verdict], SinkError | None]:
        """Return what came of a batch, and why it ended early, if it did."""
        verdicts: list[Verdict] = []

        def put() -> None:
            for verdict in self.sink.put(batch):
                verdicts.append(verdict)  # noqa: PERF402 - what is there counts if it fails

        try:
            if calls is None:
                put()
            else:
                calls.run("put", put)
        except SinkError as error:
            return tuple(verdicts), error
        except Unavailable as error:
            return tuple(verdicts), SinkUnavailable(error.detail)
        except Exception as error:  # noqa: BLE001 - of a package that is not ours, maybe
            self.log.bug("sink-broken", sink=self.name)
            return tuple(verdicts), SinkRefused(f"a bug: {type(error).__name__}: {error}")
        if len(verdicts) < len(batch):  # or who asks for more would ask for the same for ever
            unsaid = f"a bug: no verdict on {len(batch) - len(verdicts)} records"
            return tuple(verdicts), SinkRefused(unsaid)
        return tuple(verdicts), None

    def _mark(self, runs: Sequence[RunInterval]) -> set[Key]:
        keys = [(run.uuid, run.interval) for run in runs]
        if keys:
            self._store.mark_exported(self.name, keys, at=self.clock.now())
        for run in runs:
            self.log.info("record-written", sink=self.name, machine=run.name, uuid=run.uuid)
        return set(keys)

    def _put_aside(self, refused: Sequence[Verdict]) -> None:
        """Keep which records it refuses and why, and leave them alone for a while."""
        if not refused:
            return
        refusals = {(each.run.uuid, each.run.interval): one_line(each.refusal) for each in refused}
        self._store.note_refused(self.name, refusals, at=self.clock.now())
        for each in refused:
            run, why = each.run, each.refusal
            self.log.error(
                "record-refused", sink=self.name, machine=run.name, uuid=run.uuid, error=why
            )

    def _fail(self, error: SinkError, *, waiting: int) -> None:
        is_passing = isinstance(error, SinkUnavailable)
        say = self.log.warning if is_passing else self.log.error
        say("records-waiting", sink=self.name, records=waiting, error=str(error))
        self._note(str(error), error.retry_after_s if isinstance(error, SinkUnavailable) else None)

    def _note(self, error: str, asked_s: int | None) -> None:
        """Keep that it failed, and leave it alone for a while if that could cost time."""
        now = self.clock.now()
        with self._lock:
            before = self._known()
            failures = before.failures + 1 if before else 1
            grown = min(BACKOFF_SECONDS << min(failures - 1, 10), BACKOFF_MOST_SECONDS)
            wait_s = min(max(grown, asked_s or 0), ASKED_MOST_SECONDS)
            if not self.sink.is_local:
                self._retry_at = self.clock.monotonic() + wait_s
            outage = Outage(
                sink=self.name,
                manager=self._manager,
                since=before.since if before else now,
                failures=failures,
                retry_at=None if self.sink.is_local else now + wait_s,
                error=one_line(error),
            )
            news = () if before else (failing(self.name, self._manager, outage.error, at=now),)
            self._store.note_outage(outage, story=news)
            self._outage = outage  # last: what could not be kept is told the next time
            if not before:
                self.log.warning("sink-failing", sink=self.name, error=outage.error)

    def _recover(self) -> None:
        with self._lock:
            over = self._known()
            if over is not None:
                now = self.clock.now()
                news = back(self.name, self._manager, since=over.since, at=now)
                self._store.end_outage(self.name, self._manager, story=[news])
                self.log.info("sink-back", sink=self.name, since=over.since)
            self._outage = None
            self._retry_at = 0.0

    def _known(self) -> Outage | None:
        """Return the outage that goes on, if one does: as this process knows, or one before it."""
        if not self._is_read:
            me = (self.name, self._manager)
            found = [each for each in self._store.outages() if (each.sink, each.manager) == me]
            self._outage = found[0] if found else None
            self._is_read = True
        return self._outage


def one_line(text: str) -> str:
    """Return `text` without line ends and tabs."""
    return " ".join(text.split())


def _batched(runs: Sequence[RunInterval], size: int) -> Iterator[Sequence[RunInterval]]:
    return (runs[at : at + size] for at in range(0, len(runs), size))
