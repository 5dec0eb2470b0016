"""The whole cloud: what a test does to it and asks of it, which no client sees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from tests.fakes.azure.login import Login
from tests.fakes.azure.manager import OF_SUBSCRIPTION, Manager, actions_of
from tests.fakes.azure.messages import Rejected
from tests.fakes.azure.settings import Settings
from tests.fakes.azure.truth import Listing, Machine, Machines
from tests.fakes.openstack.messages import Reply, Request, Route
from tests.fakes.openstack.simulated import SimulatedCloud
from vcycled.clock import Clock


class AzureCloud(SimulatedCloud[Machine]):
    """One resource group of one subscription, and the login service.

    Its methods have the names of those of the other clouds of tests where they do the same.
    Operations, to script and count calls by: discover, login, host-login; limits, sizes, machines,
    states, interfaces, find, create, delete, poll; disks, remove_disk, remove_interface.

    Args:
        clock: of the cloud; its own transitions happen when their time comes.
        settings: what it is like; a test may change them at any time.
    """

    def __init__(self, clock: Clock, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.machines = Machines(self.settings, clock)
        super().__init__(self.machines)
        self.needed: defaultdict[str, set[str]] = defaultdict(set)
        """What roles must permit for the calls that were made, in `group` and `subscription`."""
        self.login = Login(self.settings, clock)
        self.manager = Manager(self.settings, self.machines)
        self._clock = clock
        self._routes: tuple[Route, ...] = (*self.login.routes(), *self.manager.routes())

    # What a test does to machines, by name.

    def run(self, name: str) -> None:
        """Let a machine that is made run."""
        with self._lock:
            self.machines.run(self._here(name), at=self._clock.now())

    def finish(self, name: str) -> None:
        """Let a machine shut itself down: it stays on its host."""
        self.change(name, power="stopped", ended_at=self._clock.now())

    def fail(self, name: str, code: str = "AllocationFailed", fault: str = "") -> None:
        """Let the making of a machine fail."""
        with self._lock:
            self.machines.fail(self._here(name), code, fault or "Allocation failed.")

    def evict(self, name: str) -> None:
        """Take a spot machine back, by its eviction policy."""
        with self._lock:
            machine = self._here(name)
            policy = (machine.request or {}).get("properties", {}).get("evictionPolicy")
            if policy == "Delete":
                self.vanish(name)
            else:
                self.change(name, power="deallocated", ended_at=self._clock.now())

    def doubt(self, name: str) -> None:
        """Let Azure not know how a machine is."""
        self.change(name, power="unknown")

    def vanish(self, name: str) -> None:
        """Let a machine be gone."""
        with self._lock:
            self.machines.remove(self._here(name), at=self._clock.now())

    def abandon(self, name: str) -> None:
        """Let a machine never have come to be, though its disk and its interface have."""
        with self._lock:
            self.machines.remove(self._here(name), at=self._clock.now(), leaves_all=True)

    def change(self, name: str, **changes: object) -> None:
        """Set fields of a machine, such as `provisioning` and `power`."""
        with self._lock:
            for field, value in changes.items():
                setattr(self._here(name), field, value)

    def add_foreign(
        self, name: str, *, size: str = "", tags: Mapping[str, str] | None = None
    ) -> str:
        """Add a running machine that somebody else made; return its id."""
        with self._lock:
            offered = {each.name: each for each in self.settings.sizes}
            machine = self.machines.add(name, offered[size or self.settings.sizes[0].name])
            machine.tags = dict(tags or {})
            self.machines.run(machine, at=self._clock.now())
            self.machines.count()
            return machine.id

    # What a test does to calls.

    def revoke_tokens(self) -> None:
        """End every token there is."""
        with self._lock:
            self.login.revoke()

    @property
    def listing(self) -> Listing:
        """How listings differ from the truth."""
        return self.manager.listing

    # What a test asks.

    @property
    def parts(self) -> set[str]:
        """Names of the disks and interfaces that there are."""
        with self._lock:
            self.machines.catch_up()
            return {*self.machines.disks, *self.machines.interfaces}

    # What clients ask.

    def answer(self, request: Request) -> Reply:
        """Do one call: counted, slow, hanging or failing as scripted.

        Raises:
            Dropped: the connection is to be reset.
        """
        for route in self._routes:
            found = route.pattern.fullmatch(request.path)
            if found and route.method == request.method:
                return self._scripted(route, request, found.groups())
        text = f"There is no {request.method} {request.path}."
        return Rejected(404, "InvalidResourceType", text).reply()

    def _scripted(self, route: Route, request: Request, groups: tuple[str, ...]) -> Reply:
        self.latency(route.operation)
        with self._lock:
            self.calls[route.operation] += 1
            place = "subscription" if route.operation in OF_SUBSCRIPTION else "group"
            self.needed[place] |= actions_of(route.operation, request)
        return self.script.around(route.operation, lambda: self._do(route, request, groups))

    def _do(self, route: Route, request: Request, groups: tuple[str, ...]) -> Reply:
        try:
            with self._lock:
                self.machines.catch_up()
                if not route.is_open:
                    self.login.check(request.headers.get("authorization", ""))
                return route.handler(request, *groups)
        except Rejected as rejected:
            return rejected.reply()

    def _here(self, name: str) -> Machine:
        self.machines.catch_up()
        return self.machines.by_name[name.lower()]
