"""Plays the machines, since the fake driver boots none: puts outputs, powers off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import requests

from tests.live.nova import Server, servers
from tests.openstack_bed.project import Project
from vcycled.clock import SystemClock

TEMPLATE = """\
machine: ##user_data_machine_hostname##
outputs: ##user_data_joboutputs_url##
features: ##user_data_machinefeatures_url##
token: ##user_data_machine_token##
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A machine that runs, from the inside."""

    server: Server
    outputs: str
    features: str
    token: str = field(repr=False)


class Guests:
    """The machines of a project that the test has looked into."""

    def __init__(self, project: Project, ca: Path) -> None:
        self._project = project
        self._ca = str(ca)
        self._clock = SystemClock()
        self._seen: dict[str, Server] = {}
        self.known: dict[str, Guest] = {}
        """Those that ran when they were looked at, by name."""
        self.ended_at: dict[str, int] = {}
        """By name: when the test began to end it."""

    def look(self) -> list[Server]:
        """Return the servers there are; those that run and are new say that they live."""
        found = servers(self._project)
        self._seen |= {each.id: each for each in found}
        new = [
            _guest(each)
            for each in found
            if each.status == "ACTIVE" and each.machinetype and each.name not in self.known
        ]
        self.known |= {each.server.name: each for each in new}
        self.beat(each.server.name for each in new)
        return found

    def have_been_seen(self, names: Iterable[str]) -> bool:
        """Look once more, and return whether each of these machines was ever seen."""
        self.look()
        return {each.name for each in self._seen.values()} >= {*names}

    def history(self) -> list[Server]:
        """Return every server there ever was, as Nova knows it now; what ran must have been seen.

        One that never ran may have come and gone between two looks.
        """
        gone = [self._recalled(each) for each in servers(self._project, deleted=True)]
        return [*servers(self._project), *gone]

    def _recalled(self, gone: Server) -> Server:
        seen = self._seen.get(gone.id)
        if seen is None:
            assert gone.launched_at is None, f"{gone.name} ran and was not seen"
            return gone
        return replace(gone, machinetype=seen.machinetype, uuid=seen.uuid)

    def beat(self, names: Iterable[str]) -> None:
        """Put a heartbeat from each of these machines."""
        self._each(lambda guest: self._put(guest, "heartbeat", b"alive\n"), names)

    def finish(self, names: Iterable[str], message: str) -> None:
        """Let each of these machines say why it ends, and power off."""

        def end(guest: Guest) -> None:
            self.ended_at[guest.server.name] = self._clock.now()
            self._put(guest, "shutdown_message", message.encode())
            self._project.cloud.compute.stop_server(guest.server.id)

        self._each(end, names)

    def feature(self, name: str, key: str) -> str:
        """Return a machine feature, as the machine reads it."""
        answer = requests.get(f"{self.known[name].features}/{key}", verify=self._ca, timeout=60)
        answer.raise_for_status()
        return answer.text

    def _each(self, act: Callable[[Guest], None], names: Iterable[str]) -> None:
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(act, [self.known[name] for name in names]))

    def _put(self, guest: Guest, name: str, content: bytes) -> None:
        answer = requests.put(
            f"{guest.outputs}/{name}",
            data=content,
            headers={"Authorization": f"Bearer {guest.token}"},
            verify=self._ca,
            timeout=60,
        )
        answer.raise_for_status()


def _guest(server: Server) -> Guest:
    words = dict(re.findall(r"^(\w+): (\S+)$", server.user_data, re.MULTILINE))
    assert words["machine"] == server.name
    return Guest(
        server=server, outputs=words["outputs"], features=words["features"], token=words["token"]
    )
