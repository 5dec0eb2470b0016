"""Every server there is or was, as the cloud truly knows it, and what becomes of it by itself."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.fakes.openstack.messages import Json, Rejected
from tests.fakes.openstack.settings import Flavor, Quota
from vcycled.clock import Clock

VM_STATES: Mapping[str, tuple[str, int]] = {
    "BUILD": ("building", 0),
    "ACTIVE": ("active", 1),
    "REBOOT": ("active", 1),
    "PAUSED": ("paused", 3),
    "SHUTOFF": ("stopped", 4),
    "SUSPENDED": ("suspended", 4),
    "SHELVED": ("shelved", 4),
    "SHELVED_OFFLOADED": ("shelved_offloaded", 4),
    "RESCUE": ("rescued", 1),
    "VERIFY_RESIZE": ("resized", 1),
    "SOFT_DELETED": ("soft-delete", 4),
    "ERROR": ("error", 0),
    "UNKNOWN": ("active", 0),
}
"""What Nova shows beside each status."""


@dataclass(slots=True, kw_only=True)
class Server:
    """A server there is or was; times are Unix seconds of the cloud's clock."""

    number: int
    """In order of creation."""
    id: str
    name: str
    flavor: Flavor
    created_at: int
    updated_at: int
    request: Json | None = None
    """Its body of the POST; None if a test added it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    image_id: str = ""
    zone: str = ""
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By network, once it is ACTIVE."""
    volumes: tuple[str, ...] = ()
    status: str = "BUILD"
    task_state: str | None = "spawning"
    launched_at: int | None = None
    ended_at: int | None = None
    """When it ceased to run, by itself or by a DELETE; Nova does not show that."""
    gone_at: int | None = None
    deletes: int = 0
    """How many times its deletion was asked for."""
    killed_at: int | None = None
    """When its deletion was first asked for, if it had not ended by then."""
    fault: str = ""
    doom: str = ""
    """The fault with which it goes into error when it would run."""
    first_listing: int = 0
    """Number of the first listing that shows it."""
    is_in_cell0: bool = False
    """True if it never got to a host: then its fault is shown by GET only."""
    console: str = ""
    shown: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Its JSON by version, as long as it is true."""

    @property
    def processors(self) -> int:
        """That it has."""
        return self.flavor.vcpus

    @property
    def machinetype(self) -> str:
        """Of its metadata; empty for a foreign server."""
        return self.metadata.get("machinetype", "") if self.is_ours else ""

    @property
    def uuid(self) -> str:
        """What we gave it; empty for a foreign server."""
        return self.metadata.get("vcycle_uuid", "")

    @property
    def is_ours(self) -> bool:
        """True if some manager asked for it."""
        return "vcycle_installation" in self.metadata

    @property
    def is_waiting(self) -> bool:
        """True if it has still to get a host."""
        return self.task_state == "scheduling"

    @property
    def is_hidden(self) -> bool:
        """True if listings leave it out although it is there."""
        return self.status == "SOFT_DELETED"


class Servers:
    """All of them. Whoever calls holds the cloud's lock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.truth: list[Server] = []
        """Every one that ever was, in order of creation."""
        self.by_id: dict[str, Server] = {}
        """Those there are."""
        self.peak_processors: Counter[str] = Counter()
        """Most processors there were at once, by machinetype; all together under `*`."""
        self.on_gone: Callable[[Server], None] = lambda _server: None
        self._waiting: dict[str, Server] = {}
        self._placed: dict[str, Server] = {}
        self._processors: Counter[str] = Counter()
        self._memory_mb = 0
        self._numbers = itertools.count(1)
        self._turns = itertools.count()
        self._due: list[tuple[int, int, Server, bool]] = []

    @property
    def here(self) -> tuple[Server, ...]:
        """Those there are."""
        return tuple(self.by_id.values())

    @property
    def used(self) -> Quota:
        """What there is of what is limited."""
        return Quota(
            instances=len(self.by_id), cores=self._processors["*"], ram_mb=self._memory_mb
        )

    def new(self, name: str, flavor: Flavor) -> Server:
        """Return a server that is not there yet; `add` puts it there."""
        number = next(self._numbers)
        now = self.clock.now()
        return Server(
            number=number,
            id=f"{number:08x}-0000-4000-8000-000000000000",
            name=name,
            flavor=flavor,
            created_at=now,
            updated_at=now,
        )

    def add(self, server: Server, *, start_seconds: int | None = None) -> None:
        """Put a server there; it becomes ACTIVE after `start_seconds`, if they are given."""
        self.truth.append(server)
        self.by_id[server.id] = server
        self._list_of(server)[server.id] = server
        self._count(server, 1)
        if start_seconds is not None:
            self._later(server.created_at + start_seconds, server, is_end=False)

    def remove(self, server: Server, *, at: int) -> None:
        """Let a server be gone."""
        server.gone_at = at
        server.ended_at = at if server.ended_at is None else server.ended_at
        for servers in (self.by_id, self._waiting, self._placed):
            servers.pop(server.id, None)
        self._count(server, -1)
        self.on_gone(server)

    def change(self, server: Server, **changes: object) -> None:
        """Change fields of a server, as of now unless `updated_at` is one of them."""
        for name, value in {"updated_at": self.clock.now(), **changes}.items():
            setattr(server, name, value)
        server.shown.clear()
        if server.id in self._waiting and not server.is_waiting:
            self._placed[server.id] = self._waiting.pop(server.id)

    def end(self, server: Server, *, delete_seconds: int | None) -> None:
        """Begin to delete a server, which takes `delete_seconds`; None leaves it to a test."""
        now = self.ask(server)
        if delete_seconds == 0:
            self.remove(server, at=now)
        elif server.task_state != "deleting":
            ended = now if server.ended_at is None else server.ended_at
            self.change(server, task_state="deleting", ended_at=ended)
            if delete_seconds is not None:
                self._later(now + delete_seconds, server, is_end=True)

    def ask(self, server: Server) -> int:
        """Count that a server's deletion was asked for; return when that is."""
        now = self.clock.now()
        if server.deletes == 0 and server.ended_at is None:
            server.killed_at = now
        server.deletes += 1
        return now

    def catch_up(self) -> None:
        """Let happen what is due: what still builds runs, what is being deleted is gone."""
        while self._due and self._due[0][0] <= self.clock.now():
            at, _, server, is_end = heapq.heappop(self._due)
            if server.gone_at is not None:
                continue
            if is_end:
                self.remove(server, at=at)
            elif server.status == "BUILD" and server.task_state != "deleting":
                if server.doom:
                    self.fail(server, server.doom, at=at)
                else:
                    self.run(server, at=at)

    def run(self, server: Server, *, at: int) -> None:
        """Let a server become ACTIVE."""
        self.change(server, status="ACTIVE", task_state=None, launched_at=at, updated_at=at)

    def fail(self, server: Server, fault: str, *, at: int, in_cell0: bool = False) -> None:
        """Let a server go into error; see `Server.is_in_cell0`."""
        self.change(
            server,
            status="ERROR",
            task_state=None,
            fault=fault,
            is_in_cell0=in_cell0,
            ended_at=at if server.ended_at is None else server.ended_at,
            updated_at=at,
        )

    def find(self, server_id: str) -> Server:
        """Return the server of this id.

        Raises:
            Rejected: there is none.
        """
        if server_id not in self.by_id:
            raise Rejected(404, f"Instance {server_id} could not be found.")
        return self.by_id[server_id]

    @property
    def waiting(self) -> Iterator[Server]:
        """Those that wait for a host, the youngest first."""
        return reversed(self._waiting.values())

    @property
    def placed(self) -> Iterator[Server]:
        """Those that have a host or never get one, who got there last first."""
        return reversed(self._placed.values())

    def place(self, count: int) -> None:
        """Let the youngest `count` servers that wait for a host have one.

        Until this is called again, as it is after each page, they are in both lists, and look as
        if they waited.
        """
        for server in [each for each in self._waiting.values() if each.id in self._placed]:
            self.change(server, task_state="spawning")
        for server in itertools.islice(self.waiting, count):
            self._placed[server.id] = server

    def named(self, name: str) -> tuple[Server, ...]:
        """Return the servers of a name that are there, the oldest first."""
        return tuple(each for each in self.by_id.values() if each.name == name)

    def resize(self, server: Server, flavor: Flavor) -> None:
        """Give a server another size."""
        self._count(server, -1)
        self.change(server, flavor=flavor)
        self._count(server, 1)

    def _list_of(self, server: Server) -> dict[str, Server]:
        return self._waiting if server.is_waiting else self._placed

    def _later(self, at: int, server: Server, *, is_end: bool) -> None:
        heapq.heappush(self._due, (at, next(self._turns), server, is_end))

    def _count(self, server: Server, sign: int) -> None:
        self._memory_mb += sign * server.flavor.ram_mb
        for key in ("*", server.machinetype):
            self._processors[key] += sign * server.flavor.vcpus
            self.peak_processors[key] = max(self.peak_processors[key], self._processors[key])


def over_quota(quota: Quota, used: Quota, flavor: Flavor) -> str:
    """Return Nova's sentence if one more server of this flavor is too much, else nothing."""
    rows = [
        (what, wanted, used_now, most)
        for what, wanted, used_now, most in (
            ("cores", flavor.vcpus, used.cores, quota.cores),
            ("instances", 1, used.instances, quota.instances),
            ("ram", flavor.ram_mb, used.ram_mb, quota.ram_mb),
        )
        if 0 <= most < used_now + wanted
    ]
    if not rows:
        return ""
    overs, wanted, used_now, most = (
        ", ".join(str(each) for each in column) for column in zip(*rows, strict=True)
    )
    return (
        f"Quota exceeded for {overs}: Requested {wanted}, "
        f"but already used {used_now} of {most} {overs}"
    )
