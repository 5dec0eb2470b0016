"""Calls to a cloud, in threads that may hang: bounded in number and in time.

A cloud's SDK is synchronous and its timeouts are per read, so a call can outlive any patience. It
is then given up: its caller gets `Unavailable`. Its thread stays behind (a daemon thread does not
keep the process alive), holds its slot, and is counted until it returns.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vcycled.clock import Clock
from vcycled.errors import SpaceError, Unavailable

T = TypeVar("T")
_POLL_S = 0.2
"""How often a waiting caller looks at the clock, in real seconds."""


@dataclass(slots=True)
class _Job(Generic[T]):
    number: int
    call: Callable[[], T]
    began: float = 0.0
    """When its thread began, on the clock's monotonic time."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """How call `number` of a batch ended: its value, or the error of the space."""

    number: int
    value: T | None
    error: SpaceError | None


@dataclass(slots=True)
class _Bug:
    error: BaseException


@dataclass(slots=True)
class _Batch(Generic[T]):
    waiting: list[_Job[T]]
    running: dict[int, _Job[T]] = field(default_factory=dict)
    done: queue.SimpleQueue[tuple[int, T | SpaceError | _Bug]] = field(
        default_factory=queue.SimpleQueue
    )


class CallPool:
    """At most `size` calls at once; one pool for each space."""

    def __init__(self, size: int, *, timeout_s: float, clock: Clock) -> None:
        self._size = size
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._busy = 0
        self._given_up = 0

    @property
    def stuck(self) -> int:
        """How many calls were given up and have not returned yet."""
        return self._given_up

    @property
    def is_busy(self) -> bool:
        """Whether any call is under way that was not given up."""
        return self._busy > self._given_up

    def run(self, operation: str, call: Callable[[], T]) -> T:
        """Return what `call` returns.

        Raises:
            Unavailable: it took longer than the timeout, or no slot is free for it.
            SpaceError: as the call raised it.
        """
        outcome = next(self.run_all(operation, [call]))
        if outcome.error is not None:
            raise outcome.error
        return outcome.value  # type: ignore[return-value] # no error, so it is a T

    def run_all(self, operation: str, calls: Sequence[Callable[[], T]]) -> Iterator[Outcome[T]]:
        """Yield the outcome of every call, as they end; each has the timeout for itself."""
        batch = _Batch([_Job(number, call) for number, call in enumerate(calls)][::-1])
        for _ in calls:
            self._start(batch, operation)
            yield self._next(batch, operation)

    def _start(self, batch: _Batch[T], operation: str) -> None:
        while batch.waiting:
            with self._lock:
                if self._busy >= self._size:
                    return
                self._busy += 1
                job = batch.waiting.pop()
                job.began = self._clock.monotonic()
                batch.running[job.number] = job
            try:
                threading.Thread(target=self._work, args=(job, batch), daemon=True).start()
            except RuntimeError as error:  # the host gives us no more threads
                self._end(job, batch, Unavailable(operation, str(error), is_undone=True))

    def _work(self, job: _Job[T], batch: _Batch[T]) -> None:
        result: T | SpaceError | _Bug
        try:
            result = job.call()
        except SpaceError as error:
            result = error
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            result = _Bug(error)
        self._end(job, batch, result)

    def _end(self, job: _Job[T], batch: _Batch[T], result: T | SpaceError | _Bug) -> None:
        with self._lock:
            self._busy -= 1
            if batch.running.pop(job.number, None) is None:
                self._given_up -= 1
            else:
                batch.done.put((job.number, result))

    def _next(self, batch: _Batch[T], operation: str) -> Outcome[T]:
        """Return the next outcome: a result, a call over its time, or one that finds no slot."""
        while True:
            with self._lock:  # a worker moves its job from running to done under it
                is_idle = not batch.running and batch.done.empty()
            if is_idle:
                detail = f"all {self._size} slots are held by calls that do not return"
                return Outcome(batch.waiting.pop().number, None, Unavailable(operation, detail))
            try:
                number, result = batch.done.get(timeout=_POLL_S)
            except queue.Empty:
                late = self._give_up(batch)
                if late is None:
                    continue
                detail = f"no answer within {self._timeout_s:g} s"
                return Outcome(late.number, None, Unavailable(operation, detail))
            if isinstance(result, _Bug):
                raise result.error
            if isinstance(result, SpaceError):
                return Outcome(number, None, result)
            return Outcome(number, result, None)

    def _give_up(self, batch: _Batch[T]) -> _Job[T] | None:
        """Leave one call that is over its time to itself and return it."""
        now = self._clock.monotonic()
        with self._lock:
            for job in batch.running.values():
                if now - job.began >= self._timeout_s:
                    self._given_up += 1
                    return batch.running.pop(job.number)
        return None
