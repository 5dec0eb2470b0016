"""Parts of the web process: sign of life, certificate, what may reach the log, slow clients."""

import asyncio
import logging
import os
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from aiohttp.http_exceptions import BadStatusLine
from cryptography.hazmat.primitives import serialization as form

from tests.scarcity import small_files
from tests.web_site import ONE, SPACE, TOKENS, certificate_files, read_answer, running
from vcycled.clock import SystemClock
from vcycled.errors import ConfigError
from vcycled.machinedir import MachineDir
from vcycled.testing.clock import START, FakeClock
from vcycled.web import sending, server
from vcycled.web.access import NoHeaders
from vcycled.web.marker import Marker
from vcycled.web.threads import in_thread
from vcycled.web.tls import Certificate

HOST = "web01.example.com"


# The sign of life.


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test moves."""
    return FakeClock()


@pytest.fixture
def tree(tmp_path: Path, clock: FakeClock) -> MachineDir:
    """The manager's side of the marker."""
    (tmp_path / "shared").mkdir()
    return MachineDir(tmp_path, clock=clock)


@pytest.fixture
def marker(tree: MachineDir, clock: FakeClock) -> Marker:
    """The web process's side."""
    return Marker(tree.layout.web_up / HOST, clock=clock)


def beat(marker: Marker, tree: MachineDir, clock: FakeClock) -> int | None:
    """Beat at the time of the clock and return since when the manager thinks that we are up."""
    marker.beat()
    path = tree.layout.web_up / HOST
    if path.exists():
        os.utime(path, (clock.now(), clock.now()))
    return tree.receiver_up_since(clock.now())


def test_a_site_is_up_since_its_first_beat(
    marker: Marker, tree: MachineDir, clock: FakeClock
) -> None:
    """Later beats keep that time."""
    assert beat(marker, tree, clock) == START
    clock.advance(15)
    assert beat(marker, tree, clock) == START


@pytest.mark.parametrize(("gap", "since"), [(60, START), (61, START + 61), (-1, START - 1)])
def test_a_gap_begins_the_time_anew(
    marker: Marker, tree: MachineDir, clock: FakeClock, gap: int, since: int
) -> None:
    """A host that slept, or a clock that was set back, took no heartbeats meanwhile."""
    beat(marker, tree, clock)
    clock.jump(gap)
    assert beat(marker, tree, clock) == since


def test_a_heartbeat_that_may_be_lost_begins_the_time_anew(
    marker: Marker, tree: MachineDir, clock: FakeClock
) -> None:
    """The manager must not count on the time before."""
    beat(marker, tree, clock)
    marker.broken()
    clock.advance(15)
    assert beat(marker, tree, clock) == START + 15


def test_a_disk_that_takes_no_marker_takes_no_heartbeat(
    marker: Marker, tree: MachineDir, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The time begins anew when it does again; the trouble is logged once."""
    beat(marker, tree, clock)
    for _ in range(2):
        clock.advance(15)
        with small_files(0):
            marker.beat()
    clock.advance(15)
    assert beat(marker, tree, clock) == START + 45
    assert caplog.text.count("web-marker-failed") == 1
    with small_files(0):
        marker.beat()
    assert caplog.text.count("web-marker-failed") == 2


def test_a_tree_that_is_not_there_is_not_made(tmp_path: Path, clock: FakeClock) -> None:
    """Where the manager's folders are not mounted nobody would see the sign of life."""
    Marker(tmp_path / "shared" / "web_up" / HOST, clock=clock).beat()
    assert not (tmp_path / "shared").exists()


def test_a_sign_of_life_tells_when_the_certificate_ends(
    marker: Marker, tree: MachineDir, clock: FakeClock
) -> None:
    """For the manager, which may be on another host; if that is known."""
    for ends_at in (START + 900, None):
        marker.beat(ends_at)
        os.utime(tree.layout.web_up / HOST, (clock.now(), clock.now()))
        (found,) = tree.web_marks(clock.now())
        assert (found.host, found.up_since) == (HOST, START)
        assert found.certificate_ends_at == ends_at


def test_a_site_that_ends_says_so(marker: Marker, tree: MachineDir, clock: FakeClock) -> None:
    """At once, and twice is no error."""
    beat(marker, tree, clock)
    marker.remove()
    marker.remove()
    assert tree.receiver_up_since(clock.now()) is None


# The certificate.


SOON = datetime.fromtimestamp(SystemClock().now() + 86_400, UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The CA of the site."""
    return trustme.CA()


def serial_seen(certificate: Certificate, authority: trustme.CA) -> str:
    """The serial number that a new client is shown."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trust)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with ours, certificate.context.wrap_socket(ours, server_side=True) as secure:
            secure.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with theirs, trust.wrap_socket(theirs, server_hostname="localhost") as secure:
        shown = secure.getpeercert()
        secure.send(b"x")
    thread.join()
    assert shown is not None
    return str(shown["serialNumber"])


def test_a_renewed_certificate_is_served_without_restart(
    tmp_path: Path, authority: trustme.CA
) -> None:
    """Connections after the change see the new one."""
    certificate = Certificate(*certificate_files(tmp_path, authority))
    old = serial_seen(certificate, authority)
    certificate.follow(SystemClock())
    assert serial_seen(certificate, authority) == old
    certificate_files(tmp_path, authority)
    certificate.follow(SystemClock())
    assert serial_seen(certificate, authority) != old


def test_a_half_renewed_certificate_is_told_and_not_served(
    tmp_path: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one goes on; with its key the new one is taken."""
    files = certificate_files(tmp_path, authority)
    certificate = Certificate(*files)
    old, old_end = serial_seen(certificate, authority), certificate.ends_at
    key = files[1].read_bytes()
    certificate_files(tmp_path, authority, ends=SOON)
    new_key = files[1].read_bytes()
    files[1].write_bytes(key)
    for _ in range(2):
        certificate.follow(SystemClock())
    assert caplog.text.count("web-certificate-unusable") == 1
    assert serial_seen(certificate, authority) == old
    assert certificate.ends_at == old_end != int(SOON.timestamp())
    files[1].write_bytes(new_key)
    certificate.follow(SystemClock())
    assert serial_seen(certificate, authority) != old
    assert certificate.ends_at == int(SOON.timestamp())
    files[0].unlink()
    certificate.follow(SystemClock())
    assert f"there is no file {files[0]}" in caplog.text


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda cert, key: cert.unlink(), "there is no file .*cert.pem"),
        (lambda cert, key: key.unlink(), "there is no file .*key.pem"),
        (lambda cert, key: key.write_bytes(b"nonsense"), "cannot be used"),
        (lambda cert, key: cert.write_bytes(key.read_bytes()), "cannot be used"),
        (lambda cert, key: key.write_bytes(encrypted(key)), "cannot be used"),
    ],
)
def test_files_that_are_no_certificate_are_a_configuration_error(
    tmp_path: Path, authority: trustme.CA, damage: object, why: str
) -> None:
    """Told with the files; an encrypted key is refused rather than asked for."""
    files = certificate_files(tmp_path, authority)
    assert callable(damage)
    damage(*files)
    with pytest.raises(ConfigError, match=why):
        Certificate(*files)


def encrypted(key: Path) -> bytes:
    """The key with a password on it."""
    loaded = form.load_pem_private_key(key.read_bytes(), None)
    return loaded.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"secret")
    )


# The log.


def test_what_is_no_http_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """The library's message holds the line, and the line may hold a token."""
    logger = logging.getLogger("test-no-headers")
    logger.addFilter(NoHeaders())
    error = BadStatusLine("GET /?token=secret")
    logger.error("Error handling request from %s", "192.0.2.1", exc_info=error)
    record = caplog.records[-1]
    assert record.getMessage() == "web-bad-request peer=192.0.2.1 error=BadStatusLine"
    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert "secret" not in caplog.text


def test_a_bug_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """What is not the client's fault is told in full."""
    logger = logging.getLogger("test-no-headers-bug")
    logger.addFilter(NoHeaders())
    logger.error("Error handling request from %s", "192.0.2.1", exc_info=RuntimeError("bug"))
    assert "RuntimeError: bug" in caplog.text


# Clients and files that misbehave.


async def test_half_a_request_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is a connection that says nothing, nor one that says it byte by byte."""
    monkeypatch.setattr(server, "_IDLE_S", 0.3)
    async with running(tmp_path) as site:
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: "):
            reader, writer = await site.connect()
            writer.write(sent)
            async with asyncio.timeout(60):
                assert await reader.read() == b""
            writer.transport.abort()
        reader, writer = await site.connect()
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        closed = asyncio.create_task(reader.read())
        async with asyncio.timeout(60):
            while not closed.done():
                writer.write(b"x")
                await asyncio.wait([closed], timeout=0.05)
        writer.transport.abort()


async def test_a_client_that_does_not_listen_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that nobody takes is not held open for ever."""
    monkeypatch.setattr(sending, "_SLOWEST_S", 0.2)
    async with running(tmp_path) as site:
        (site.tree.layout.www / "big").write_bytes(b"x" * 30_000_000)
        reader, writer = await site.connect()
        writer.write(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        # What is not read from the stream piles up until its reading pauses by itself.
        async with asyncio.timeout(60):
            while "/big" in open_files():
                await asyncio.sleep(0.05)
        writer.transport.abort()


def open_files() -> str:
    """What this process has open."""
    links = Path("/proc/self/fd")
    names = []
    for each in links.iterdir():
        try:
            names.append(str(each.readlink()))
        except FileNotFoundError:
            continue
    return "\n".join(names)


async def test_a_file_that_shrinks_ends_the_connection(tmp_path: Path) -> None:
    """Rather than leave the client waiting for what was promised."""
    async with running(tmp_path) as site:
        path = site.tree.layout.www / "big"
        path.write_bytes(b"x" * 20_000_000)
        reader, writer = await site.connect()
        writer.write(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        path.write_bytes(b"")
        async with asyncio.timeout(60):
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(20_000_000)
        writer.transport.abort()


async def test_what_is_on_its_way_arrives_before_the_end(tmp_path: Path) -> None:
    """A server that is told to end still takes the upload it has begun, and no other."""
    async with running(tmp_path) as site:
        reader, writer = await site.connect()
        path = f"/machines/{SPACE}/{ONE}/joboutputs/log"
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS[ONE]}\r\n"
        writer.write(head.encode() + b"Content-Length: 4\r\n\r\nab")
        async with asyncio.timeout(60):
            while not site.names():
                await asyncio.sleep(0.01)
        end = asyncio.create_task(site.server.close())
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await site.connect()
        writer.write(b"cd")
        assert (await read_answer(reader)).status == 201
        await end
        writer.transport.abort()
        assert (site.outputs() / "log").read_bytes() == b"abcd"


async def test_a_cancelled_task_waits_for_its_thread() -> None:
    """What the thread works on is nobody else's before it is done."""
    go = threading.Event()
    steps: list[str] = []

    def work() -> None:
        go.wait(60)
        steps.append("worked")

    task = asyncio.create_task(in_thread(work))
    await asyncio.sleep(0.05)
    task.cancel()
    asyncio.get_running_loop().call_later(0.1, go.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["worked"]


async def test_a_dead_pulse_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug there would else leave a site that looks dead to the manager and never restarts."""

    def fail(self: Marker, certificate_ends_at: int | None) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(Marker, "beat", fail)
    with pytest.raises(RuntimeError, match="bug"):
        async with running(tmp_path) as site:
            await site.server.run(asyncio.Event())
