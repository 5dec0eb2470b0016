"""The whole cloud: what a test does to it and asks of it, which no client sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from tests.fakes.openstack.cinder import Cinder
from tests.fakes.openstack.faults import Fault
from tests.fakes.openstack.glance import Glance
from tests.fakes.openstack.keystone import PROJECT_ID, USER_ID, Keystone
from tests.fakes.openstack.listings import Listing
from tests.fakes.openstack.messages import Rejected, Reply, Request, Route, Service
from tests.fakes.openstack.neutron import Neutron
from tests.fakes.openstack.nova import NO_BOOT, NO_HOST, Nova
from tests.fakes.openstack.settings import Flavor, Settings
from tests.fakes.openstack.simulated import SimulatedCloud
from tests.fakes.openstack.spans import Span
from tests.fakes.openstack.truth import Server, Servers
from vcycled.clock import Clock


class OpenStackCloud(SimulatedCloud[Server]):
    """One project of one user, on Keystone, Nova, Glance, Neutron and Cinder.

    Its methods have the names of those of `vcycled.spaces.memory.MemoryCloud` where they do the
    same, so that a test reads alike on both. Operations, to script and count calls by: discover,
    connect, credentials; limits, flavors, zones, machines, find, create, delete, start, stop,
    console, action; keypairs, keypair, make_keypair, remove_keypair; networks, network, groups;
    images, image, make_image, upload, remove_image; volumes, volume, tag_volume, remove_volume.

    Args:
        clock: of the cloud; its own transitions happen when their time comes.
        settings: what it is like; a test may change them at any time.
    """

    def __init__(self, clock: Clock, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.servers = Servers(clock)
        super().__init__(self.servers)
        self.peak_calls = 0
        """Most calls there were at once."""
        self.keystone = Keystone(self.settings, clock)
        self.glance = Glance(self.settings, clock, PROJECT_ID)
        self.cinder = Cinder(self.settings, clock, PROJECT_ID)
        self.nova = Nova(
            self.settings, self.servers, self.glance, self.cinder, (PROJECT_ID, USER_ID)
        )
        self._clock = clock
        self._calls_now = 0
        neutron = Neutron(self.settings, PROJECT_ID)
        services = (self.keystone, self.nova, self.glance, neutron, self.cinder)
        self._services: dict[str, tuple[Service, tuple[Route, ...]]] = {
            each.name: (each, tuple(each.routes())) for each in services
        }

    # What a test does to servers, by name.

    def run(self, name: str) -> None:
        """Let servers that build run."""
        for server in self._named(name):
            self.servers.run(server, at=self._clock.now())

    def finish(self, name: str) -> None:
        """Let servers shut themselves down."""
        self.change(name, status="SHUTOFF", task_state=None, ended_at=self._clock.now())

    def fail(self, name: str, fault: str = NO_HOST, *, in_cell0: bool = False) -> None:
        """Let servers go into error; one in cell 0 never had a host and shows its fault to GET."""
        for server in self._named(name):
            self.servers.fail(server, fault, at=self._clock.now(), in_cell0=in_cell0)

    def doubt(self, name: str) -> None:
        """Let the cloud lose sight of the state of servers."""
        self.change(name, status="UNKNOWN")

    def vanish(self, name: str) -> None:
        """Let every server of this name be gone."""
        for server in self._named(name):
            self.servers.remove(server, at=self._clock.now())

    def change(self, name: str, **changes: object) -> None:
        """Set fields of every server of a name, such as `status` and `task_state`."""
        for server in self._named(name):
            self.servers.change(server, **changes)

    def add_foreign(
        self,
        name: str,
        *,
        flavor: str = "",
        metadata: Mapping[str, str] | None = None,
        waits: bool = False,
    ) -> str:
        """Add a running server that somebody else made; return its id.

        With metadata of a machine of ours it is one of ours, by whatever accident. One that waits
        has still to get a host.
        """
        with self._lock:
            self.servers.catch_up()
            server = self.servers.new(name, self._flavor(flavor))
            if waits:
                server.task_state = "scheduling"
            else:
                server.status, server.task_state = "ACTIVE", None
                server.launched_at = self._clock.now()
            server.metadata = dict(metadata or {})
            server.zone = self.settings.zones[0]
            self.servers.add(server)
            return server.id

    # What a test does to calls.

    def revoke_tokens(self) -> None:
        """End every token there is, as a restart of Keystone with other keys does."""
        with self._lock:
            self.keystone.revoke()

    def fail_for(
        self,
        operation: str,
        fault: Fault,
        seconds: int,
        *,
        share: float = 1.0,
        seed: int | None = None,
    ) -> None:
        """Let calls, or a share of them, meet a fault for so many seconds; see `Script`."""
        span = Span(self._clock, seconds=seconds)
        self.script.set_always(operation, fault, share, seed=seed, span=span)

    # What a test does to what is asked for from now on: `count` times, `seconds` long, or until
    # `calm`.

    def stick(
        self, operation: str, *, count: int | None = None, seconds: int | None = None
    ) -> None:
        """Let servers that are asked for stay in BUILD, or those deleted in deleting.

        `run` and `vanish` end that for a server.

        Args:
            operation: `create` or `delete`.
            count: of servers.
            seconds: for which it is so of what is asked for meanwhile.
        """
        self.nova.stuck[operation] = Span(self._clock, uses=count, seconds=seconds)

    def doom(
        self, fault: str = NO_BOOT, *, count: int | None = None, seconds: int | None = None
    ) -> None:
        """Let servers that are asked for go into error when they would run."""
        self.nova.doom = fault, Span(self._clock, uses=count, seconds=seconds)

    def omit(self, name: str, *, count: int | None = None, seconds: int | None = None) -> None:
        """Let listings, `count` of them, leave out the servers of a name."""
        self.listing.omitted_for[name] = Span(self._clock, uses=count, seconds=seconds)

    def place(self, count: int) -> None:
        """Let servers that wait for a host have one; see `Servers.place`."""
        with self._lock:
            self.servers.place(count)

    def calm(self) -> None:
        """End all that was scripted: faults, hanging calls, stuck or failing servers, listings."""
        self.script.clear()
        self.script.release()
        self.nova.stuck.clear()
        self.nova.doom = None
        self.nova.listing = Listing(begun=self.listing.begun)

    @property
    def listing(self) -> Listing:
        """How listings differ from the truth."""
        return self.nova.listing

    # What clients ask.

    def answer(self, request: Request) -> Reply:
        """Do one call: counted, slow, hanging or failing as scripted.

        Raises:
            Dropped: the connection is to be reset.
        """
        name, _, rest = request.path.lstrip("/").partition("/")
        if name == "" or name not in self._services:
            return Reply(status=404, body=b"no such service")
        service, routes = self._services[name]
        try:
            route, groups = _find(routes, request.method, f"/{rest}" if rest else "")
        except Rejected as rejected:
            return service.explain(rejected)
        operation = service.operation(route, request)
        with self._counted():
            self.latency(operation)
            with self._lock:
                self.calls[operation] += 1
            return self.script.around(operation, lambda: self._do(service, route, request, groups))

    def _do(
        self, service: Service, route: Route, request: Request, groups: tuple[str, ...]
    ) -> Reply:
        try:
            with self._lock:
                self.servers.catch_up()
                if not route.is_open:
                    self.keystone.check(request.headers.get("x-auth-token", ""))
                if route.operation != "upload":
                    return route.handler(request, *groups)
            return route.handler(request, *groups)  # a long one that keeps nobody waiting
        except Rejected as rejected:
            return service.explain(rejected)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._calls_now += 1
            self.peak_calls = max(self.peak_calls, self._calls_now)
        try:
            yield
        finally:
            with self._lock:
                self._calls_now -= 1

    def _named(self, name: str) -> Iterator[Server]:
        with self._lock:
            self.servers.catch_up()
            yield from self.servers.named(name)

    def _flavor(self, name: str) -> Flavor:
        flavors = self.settings.flavors
        return next((each for each in flavors if each.name == name), flavors[0])

    def set_quota(self, **limits: int) -> None:
        """Change limits of the project."""
        self.settings.quota = replace(self.settings.quota, **limits)


def _find(routes: tuple[Route, ...], method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """Return the route for a request, and what its pattern found.

    Raises:
        Rejected: there is none.
    """
    for route in routes:
        found = route.pattern.fullmatch(path)
        if found and route.method == method:
            return route, found.groups()
    raise Rejected(404, "The resource could not be found.")
