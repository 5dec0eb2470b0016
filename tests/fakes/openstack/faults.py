"""What a test does to calls: answers instead of work, resets, cuts, waits, lost answers."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.fakes.openstack.messages import Dropped, Reply
from tests.fakes.openstack.spans import Span

ANY = "*"
"""In place of an operation: every one that has no fault of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one call; with nothing set, nothing."""

    wait_s: float = 0.0
    """Real seconds before anything else."""
    is_reset: bool = False
    """The connection is reset, and nothing is done."""
    status: int = 0
    """Answered instead of the work."""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_lost: bool = False
    """The work is done, and the connection is reset instead of the answer."""
    cut: int | None = None
    """The work is done, and so many bytes of the answer's body are sent."""


RESET = Fault(is_reset=True)
LOST = Fault(is_lost=True)


def answer(status: int, message: str = "", *, retry_after_s: int | None = None) -> Fault:
    """Return a fault that answers with this status and a body as Nova and Cinder send it."""
    headers = {"Content-Type": "application/json"}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    said = {_NAMES.get(status, "computeFault"): {"code": status, "message": message}}
    return Fault(status=status, body=json.dumps(said), headers=headers)


_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    409: "conflictingRequest",
    413: "overLimit",
    429: "overLimit",
    503: "serviceUnavailable",
}


class Script:
    """Which fault the next call of each operation meets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, tuple[Fault, float, Span | None]] = {}
        self._gates: dict[str, threading.Event] = {}
        self._rng = random.Random(0)
        self.met: Counter[str] = Counter()
        """How many calls met a fault, by operation."""

    def add(self, operation: str, *faults: Fault) -> None:
        """Let the next calls meet these faults, one each."""
        with self._lock:
            self._next[operation] += faults

    def set_always(
        self,
        operation: str,
        fault: Fault | None,
        share: float = 1.0,
        *,
        seed: int | None = None,
        span: Span | None = None,
    ) -> None:
        """Let this share of all calls from now on, in `span`, meet a fault; None ends that."""
        with self._lock:
            if seed is not None:
                self._rng = random.Random(seed)
            self._always.pop(operation, None)
            if fault is not None:
                self._always[operation] = fault, share, span

    def clear(self) -> None:
        """Forget every fault that no call has met, and those of all calls."""
        with self._lock:
            self._next.clear()
            self._always.clear()

    def hold(self, operation: str) -> threading.Event:
        """Let calls hang from now on until the event that is returned is set."""
        gate = self._gates[operation] = threading.Event()
        return gate

    def release(self, operation: str = ANY) -> None:
        """Let go what `hold` holds of an operation; by default all there is."""
        for name, gate in tuple(self._gates.items()):
            if operation in (name, ANY):
                gate.set()

    def around(self, operation: str, work: Callable[[], Reply]) -> Reply:
        """Do the work of a call as the script has it.

        Raises:
            Dropped: the connection is to be reset.
        """
        if gate := self._gates.get(operation):
            gate.wait()
        fault = self._take(operation)
        if fault is None:
            return work()
        if fault.wait_s:
            threading.Event().wait(fault.wait_s)
        if fault.is_reset:
            raise Dropped
        if fault.status:
            body = fault.body.encode()
            return Reply(status=fault.status, body=body, headers=dict(fault.headers))
        reply = work()
        if fault.is_lost:
            raise Dropped
        reply.cut = fault.cut
        return reply

    def _take(self, operation: str) -> Fault | None:
        with self._lock:
            for name in (operation, ANY):
                if self._next[name]:
                    self.met[operation] += 1
                    return self._next[name].popleft()
                if name in self._always:
                    fault, share, span = self._always[name]
                    if self._rng.random() >= share or (span and not span.use()):
                        return None
                    self.met[operation] += 1
                    return fault
        return None
