"""Clients that mean harm, or know no better: the others do not notice."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.grid import DN, authority, member, proxy, put_authority, show
from tests.web_site import LIMITS, ONE, OUTPUTS, SPACE, TOKENS, Site, read_answer, running
from vcycled.web import listener

CA = authority()
HEAD = f"PUT {OUTPUTS}/log HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[ONE]}\r\n"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site with two machines, and certificates."""
    folder = put_authority(tmp_path / "certificates", CA)
    async with running(tmp_path, https_x509dn=DN, client_authorities=folder) as site:
        yield site


async def is_well(site: Site) -> bool:
    """Return whether another machine is served."""
    path = f"/machines/{SPACE}/{ONE}/jobfeatures/job_id"
    return (await site.ask("GET", path)).status == 200


async def test_half_handshakes_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds that open a connection and say nothing, or half of what TLS begins with."""
    monkeypatch.setattr(listener, "_HANDSHAKE_S", 3.0)
    async with running(tmp_path) as site:
        lines = []
        for number in range(200):
            line = await asyncio.open_connection("localhost", site.port)
            if number % 2:
                line[1].write(b"\x16\x03\x01\x02\x00\x01")
            lines.append(line)
        assert await is_well(site)
        async with asyncio.timeout(60):
            for reader, writer in lines:
                with suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.transport.abort()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"".join(b"X-%d: y\r\n" % n for n in range(50_000)), id="many headers"),
        pytest.param(b"X: " + b"y" * 1_000_000 + b"\r\n", id="a long one"),
        pytest.param(b"Cookie: " + b"a=b; " * 100_000 + b"\r\n", id="a long cookie"),
    ],
)
async def test_a_flood_of_headers_ends_its_own_connection_only(site: Site, flood: bytes) -> None:
    """Refused before it is all there; nothing is stored."""
    reader, writer = await site.connect()
    with suppress(ConnectionError):
        writer.write(HEAD.encode() + flood)
        await writer.drain()
        with suppress(asyncio.IncompleteReadError):
            assert (await read_answer(reader)).status == 400
    writer.transport.abort()
    assert await is_well(site)
    assert site.names() == []


async def test_ten_gigabytes_are_refused_before_they_are_sent(site: Site) -> None:
    """Stated, they cost nothing; unstated, no more than one output may have."""
    reader, writer = await site.connect()
    writer.write(f"{HEAD}Content-Length: {10 * 2**30}\r\n\r\n".encode())
    assert (await read_answer(reader)).status == 413
    writer.transport.abort()
    reader, writer = await site.connect()
    writer.write(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
    answer = asyncio.create_task(read_answer(reader))
    while not answer.done():
        writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        await writer.drain()
        await asyncio.wait([answer], timeout=0.001)
    writer.transport.abort()
    assert answer.result().status == 413
    assert site.names() == []


async def test_hundreds_of_tiny_files_are_five(tmp_path: Path) -> None:
    """The limits hold under a crowd of connections of one machine, and its rate."""
    limits = replace(LIMITS, puts_per_minute=100)
    async with running(tmp_path, limits) as site:
        statuses: dict[int, int] = {}
        began = site.clock.monotonic()

        async def put_some(worker: int) -> None:
            for number in range(25):
                status = (await site.put(f"f{worker}.{number}", b"x")).status
                statuses[status] = statuses.get(status, 0) + 1

        await asyncio.gather(*(put_some(worker) for worker in range(10)))
        assert set(statuses) == {201, 507, 429}
        assert statuses[201] == LIMITS.files
        minutes = (site.clock.monotonic() - began) / 60
        assert statuses[201] + statuses[507] <= 100 * (1 + minutes) + 1
        assert len(site.names()) == LIMITS.files


@pytest.mark.parametrize("each", [125, pytest.param(1250, marks=pytest.mark.live)])
async def test_thousands_of_tiny_files_are_five(tmp_path: Path, each: int) -> None:
    """Nothing else stops the machine: no handshake costs it time, its rate is not limited."""
    limits = replace(LIMITS, puts_per_minute=20_000)
    path = tmp_path / "front.sock"
    async with running(tmp_path, limits, front_socket=path) as site:

        async def put_many(worker: int) -> list[int]:
            return [await put_one(f"f{worker}.{number}") for number in range(each)]

        async def put_one(name: str) -> int:
            over = await asyncio.open_unix_connection(path)
            target = f"{OUTPUTS}/{name}"
            return (await site.ask("PUT", target, b"x", token=TOKENS[ONE], over=over)).status

        answers = await asyncio.gather(*(put_many(worker) for worker in range(8)))
        statuses = [status for some in answers for status in some]
        assert statuses.count(201) == LIMITS.files
        assert statuses.count(507) == 8 * each - LIMITS.files
        assert len(site.names()) == LIMITS.files
        assert await is_well(site)


async def test_a_replay_after_the_machine_is_gone_is_404(site: Site, tmp_path: Path) -> None:
    """By token or by certificate: there is nothing left to write to."""
    papers = show(tmp_path / "vm1.pem", member(CA, "vm1"))
    site.tree.retire(SPACE, ONE)
    assert (await site.put("log", b"x")).status == 404
    answer = await site.ask("PUT", f"{OUTPUTS}/log", b"x", over=await site.connect(papers))
    assert answer.status == 404


async def test_a_chain_without_end_is_refused(site: Site, tmp_path: Path) -> None:
    """A hundred proxies, one below the other, are verified by nobody."""
    chain = [member(CA, "vm1")]
    for _ in range(110):
        chain.insert(0, proxy(chain[0], "p"))
    with suppress(ssl.SSLError, ConnectionError, EOFError):
        over = await site.connect(show(tmp_path / "long.pem", *chain))
        assert (await site.ask("PUT", f"{OUTPUTS}/log", b"x", over=over)).status in {401, 403}
    assert await is_well(site)
    assert site.names() == []
