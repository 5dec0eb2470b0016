"""VacQuery messages: what VacMon is told, in which types, by real datagrams."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOW, machine, machines, starting, terms
from tests.world import SPACE, World, kind
from vcycled import __version__, kvlog
from vcycled.model import Limits, MachineState, ShutdownMessage
from vcycled.vacmon import (
    MOST_BYTES,
    Courier,
    KindFigures,
    Speaker,
    factory_status,
    host_figures,
    machine_status,
    machinetype_status,
)

SPEAKER = Speaker(
    space="vcycle01.example.com", site="EXAMPLE", factory="vac01.example.com", now=NOW
)
HEAD = {
    "daemon_version": f"Vcycle {__version__} vcycled",
    "vacquery_version": "VacQuery 01.02",
    "cookie": "0",
    "space": "vcycle01.example.com",
    "site": "EXAMPLE",
    "factory": "vac01.example.com",
    "time_sent": NOW,
}
KIND = KindFigures(
    name="prod",
    fqan="/vo.example.com/Role=pilot",
    fizzle_seconds=600,
    max_wallclock_seconds=86_400,
    min_wallclock_seconds=600,
    min_processors=1,
    max_processors=8,
    mb_per_processor=2048,
    last_ended=None,
)
ENDED = machine(
    state=MachineState.SHUTDOWN,
    processors=8,
    stopped_at=NOW - 60,
    message=ShutdownMessage(code=200, text="200 Done", written_at=NOW - 70),
    terms=terms(fqan="/vo.example.com", power_per_processor=10),
)
NOWHERE = "255.255.255.255:8884"
"""The kernel refuses to send there; nothing leaves this host."""
TYPES: Mapping[str, type] = {
    **dict.fromkeys(HEAD, str),
    **dict.fromkeys(("message_type", "machinetype", "machine", "fqan", "state", "uuid"), str),
    **dict.fromkeys(("shutdown_machine", "shutdown_message", "kernel_version", "os_issue"), str),
    **dict.fromkeys(("load_average", "running_hs06", "hs06"), float),
    **dict.fromkeys(("time_sent", "boot_time", "shutdown_time"), int),
    **dict.fromkeys(("created_time", "started_time", "heartbeat_time"), int),
    **dict.fromkeys((f"{each}_heartbeat_time" for each in ("factory", "responder")), int),
    **dict.fromkeys((f"{each}_heartbeat_time" for each in ("mjf", "metadata")), int),
    **dict.fromkeys((f"mem_{each}_kb" for each in ("total", "used")), int),
    **dict.fromkeys((f"swap_{each}_kb" for each in ("free", "used")), int),
    **dict.fromkeys((f"{each}_disk_avail_kb" for each in ("root", "daemon")), int),
    **dict.fromkeys((f"{each}_disk_avail_inodes" for each in ("root", "daemon")), int),
    **dict.fromkeys(("running_processors", "running_machines", "max_processors"), int),
    **dict.fromkeys(("max_machines", "min_processors", "num_machinetypes"), int),
    **dict.fromkeys(("num_before_fizzle", "max_wallclock_seconds"), int),
    **dict.fromkeys(("min_wallclock_seconds", "bytes_per_processor", "cpu_seconds"), int),
    **dict.fromkeys(("num_processors", "num_machines"), int),
}
"""Of VacMon's database: keyword, double, or long and date."""


def read(datagram: bytes) -> dict[str, Any]:
    """Return the message, which has the types that VacMon wants and fits into a packet."""
    message: dict[str, Any] = json.loads(datagram.decode("ascii"))
    assert len(datagram) <= MOST_BYTES
    wrong = {key: value for key, value in message.items() if type(value) is not TYPES[key]}
    assert wrong == {}
    assert message.get("fqan") != ""
    return message


# The messages


def test_the_factory_is_told_of_with_what_runs_in_the_space() -> None:
    """Machines that start or have ended do not run; a host figure stands beside."""
    given_ = (*machines(3, terms=terms(power_per_processor=10.5)), starting("s"), ENDED)
    message = read(
        factory_status(
            SPEAKER,
            given_,
            limits=Limits(processors=100, machines=50),
            host={"load_average": 0.5, "boot_time": None},
            is_web_up=True,
        )
    )
    assert message == {
        **HEAD,
        "message_type": "factory_status",
        "running_machines": 3,
        "running_processors": 3,
        "running_hs06": 31.5,
        "max_processors": 100,
        "max_machines": 50,
        "factory_heartbeat_time": NOW,
        "responder_heartbeat_time": NOW,
        "mjf_heartbeat_time": NOW,
        "metadata_heartbeat_time": NOW,
        "load_average": 0.5,
    }


def test_what_is_not_known_is_left_out() -> None:
    """No limit, no power, no web site: null would end VacMon."""
    datagram = factory_status(SPEAKER, machines(1), limits=Limits(), host={}, is_web_up=False)
    assert read(datagram) == {
        **HEAD,
        "message_type": "factory_status",
        "running_machines": 1,
        "running_processors": 1,
        "factory_heartbeat_time": NOW,
        "responder_heartbeat_time": NOW,
    }


def test_a_machinetype_is_told_of_with_its_own_machines() -> None:
    """Those in their first fizzle_seconds are counted apart; the last end is named."""
    young = machine("young", started_at=NOW - 599, processors=8)
    old = machine("old", started_at=NOW - 600)
    other = machine("other", machinetype="other")
    told = replace(KIND, last_ended=ENDED)
    assert read(machinetype_status(SPEAKER, told, (young, old, other, ENDED))) == {
        **HEAD,
        "message_type": "machinetype_status",
        "machinetype": "prod",
        "fqan": "/vo.example.com/Role=pilot",
        "num_machinetypes": 1,
        "running_machines": 2,
        "running_processors": 9,
        "num_before_fizzle": 1,
        "max_wallclock_seconds": 86_400,
        "min_wallclock_seconds": 600,
        "min_processors": 1,
        "max_processors": 8,
        "bytes_per_processor": 2**31,
        "shutdown_machine": "vcycle-prod-0",
        "shutdown_message": "200 Done",
        "shutdown_time": NOW - 60,
    }


def test_a_machinetype_without_fqan_sends_none() -> None:
    """VacMon would die of an empty one."""
    told = replace(KIND, fqan="", max_processors=None, min_wallclock_seconds=None)
    message = read(machinetype_status(SPEAKER, told, ()))
    assert message.keys() & {"fqan", "max_processors", "shutdown_machine"} == set()
    assert (message["running_machines"], message["running_hs06"]) == (0, 0.0)


def test_a_machine_that_ended_is_told_of() -> None:
    """Its times, its last words, and its processors' seconds."""
    assert read(machine_status(SPEAKER, ENDED)) == {
        **HEAD,
        "message_type": "machine_status",
        "machine": "vcycle-prod-0",
        "machinetype": "prod",
        "fqan": "/vo.example.com",
        "state": "Shut down",
        "uuid": "uuid-vcycle-prod-0",
        "created_time": NOW - 3700,
        "started_time": NOW - 3600,
        "num_machines": 1,
        "num_processors": 8,
        "hs06": 80.0,
        "cpu_seconds": 3540 * 8,
        "shutdown_message": "200 Done",
        "shutdown_time": NOW - 70,
    }


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (MachineState.SHUTDOWN, "Shut down"),
        (MachineState.DELETING, "Deleting"),
        (MachineState.FAILED, "Failed"),
        (MachineState.RUNNING, "Shut down"),
        (MachineState.STARTING, "Shut down"),
        (MachineState.UNKNOWN, "Shut down"),
    ],
)
def test_the_state_of_a_machine_that_ended(state: MachineState, text: str) -> None:
    """The cloud's last word; one that vanished was last seen in another, and is over."""
    ended = machine(state=state, started_at=None, stopped_at=NOW)
    message = read(machine_status(SPEAKER, ended))
    assert (message["state"], message["cpu_seconds"]) == (text, 0)
    assert message.keys() & {"fqan", "hs06", "started_time", "shutdown_message"} == set()
    assert message["shutdown_time"] == NOW


def test_the_state_texts_are_all_there() -> None:
    """A state that a cloud module maps to must have VacMon's word."""
    from vcycled.vacmon.messages import _STATES  # noqa: PLC0415 - not part of the room's face

    assert _STATES.keys() == set(MachineState)


@settings(max_examples=settings().max_examples // 4)
@given(site=st.text(max_size=400), said=st.text(min_size=1, max_size=250), host=st.text())
def test_every_message_fits_into_a_packet(site: str, said: str, host: str) -> None:
    """The longest text is cut, whatever it holds; the figures stay."""
    speaker = Speaker(space="s" * 250, site=site, factory=host, now=NOW)
    message = ShutdownMessage(code=None, text=said * 4, written_at=NOW)
    ended = replace(ENDED, message=message, machinetype="m" * 200, name="n" * 230)
    told = replace(KIND, last_ended=ended, fqan="/" + "f" * 300, name="m" * 200)
    for datagram in (
        machine_status(speaker, ended),
        machinetype_status(speaker, told, (ended,)),
        factory_status(speaker, (), limits=Limits(), host={}, is_web_up=False),
    ):
        assert read(datagram)["time_sent"] == NOW


def test_what_fits_is_not_cut() -> None:
    """A message of exactly the limit goes as it is, one byte more is shortened."""
    bare = len(SPEAKER.message("x", {"machine": ""}))
    for length, kept in ((MOST_BYTES - bare, MOST_BYTES - bare), (MOST_BYTES - bare + 1, 0)):
        message = json.loads(SPEAKER.message("x", {"machine": "m" * length}))
        assert len(message["machine"]) == (kept or length // 2)


# The host


def test_the_host_is_described(tmp_path: Path) -> None:
    """All twelve figures of factory_status, in its types."""
    figures = host_figures(tmp_path)
    assert len(figures) == 12
    datagram = factory_status(SPEAKER, (), limits=Limits(), host=figures, is_web_up=False)
    message = read(datagram)
    assert message.keys() > figures.keys()
    assert 0 < message["boot_time"] < 2**32
    assert 0 <= message["mem_used_kb"] <= message["mem_total_kb"]


def test_what_cannot_be_found_out_of_the_host_is_left_out(tmp_path: Path) -> None:
    """A folder that is not there costs its own figures only."""
    missing = host_figures(tmp_path).keys() - host_figures(tmp_path / "none").keys()
    assert missing == {"daemon_disk_avail_kb", "daemon_disk_avail_inodes"}


# Sending


class Server:
    """A VacMon server that only listens."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(60)
        host = f"[{address}]" if ":" in address else address
        self.hostport = f"{host}:{self.socket.getsockname()[1]}"

    def heard(self) -> bytes:
        """Return the next datagram."""
        return self.socket.recv(65_536)

    def is_silent(self) -> bool:
        """Return whether nothing is waiting."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(65_536)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(60)
        return False


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server on loopback."""
    made = Server()
    yield made
    made.socket.close()


def courier() -> Courier:
    """Return one that logs as others do."""
    return Courier(kvlog.get("test"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_datagrams_reach_every_server_in_their_order(server: Server, address: str) -> None:
    """By IPv4 and IPv6."""
    other = Server(address)
    courier().send([server.hostport, other.hostport], [b"1", b"2"])
    for each in (server, other):
        assert [each.heard(), each.heard()] == [b"1", b"2"]
    other.socket.close()


def test_a_server_that_cannot_be_reached_is_told_once_and_hinders_no_other(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """An address that we may not send to, a name that can be none."""
    dead = [NOWHERE, "x" * 70 + ".example:1"]
    one = courier()
    with caplog.at_level(logging.WARNING):
        for number in (b"1", b"2"):
            one.send([*dead, server.hostport], [number])
            assert server.heard() == number
    lines = [record.message for record in caplog.records]
    assert [line.split()[1] for line in lines] == [f"hostport={each}" for each in dead]
    assert all(line.startswith("vacmon-failed ") for line in lines)


def test_sending_never_waits(server: Server) -> None:
    """While the thread hangs, letters wait, and those beyond a hundred are lost."""
    stuck, go_on = threading.Event(), threading.Event()

    class Slow(Courier):
        def _fail(self, hostport: str, error: Exception) -> None:
            stuck.set()
            assert go_on.wait(60)

    one = Slow(kvlog.get("test"))
    one.send([NOWHERE], [b""])
    assert stuck.wait(60)
    for number in range(150):
        one.send([server.hostport], [str(number).encode()])
    go_on.set()
    assert [server.heard() for _ in range(100)] == [str(each).encode() for each in range(100)]
    assert server.is_silent()


# The cycle


@pytest.fixture
def world(tmp_path: Path, server: Server) -> Iterator[World]:
    """Return a manager with two machinetypes that tells the server."""
    made = World(
        tmp_path,
        kind(
            accounting_fqan="/vo.example.com",
            hepscore23_per_processor=15.0,
            heartbeat_file="heartbeat",
        ),
        kind("idle", target_share=0.0),
        processors_limit=2,
        vacmon_hostport=(server.hostport,),
    )
    yield made
    made.close()


def told(world: World, server: Server, messages: int = 3) -> list[dict[str, Any]]:
    """Run a cycle and return what the server hears of it."""
    world.cycle()
    return [read(server.heard()) for _ in range(messages)]


def test_each_cycle_tells_of_the_space_and_of_each_machinetype(
    world: World, server: Server
) -> None:
    """Also of those that have no machines."""
    told(world, server)
    world.clock.advance(60)
    factory, prod, idle = told(world, server)
    assert (factory["message_type"], factory["space"], factory["site"]) == (
        "factory_status",
        SPACE,
        "SITE",
    )
    assert (factory["running_machines"], factory["max_processors"]) == (2, 2)
    assert factory["running_hs06"] == 30.0
    assert factory["factory"] == "manager.example.org"
    assert "mjf_heartbeat_time" not in factory
    assert (prod["machinetype"], prod["running_machines"], prod["fqan"]) == (
        "prod",
        2,
        "/vo.example.com",
    )
    assert (idle["machinetype"], idle["running_machines"]) == ("idle", 0)
    assert server.is_silent()


def test_the_web_site_is_told_of_while_it_is_up(world: World, server: Server) -> None:
    """Its last sign of life is the time of the message."""
    world.receiver_up(since=world.clock.now() - 100)
    assert told(world, server)[0]["mjf_heartbeat_time"] == world.clock.now()


def test_each_end_is_told_once(world: World, server: Server) -> None:
    """Whatever more is learned of the machine later; the machinetype goes on naming it."""
    told(world, server)
    world.clock.advance(200)
    told(world, server)
    name = world.here[0].listed.name
    world.beat(name)
    world.say(name, "200 Done")
    beat_at = world.clock.now()
    world.cloud.finish(name)
    world.clock.advance(60)
    *_, ended = told(world, server, 4)
    assert (ended["message_type"], ended["machine"]) == ("machine_status", name)
    assert (ended["shutdown_message"], ended["hs06"]) == ("200 Done", 15.0)
    assert ended["heartbeat_time"] == beat_at
    for _ in range(4):
        world.clock.advance(60)
        assert told(world, server)[1]["shutdown_machine"] == name
        assert server.is_silent()


def test_machines_that_vanish_and_that_come_back_end_too(world: World, server: Server) -> None:
    """An end for each end."""
    told(world, server)
    world.clock.advance(200)
    told(world, server)
    world.all_here(world.cloud.vanish)
    heard: list[str] = []
    for _ in range(8):
        world.clock.advance(60)
        world.cycle()
    while not heard or heard.count("factory_status") < 8:
        heard.append(read(server.heard())["message_type"])
    assert heard.count("machine_status") == 2


def test_nothing_is_told_without_a_server_or_by_an_observer(world: World, server: Server) -> None:
    """And what ended meanwhile is not told later."""
    told(world, server)
    world.clock.advance(200)
    world.set(vacmon_hostport=())
    world.all_here(world.cloud.finish)
    world.cycle()
    world.set(vacmon_hostport=(server.hostport,), mode="observe")
    world.cycle()
    assert server.is_silent()
    world.set(mode="manage")
    world.clock.advance(60)
    assert [each["message_type"] for each in told(world, server)] == [
        "factory_status",
        "machinetype_status",
        "machinetype_status",
    ]
    assert server.is_silent()


def test_a_server_that_is_not_there_hurts_nobody(tmp_path: Path) -> None:
    """The cycle does all that it does without one."""
    world = World(tmp_path, processors_limit=2, vacmon_hostport=(NOWHERE,))
    world.cycles(3)
    assert len(world.here) == 2
    assert world.audit() == []
    world.close()
