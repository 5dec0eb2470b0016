"""How many connections the web site takes: in all, from one address, and what ends them."""

import asyncio
import logging
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from tests.web_site import Connection, Site, read_answer, running
from vcycled.config import WebOptions
from vcycled.web import command, listener
from vcycled.web.gate import Full, Gate, source_of

NEIGHBOUR = "127.0.0.2"


async def silent(site: Site, address: str = "127.0.0.1") -> Connection:
    """Open a connection from `address` that never begins its handshake."""
    return await asyncio.open_connection("127.0.0.1", site.port, local_addr=(address, 0))


async def refuses(line: Connection) -> None:
    """Wait until the site hangs up."""
    async with asyncio.timeout(60):
        with suppress(ConnectionError):
            assert await line[0].read() == b""


async def takes(line: Connection) -> bool:
    """Return whether the site stays silent on a connection, as on one that it took."""
    try:
        async with asyncio.timeout(0.2):
            with suppress(ConnectionError):
                await line[0].read()
    except TimeoutError:
        return True
    return False


async def status(site: Site, address: str) -> int:
    """Return how a GET from `address` is answered, 0 if not at all."""
    try:
        over = await asyncio.open_connection(
            "127.0.0.1",
            site.port,
            ssl=site.trust,
            server_hostname="localhost",
            local_addr=(address, 0),
        )
        return (await site.ask("GET", "/", over=over)).status
    except (ConnectionError, EOFError):
        return 0


async def wait_for_status(site: Site, address: str) -> int:
    """Return how a GET is answered as soon as it is answered at all, within a minute."""
    async with asyncio.timeout(60):
        while not (answered := await status(site, address)):
            await asyncio.sleep(0.02)
    return answered


async def up_since(site: Site, later_s: int = 0) -> int:
    """Return since when the manager thinks that the site is up, after a sign of life."""
    async with asyncio.timeout(60):
        while site.tree.receiver_up_since(site.clock.now()) is None:
            await asyncio.sleep(0.01)
    site.clock.ahead_s = later_s
    site.server._marker.beat()
    since = site.tree.receiver_up_since(site.clock.now())
    assert since is not None
    return since


def hang_up(*lines: Connection) -> None:
    """End connections from the side of their client."""
    for _, writer in lines:
        writer.transport.abort()


async def test_one_address_cannot_take_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At its limit it gets no more, half a handshake counts, and others do not notice."""
    async with running(tmp_path, max_connections=10, max_connections_per_address=3) as site:
        begun = await up_since(site)
        lines = [await silent(site) for _ in range(5)]
        for line in lines[3:]:
            await refuses(line)
        assert all([await takes(line) for line in lines[:3]])
        assert await status(site, NEIGHBOUR) == 200
        hang_up(*lines)
        assert await wait_for_status(site, "127.0.0.1") == 200
        assert await up_since(site, later_s=30) == begun
    assert caplog.text.count("web-connections-refused peer=127.0.0.1") == 1
    assert "limit=max_connections_per_address" in caplog.text


async def test_the_limit_in_all_is_of_all_addresses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As anybody's heartbeat may be lost, the site's time up begins anew."""
    async with running(tmp_path, max_connections=2, max_connections_per_address=2) as site:
        begun = await up_since(site)
        lines = [await silent(site, f"127.0.0.{number}") for number in (2, 3, 4)]
        await refuses(lines[2])
        assert all([await takes(line) for line in lines[:2]])
        assert await up_since(site, later_s=30) >= begun + 30
        hang_up(*lines)
        assert await wait_for_status(site, "127.0.0.5") == 200
    assert "limit=max_connections" in caplog.text


@pytest.mark.parametrize(
    "greeting", [b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"]
)
async def test_a_handshake_that_fails_counts_no_more(tmp_path: Path, greeting: bytes) -> None:
    """However often it is tried."""
    async with running(tmp_path, max_connections=2, max_connections_per_address=1) as site:
        for _ in range(3):
            line = await silent(site)
            line[1].write(greeting)
            async with asyncio.timeout(60):
                with suppress(ConnectionError):
                    await line[0].read()
            hang_up(line)
            assert await wait_for_status(site, "127.0.0.1") == 200


async def test_a_connection_that_is_kept_alive_counts(tmp_path: Path) -> None:
    """Until it ends, whatever was asked by it."""
    async with running(tmp_path, max_connections=5, max_connections_per_address=1) as site:
        reader, writer = await site.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await read_answer(reader)).status == 200
        second = await silent(site)
        await refuses(second)
        hang_up((reader, writer), second)
        assert await wait_for_status(site, "127.0.0.1") == 200


async def test_a_site_ends_in_the_middle_of_handshakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for those who say nothing."""
    monkeypatch.setattr(listener, "_HANDSHAKE_S", 3600.0)
    async with asyncio.timeout(60):
        async with running(tmp_path) as site:
            lines = [await silent(site) for _ in range(3)]
        for line in lines:
            await refuses(line)
        hang_up(*lines)


def test_the_gate_counts_by_address_and_in_all() -> None:
    """What was refused is not counted; who leaves makes room."""
    gate = Gate(3, 2)
    come = [gate.enter(each) for each in ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2")]
    assert come == [None, None, Full.ADDRESS, None]
    assert gate.enter("192.0.2.3") is Full.ALL
    gate.leave("192.0.2.1")
    assert [gate.enter("192.0.2.3"), gate.enter("192.0.2.3")] == [None, Full.ALL]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::"),
        ("2001:db8::ffff:1:2:3", "2001:db8::"),
        ("2001:db8:0:1::1", "2001:db8:0:1::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_a_network_of_one_host_is_one_address(address: str, source: str) -> None:
    """A host with IPv6 has 2**64 addresses to come from."""
    assert source_of(address) == source


@pytest.mark.parametrize(("files", "is_told"), [(7999, True), (8000, False)])
def test_too_few_open_files_are_warned_of(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    files: int,
    is_told: bool,
) -> None:
    """Before the site finds out in a crowd."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, files))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    options = WebOptions(certificate=tmp_path, key=tmp_path, max_connections=4000)
    with caplog.at_level(logging.WARNING):
        command._allow_many_files(options)
    assert ("config-warning" in caplog.text) == is_told
