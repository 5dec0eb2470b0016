"""What machines do by themselves: boot or not, work, beat, say why they end, fall silent."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.fakes.openstack import Server

if TYPE_CHECKING:
    from tests.faults.site import Site

BEATING = "beat"
"""The machinetype whose machines must beat."""
BEAT_SECONDS = 1200
"""Its heartbeat_seconds."""


class Role(StrEnum):
    """What a machine is going to do."""

    WORKER = "works, says that it is done, and ends"
    IDLE = "finds no work, says so, and ends"
    TERSE = "works and ends without a word"
    ENDLESS = "works until it is deleted"
    MUTE = "stops beating and goes on"
    STUCK = "never starts"
    BROKEN = "fails at boot"
    LOST = "is deleted by somebody else"


_ROLES = (
    *[Role.WORKER] * 8,
    *[Role.TERSE] * 3,
    *[Role.ENDLESS] * 3,
    *(Role.IDLE, Role.MUTE, Role.STUCK, Role.BROKEN, Role.LOST),
)


@dataclass(slots=True, kw_only=True)
class Guest:
    """One machine: its role, and how long each part of it takes, in seconds."""

    role: Role
    boot_s: int
    work_s: int
    mute_at: int | None = None


class Guests:
    """Every machine of ours in the simulated cloud."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._seed = seed
        self._guests: dict[str, Guest] = {}
        self.is_ending = False
        """True lets all that run end at the next occasion, and none be lost or fall silent."""
        self.is_web_up = True
        """False while nothing can be received from machines."""
        self._web_since = site.clock.now()

    def of(self, server_id: str) -> Guest | None:
        """Return what a machine does, if it was met while it lived."""
        return self._guests.get(server_id)

    def web_down(self) -> None:
        """Let nothing be received for a while."""
        self.is_web_up = False

    def web_up(self) -> None:
        """Let it be received again."""
        self.is_web_up = True
        self._web_since = self._site.clock.now()

    def live(self) -> None:
        """Let every machine do what it did since the last time."""
        if self.is_web_up:
            self._site.receiver_up(since=self._web_since)
        for server in self._site.here:
            self._live(server, self._guests.setdefault(server.id, self._draw(server)))

    def _draw(self, server: Server) -> Guest:
        rng = random.Random(f"{self._seed}/{server.number}")
        role = rng.choice(_ROLES)
        return Guest(
            role=role,
            boot_s=rng.choice([0, 5, 30, 30, 30, 90, 400]),
            work_s=rng.choice([5, 90, 99, 100, 101, 600, 3000, 7000])
            if role is not Role.IDLE
            else rng.choice([1, 20, 99]),
        )

    def _live(self, server: Server, guest: Guest) -> None:
        servers, now = self._site.cloud.servers, self._site.true.now()
        if server.status == "BUILD" and server.task_state != "deleting":
            booted_at = server.created_at + guest.boot_s
            if guest.role is Role.STUCK or now < booted_at:
                return
            if guest.role is Role.BROKEN:
                self._site.cloud.fail(server.name)
                return
            servers.run(server, at=booted_at)
        if server.status == "ACTIVE" and server.task_state is None:
            self._work(server, guest, now)
        elif server.status == "UNKNOWN":  # to the cloud; it goes on all the same
            self._go_on(server, guest, now)

    def _go_on(self, server: Server, guest: Guest, now: int) -> None:
        """Let a machine do what needs no cloud that knows its state."""
        assert server.launched_at is not None
        over_at = server.launched_at + guest.work_s
        if guest.role is Role.LOST and now >= over_at and not self.is_ending:
            self._site.cloud.servers.remove(server, at=over_at)
        else:
            self._beat(server, guest)

    def _work(self, server: Server, guest: Guest, now: int) -> None:
        assert server.launched_at is not None
        over_at = server.launched_at + guest.work_s
        if guest.role is Role.MUTE and now >= over_at and guest.mute_at is None:
            self._beat(server, guest)
            guest.mute_at = now
        if guest.role in {Role.ENDLESS, Role.MUTE} and not self.is_ending:
            over_at = now + 1
        if self.is_ending:
            over_at = max(server.launched_at, min(over_at, now))
        if now < over_at:
            self._beat(server, guest)
        elif guest.role is Role.LOST and not self.is_ending:
            self._site.cloud.servers.remove(server, at=over_at)
        else:
            self._end(server, guest, over_at)

    def _beat(self, server: Server, guest: Guest) -> None:
        if server.machinetype == BEATING and guest.mute_at is None and self.is_web_up:
            self._put(lambda: self._site.beat(server.name))

    def _end(self, server: Server, guest: Guest, at: int) -> None:
        message = {Role.IDLE: "300 No more work", Role.TERSE: ""}.get(guest.role, "200 Done")
        if message and self.is_web_up:
            self._put(lambda: self._site.say(server.name, message, at=at))
        self._site.cloud.servers.change(
            server, status="SHUTOFF", task_state=None, ended_at=at, updated_at=at
        )

    def _put(self, put: Callable[[], None]) -> None:
        """Put an output; a web site has no place for those of a machine without a folder."""
        with suppress(FileNotFoundError):
            put()
