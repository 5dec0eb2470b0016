"""The cloud behind `vcycled.spaces.memory`: what a test scripts, and the truth it keeps."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from vcycled.spaces.base import (
    Clock,
    CreateRequest,
    Flavor,
    Limits,
    ListedMachine,
    MachineState,
    QuotaExceeded,
    Refused,
    SpaceError,
    Unavailable,
)
from vcycled.spaces.memory_images import MemoryImages
from vcycled.spaces.memory_truth import FLAVORS, Extras, Listing, Truth


class MemoryCloud:
    """The cloud behind `MemorySpace`: what a test does to it and asks of it.

    Args:
        clock: of the cloud; its own transitions happen when their time comes.
        flavors: that can be asked for.
        limits: quota; foreign machines count.
        start_seconds: from creation to running; None leaves that to `run`.
        delete_seconds: from the call to being gone; None leaves that to `vanish`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        flavors: Sequence[Flavor] = FLAVORS,
        limits: Limits | None = None,
        start_seconds: int | None = None,
        delete_seconds: int | None = 0,
    ) -> None:
        self.flavors = tuple(flavors)
        self.limits = limits or Limits()
        self.start_seconds = start_seconds
        self.delete_seconds = delete_seconds
        self.listing = Listing()
        self.latency: Callable[[str], None] = lambda _operation: None
        """Called with the operation at the start of each call."""
        self.truth: list[Truth] = []
        """Every machine that ever was, in order of creation."""
        self.calls: Counter[str] = Counter()
        self.peak_processors: Counter[str] = Counter()
        """Most processors there were at once, by machinetype; all together under `*`."""
        self._processors: Counter[str] = Counter()
        self._clock = clock
        self._lock = threading.RLock()
        self._by_id: dict[str, Truth] = {}
        self._by_name: dict[str, list[Truth]] = {}
        self._shown: tuple[ListedMachine, ...] | None = ()
        self._due: list[tuple[int, int, Truth, MachineState | None]] = []
        self._numbers = itertools.count(1)
        self._failures: dict[str, deque[SpaceError]] = defaultdict(deque)
        self._lost: Counter[str] = Counter()
        self._gates: dict[str, threading.Event] = {}
        self.extras = Extras()
        self.images: MemoryImages | None = None
        """None if the cloud takes no images; see `take_images`."""

    def take_images(self) -> MemoryImages:
        """Let the cloud take images from now on; return what a test does to them."""
        self.images = MemoryImages(self._clock, self.call, self._used_images)
        return self.images

    # What a test does to machines, by name.

    def run(self, name: str) -> None:
        """Let a starting machine run."""
        now = self._clock.now()
        self.change(name, lambda was: replace(was, state=MachineState.RUNNING, started_at=now))

    def finish(self, name: str) -> None:
        """Let a machine shut itself down."""
        now = self._clock.now()
        self.change(name, lambda was: replace(was, state=MachineState.SHUTDOWN, stopped_at=now))

    def fail(
        self, name: str, fault: str = "No valid host was found", *, lacks_quota: bool = False
    ) -> None:
        """Let a machine go into error."""
        now = self._clock.now()

        def failed(was: ListedMachine) -> ListedMachine:
            ended = replace(was, state=MachineState.FAILED, stopped_at=now)
            return replace(ended, fault=fault, lacks_quota=lacks_quota)

        self.change(name, failed)

    def doubt(self, name: str) -> None:
        """Let the cloud lose sight of a machine's state."""
        self.change(name, lambda was: replace(was, state=MachineState.UNKNOWN))

    def vanish(self, name: str) -> None:
        """Let every machine of this name be gone."""
        with self._lock:
            self._catch_up()
            for truth in tuple(self._by_name[name]):
                self._remove(truth, at=self._clock.now())

    def add_foreign(self, name: str, *, processors: int = 1, memory_mb: int = 2048) -> str:
        """Add a running machine that somebody else made; return its cloud id."""
        with self._lock:
            self._catch_up()
            return self._add(
                ListedMachine(
                    name=name,
                    cloud_id=self._new_id(),
                    state=MachineState.RUNNING,
                    processors=processors,
                    memory_mb=memory_mb,
                    created_at=self._clock.now(),
                    started_at=self._clock.now(),
                ),
                None,
            ).listed.cloud_id

    def change(self, name: str, become: Callable[[ListedMachine], ListedMachine]) -> None:
        """Replace what the cloud shows of the machines of a name by what `become` returns."""
        with self._lock:
            self._catch_up()
            for truth in self._by_name[name]:
                self._replace(truth, become(truth.listed))

    # What a test does to calls: connect, limits, machines, find, create, …

    def fail_next(self, operation: str, *errors: SpaceError) -> None:
        """Let the next calls raise these errors, one each; nothing is done then."""
        with self._lock:
            self._failures[operation] += errors

    def lose_replies(self, operation: str, count: int = 1) -> None:
        """Let the next `count` calls of `create` or `delete` do their work and not say so."""
        with self._lock:
            self._lost[operation] += count

    def hold(self, operation: str) -> threading.Event:
        """Let calls hang from now on until the event that is returned is set."""
        gate = self._gates[operation] = threading.Event()
        return gate

    # What a test asks.

    @property
    def here(self) -> tuple[Truth, ...]:
        """The machines there are now, listed or not."""
        with self._lock:
            self._catch_up()
            return tuple(self._by_id.values())

    def of(self, name: str) -> Truth:
        """Return the youngest machine of this name, gone or not.

        Raises:
            KeyError: there never was one.
        """
        with self._lock:
            self._catch_up()
            for truth in reversed(self.truth):
                if truth.listed.name == name:
                    return truth
        raise KeyError(name)

    # What `MemorySpace` asks.

    @contextmanager
    def call(self, operation: str) -> Iterator[None]:
        """Do one call: counted, slow, hanging or failing as scripted, and alone."""
        self.latency(operation)
        if gate := self._gates.get(operation):
            gate.wait()
        with self._lock:
            self.calls[operation] += 1
            if self._failures[operation]:
                raise self._failures[operation].popleft()
            self._catch_up()
            yield
            if self._lost[operation]:
                self._lost[operation] -= 1
                raise Unavailable(operation, "the answer was lost")

    def shown(self) -> tuple[ListedMachine, ...]:
        """Return what a listing shows now; the same tuple as before if nothing changed."""
        if self._shown is None:
            self._shown = tuple(truth.listed for truth in self._by_id.values())
        if self.listing == Listing():
            return self._shown
        newest = self._clock.now() - self.listing.lag_seconds
        seen = (
            each
            for each in self._shown
            if each.name not in self.listing.omitted and (each.created_at or 0) <= newest
        )
        return tuple(itertools.islice(seen, self.listing.cut))

    def look_up(self, name: str, cloud_id: str) -> Truth | None:
        """Return the machine of this id or, without one, the oldest of this name."""
        if cloud_id:
            return self._by_id.get(cloud_id)
        return next(iter(self._by_name.get(name, ())), None)

    def make(self, request: CreateRequest) -> Truth:
        """Make a machine if the quota allows it."""
        flavor = next((each for each in self.flavors if each.name == request.flavor), None)
        if flavor is None:
            raise Refused("create", f"there is no flavor {request.flavor!r}")
        self._check_quota(flavor)
        now = self._clock.now()
        truth = self._add(
            ListedMachine(
                name=request.name,
                cloud_id=self._new_id(),
                state=MachineState.STARTING,
                processors=flavor.processors,
                memory_mb=flavor.memory_mb,
                flavor=flavor.name,
                zone=request.zone,
                created_at=now,
                tags=dict(request.tags),
            ),
            request,
        )
        if self.start_seconds is not None:
            self._later(now + self.start_seconds, truth, MachineState.RUNNING)
        return truth

    def end(self, truth: Truth) -> None:
        """Delete a machine, now or when its time comes."""
        truth.deletes += 1
        now = self._clock.now()
        if self.delete_seconds == 0:
            self._remove(truth, at=now)
        elif truth.listed.state is not MachineState.DELETING:
            stopped_at = truth.listed.stopped_at or now
            going = replace(truth.listed, state=MachineState.DELETING, stopped_at=stopped_at)
            self._replace(truth, going)
            if self.delete_seconds is not None:
                self._later(now + self.delete_seconds, truth, None)

    def _used_images(self) -> frozenset[str]:
        requests = (truth.request for truth in self._by_id.values())
        return frozenset(each.image.removeprefix("image:") for each in requests if each)

    def _new_id(self) -> str:
        return f"id-{next(self._numbers):08}"

    def _check_quota(self, flavor: Flavor) -> None:
        processors = self._processors["*"] + flavor.processors
        machines = len(self._by_id) + 1
        for what, most, wanted in (
            ("processors", self.limits.processors, processors),
            ("machines", self.limits.machines, machines),
        ):
            if most is not None and wanted > most:
                raise QuotaExceeded("create", f"{wanted} {what} of {most}")

    def _add(self, listed: ListedMachine, request: CreateRequest | None) -> Truth:
        truth = Truth(listed=listed, request=request)
        self.truth.append(truth)
        self._by_id[listed.cloud_id] = truth
        self._by_name.setdefault(listed.name, []).append(truth)
        self._count(truth, listed.processors)
        self._shown = None
        return truth

    def _remove(self, truth: Truth, *, at: int) -> None:
        truth.gone_at = at
        del self._by_id[truth.listed.cloud_id]
        self._by_name[truth.listed.name].remove(truth)
        self._count(truth, -truth.listed.processors)
        self._shown = None

    def _replace(self, truth: Truth, listed: ListedMachine) -> None:
        self._count(truth, listed.processors - truth.listed.processors)
        truth.listed = listed
        self._shown = None

    def _count(self, truth: Truth, more: int) -> None:
        for key in ("*", truth.machinetype):
            self._processors[key] += more
            self.peak_processors[key] = max(self.peak_processors[key], self._processors[key])

    def _later(self, at: int, truth: Truth, state: MachineState | None) -> None:
        heapq.heappush(self._due, (at, next(self._numbers), truth, state))

    def _catch_up(self) -> None:
        """Let happen what is due: a machine that still starts runs, one that goes is gone."""
        while self._due and self._due[0][0] <= self._clock.now():
            at, _, truth, state = heapq.heappop(self._due)
            if truth.gone_at is not None:
                continue
            if state is None:
                self._remove(truth, at=at)
            elif truth.listed.state is MachineState.STARTING:
                self._replace(truth, replace(truth.listed, state=state, started_at=at))
