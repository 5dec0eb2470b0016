"""What machines write to the web site, and what they cannot."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scarcity import few_files, small_files
from tests.test_web_target import put_paths
from tests.web_site import (
    HASTY,
    LIMITS,
    ONE,
    OUTPUTS,
    SPACE,
    TOKENS,
    TWO,
    Answer,
    Site,
    read_answer,
    running,
    snapshot,
)
from vcycled.clock import SystemClock
from vcycled.web.outputs import SMALL_BYTES

MACHINE = f"/machines/{SPACE}/{ONE}"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site with two machines."""
    async with running(tmp_path) as site:
        yield site


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Site]:
    """A site that soon gives up what stalls."""
    async with running(tmp_path, HASTY) as site:
        yield site


async def test_a_machine_puts_and_replaces_its_outputs(site: Site) -> None:
    """201 the first time, 204 later; the group of the tree can read it, nobody else."""
    assert (await site.put("heartbeat", b"1")).status == 201
    assert (await site.put("heartbeat", b"22")).status == 204
    path = site.outputs() / "heartbeat"
    assert path.read_bytes() == b"22"
    assert path.stat().st_mode & 0o777 == 0o640
    assert site.names() == ["heartbeat"]
    assert site.tree.heartbeat(SPACE, ONE, "heartbeat").at is not None


async def test_an_empty_output_is_one(site: Site) -> None:
    """A heartbeat need not say anything."""
    assert (await site.put("heartbeat", b"")).status == 201
    assert (site.outputs() / "heartbeat").read_bytes() == b""


async def test_a_machine_reads_its_own_outputs(site: Site) -> None:
    """The list and each file, by its token."""
    await site.put("log.1", b"text")
    answer = await site.ask("GET", f"{OUTPUTS}/log.1", token=TOKENS[ONE])
    assert (answer.status, answer.body) == (200, b"text")
    answer = await site.ask("GET", f"{OUTPUTS}/", token=TOKENS[ONE])
    assert b'<a href="log.1">' in answer.body
    assert (await site.ask("GET", f"{OUTPUTS}/none", token=TOKENS[ONE])).status == 404


@pytest.mark.parametrize("method", ["PUT", "GET"])
@pytest.mark.parametrize(
    ("token", "machine", "status"),
    [
        ("", ONE, 401),
        (TOKENS[TWO], ONE, 403),
        (TOKENS[ONE], TWO, 403),
        (TOKENS[ONE], "vcycle-prod-gone", 404),
        ("wrong", ONE, 403),
    ],
)
async def test_nobody_touches_the_outputs_of_another(
    site: Site, method: str, token: str, machine: str, status: int
) -> None:
    """Two machines of one machinetype are strangers to each other."""
    await site.put("log", b"mine")
    await site.put("log", b"mine", machine=TWO)
    before = snapshot(site.tree.layout.root)
    body = b"forged" if method == "PUT" else None
    path = f"/machines/{SPACE}/{machine}/joboutputs/log"
    answer = await site.ask(method, path, body, token=token)
    assert answer.status == status
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert b"mine" not in answer.body
    assert snapshot(site.tree.layout.root) == before


async def test_a_machine_without_token_writes_nothing(site: Site) -> None:
    """One that was adopted after its token was lost."""
    (site.tree.layout.machine(SPACE, ONE) / "token_hash").unlink()
    for token in (TOKENS[ONE], "x"):
        assert (await site.ask("PUT", f"{OUTPUTS}/log", b"x", token=token)).status == 403


async def test_a_retired_machine_writes_nothing(site: Site) -> None:
    """It is gone, though its token was right."""
    site.tree.retire(SPACE, ONE)
    assert (await site.put("log", b"x")).status == 404


async def test_no_path_of_the_corpus_changes_anything(site: Site) -> None:
    """Whatever is asked for with the machine's own token, no file is made or changed anywhere."""
    before = snapshot(site.tree.layout.root.parent)
    statuses = set()
    for path in put_paths():
        try:
            statuses.add((await site.ask("PUT", path, b"x", token=TOKENS[ONE])).status)
        except EOFError:
            statuses.add(0)  # the connection was closed without an answer
    assert snapshot(site.tree.layout.root.parent) == before
    assert statuses <= {0, 400, 403, 404, 405}


async def test_a_file_at_the_limit_fits_and_one_byte_more_does_not(site: Site) -> None:
    """Stated in advance or not, and nothing of it is left."""
    assert (await site.put("fits", b"x" * 100_000)).status == 201
    assert (await site.put("big", b"x" * 100_001)).status == 413
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    answer = await talk(
        site, put_head("big", "Transfer-Encoding: chunked"), chunk * 4 + b"0\r\n\r\n"
    )
    assert answer.status == 413
    assert site.names() == ["fits"]


async def test_all_files_together_have_a_limit(site: Site) -> None:
    """Replacing counts the new instead of the old."""
    for name in "ab":
        assert (await site.put(name, b"x" * 100_000)).status == 201
    assert (await site.put("c", b"x" * 50_001)).status == 507
    assert (await site.put("c", b"x" * 50_000)).status == 201
    assert (await site.put("a", b"x" * 100_000)).status == 204
    assert (await site.put("d", b"x")).status == 507
    assert (await site.put("a", b"x")).status == 204
    assert (await site.put("d", b"x")).status == 201
    assert site.names() == ["a", "b", "c", "d"]


async def test_the_number_of_files_has_a_limit(site: Site) -> None:
    """The sixth is refused, another of the five is not, nor is another machine's."""
    for number in range(5):
        assert (await site.put(f"f{number}", b"x")).status == 201
    assert (await site.put("f5", b"x")).status == 507
    assert (await site.put("f4", b"y")).status == 204
    assert (await site.put("f5", b"x", machine=TWO)).status == 201


async def test_uploads_side_by_side_keep_the_limits_too(site: Site) -> None:
    """Each fits alone; together some must be refused."""
    answers = await asyncio.gather(*(site.put(f"f{n}", b"x" * 90_000) for n in range(6)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [201, 201, 507, 507, 507, 507]
    assert sum(path.stat().st_size for path in site.outputs().iterdir()) <= LIMITS.total_bytes


async def test_one_file_put_twice_at_once_is_one_of_the_two(site: Site) -> None:
    """Never a mixture, never both."""
    contents = [bytes([65 + n]) * 40_000 for n in range(6)]
    answers = await asyncio.gather(*(site.put("log", each) for each in contents))
    assert sorted(answer.status for answer in answers) == [201] + [204] * 5
    assert (site.outputs() / "log").read_bytes() in contents
    assert site.names() == ["log"]


def put_head(name: str, *headers: str, token: str = TOKENS[ONE]) -> bytes:
    """The head of a PUT of machine one."""
    lines = [f"PUT {OUTPUTS}/{name} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}"]
    return "\r\n".join([*lines, "Connection: close", *headers]).encode() + b"\r\n\r\n"


async def talk(site: Site, *pieces: bytes) -> Answer:
    """Send pieces and return the answer; the connection is held open meanwhile."""
    reader, writer = await site.connect()
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await read_answer(reader)
    finally:
        writer.transport.abort()


async def test_chunks_are_taken(site: Site) -> None:
    """Also an empty body of them."""
    chunked = "Transfer-Encoding: chunked"
    body = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert (await talk(site, put_head("log", chunked), body)).status == 201
    assert (site.outputs() / "log").read_bytes() == b"abcde"
    assert (await talk(site, put_head("empty", chunked), b"0\r\n\r\n")).status == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 411),
        (("Content-Length: 1", "Content-Range: bytes 0-0/5"), 400),
        (("Content-Length: 1", "Content-Encoding: gzip"), 415),
        (("Content-Length: 1", "Expect: miracles"), 417),
        (("Transfer-Encoding: gzip, chunked",), 501),
        (("Content-Length: 1", "Transfer-Encoding: chunked"), 400),
        (("Content-Length: one",), 400),
        (("Content-Length: -1",), 400),
        (("Content-Length: 1", "Content-Length: 2"), 400),
    ],
)
async def test_a_body_that_cannot_be_stored_as_it_is_is_refused(
    site: Site, headers: tuple[str, ...], status: int
) -> None:
    """Parts, packed bodies, unknown lengths."""
    body = {411: b"", 501: b"0\r\n\r\n"}.get(status, b"x")
    answer = await talk(site, put_head("log", *headers), body)
    assert answer.status == status
    assert site.names() == []


async def test_a_refused_client_that_waits_never_sends_its_body(site: Site) -> None:
    """`Expect: 100-continue` is answered only once the limits allow the body."""
    for head, status in (
        (put_head("log", "Content-Length: 100001", "Expect: 100-continue"), 413),
        (put_head("log", "Content-Length: 9", "Expect: 100-continue", token="wrong"), 403),
    ):
        reader, writer = await site.connect()
        writer.write(head)
        line = await reader.readline()
        assert line.split()[1] == str(status).encode()
        writer.transport.abort()
    reader, writer = await site.connect()
    writer.write(put_head("log", "Content-Length: 3", "Expect: 100-continue"))
    assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert await reader.readline() == b"\r\n"
    writer.write(b"abc")
    assert (await read_answer(reader)).status == 201
    writer.transport.abort()
    assert (site.outputs() / "log").read_bytes() == b"abc"


async def test_an_upload_that_stalls_is_given_up(hasty: Site) -> None:
    """After idle_s without a byte, and nothing of it is left."""
    answer = await talk(hasty, put_head("log", "Content-Length: 10"), b"abc")
    assert answer.status == 408
    assert hasty.names() == []


async def test_an_upload_that_trickles_is_given_up(tmp_path: Path) -> None:
    """A byte now and then does not keep it alive beyond upload_s."""
    async with running(tmp_path, replace(HASTY, idle_s=3600.0)) as site:
        reader, writer = await site.connect()
        began = site.clock.monotonic()
        writer.write(put_head("log", "Content-Length: 1000"))
        answer = asyncio.create_task(reader.readline())
        while not answer.done():
            writer.write(b"x")
            await asyncio.wait([answer], timeout=0.1)
        writer.transport.abort()
        assert answer.result().split()[1] == b"408"
        assert 0.9 < site.clock.monotonic() - began < 60
        assert site.names() == []


async def test_an_upload_that_breaks_off_leaves_nothing(site: Site) -> None:
    """Half a file is never shown, not even under the name of the old one."""
    await site.put("log", b"old")
    _, writer = await site.connect()
    writer.write(put_head("log", "Content-Length: 10") + b"half")
    await writer.drain()
    await until(lambda: len(site.names()) == 2)
    writer.transport.abort()
    await until(lambda: site.names() == ["log"])
    assert (site.outputs() / "log").read_bytes() == b"old"


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition()` holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_one_machine_cannot_take_all_places(site: Site) -> None:
    """The ninth upload at once is refused; others are not."""
    writers = []
    for number in range(8):
        _, writer = await site.connect()
        writer.write(put_head(f"f{number}", "Content-Length: 10") + b"x")
        writers.append(writer)
    await until(lambda: len(site.names()) == 8)
    assert (await site.put("more", b"x")).status == 429
    assert (await site.put("more", b"x", machine=TWO)).status == 201
    for writer in writers:
        writer.transport.abort()
    await until(lambda: site.names() == [])
    assert (await site.put("more", b"x")).status == 201


async def test_what_a_dead_process_left_is_swept(site: Site) -> None:
    """Old hidden files of uploads go, young ones may be another's."""
    for name, age in (("old", 3600), ("young", 0)):
        path = site.outputs() / f".put-{name}"
        path.write_bytes(b"x")
        stamp = SystemClock().now() - age
        os.utime(path, (stamp, stamp))
    assert (await site.put("log", b"x")).status == 201
    assert site.names() == [".put-young", "log"]


async def test_a_folder_in_the_way_is_left(site: Site) -> None:
    """A machine of the local space can make one; nothing of ours replaces it."""
    (site.outputs() / "log").mkdir()
    assert (await site.put("log", b"x")).status == 409
    assert site.names() == ["log"]


async def test_a_full_disk_takes_nothing_and_breaks_the_sign_of_life(site: Site) -> None:
    """507, nothing left, and the manager learns that heartbeats may have been lost."""
    marker = site.tree.layout.web_up / "web01.example.com"
    await until(marker.exists)
    up_since = int(marker.read_text().split()[0])
    with small_files(10):
        answer = await site.put("log", b"x" * 1000)
    assert answer.status == 507
    assert site.names() == []
    site.clock.ahead_s = 30
    site.server._beat()
    assert int(marker.read_text().split()[0]) >= up_since + 30
    assert (await site.put("log", b"x" * 1000)).status == 201


async def test_what_is_the_machines_own_fault_breaks_no_sign_of_life(hasty: Site) -> None:
    """Else one machine could protect all silent ones from deletion."""
    marker = hasty.tree.layout.web_up / "web01.example.com"
    await until(marker.exists)
    up_since = marker.read_text()
    (hasty.outputs() / "folder").mkdir()
    statuses = [
        (await hasty.put("big", b"x" * 100_001)).status,
        (await hasty.put("folder", b"x")).status,
        (await hasty.put("a%00b", b"x")).status,
        (await hasty.put("x" * 256, b"x")).status,
        (await talk(hasty, put_head("log", "Content-Length: 10"), b"abc")).status,
    ]
    assert statuses == [413, 409, 403, 403, 408]
    hasty.clock.ahead_s = 30
    hasty.server._beat()
    assert marker.read_text() == up_since


async def test_a_tree_that_cannot_be_read_is_the_servers_fault(site: Site) -> None:
    """503, come again; and heartbeats may have been lost."""
    marker = site.tree.layout.web_up / "web01.example.com"
    await until(marker.exists)
    up_since = int(marker.read_text().split()[0])
    reader, writer = await site.connect()
    with few_files(0):
        writer.write(put_head("log", "Content-Length: 1") + b"x")
        answer = await read_answer(reader)
    writer.transport.abort()
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    site.clock.ahead_s = 30
    site.server._beat()
    assert int(marker.read_text().split()[0]) >= up_since + 30


KEPT = 10**7
"""Bytes that are to stay free in the tests of a disk that is nearly full."""
ROOMY = replace(LIMITS, file_bytes=5_000_000, total_bytes=10**7, free_bytes=KEPT)


@pytest.fixture
async def roomy(tmp_path: Path) -> AsyncIterator[Site]:
    """A site that takes large outputs while there is room for them."""
    async with running(tmp_path, ROOMY) as site:
        yield site


@pytest.mark.parametrize(
    ("size", "free", "status"),
    [
        pytest.param(SMALL_BYTES, 0, 201, id="what is small is always taken"),
        pytest.param(SMALL_BYTES + 1, KEPT + SMALL_BYTES + 1, 201, id="what just fits is taken"),
        pytest.param(SMALL_BYTES + 1, KEPT + SMALL_BYTES, 507, id="one byte too many"),
    ],
)
async def test_a_disk_that_is_nearly_full_is_kept_for_what_is_small(
    roomy: Site, monkeypatch: pytest.MonkeyPatch, size: int, free: int, status: int
) -> None:
    """Heartbeats, shutdown messages, and the manager's own files."""
    monkeypatch.setattr("vcycled.web.outputs._free_bytes", lambda _within: free)
    answer = await roomy.put("log", b"x" * size)
    assert answer.status == status
    assert roomy.names() == ["log"] * (status == 201)


@pytest.mark.parametrize(("size", "status"), [(SMALL_BYTES, 201), (SMALL_BYTES + 1, 507)])
async def test_who_does_not_say_how_much_it_sends_is_stopped_when_it_is_not_small(
    roomy: Site, monkeypatch: pytest.MonkeyPatch, size: int, status: int
) -> None:
    """In chunks."""
    monkeypatch.setattr("vcycled.web.outputs._free_bytes", lambda _within: KEPT)
    body = f"{size:x}\r\n".encode() + b"x" * size + b"\r\n0\r\n\r\n"
    answer = await talk(roomy, put_head("log", "Transfer-Encoding: chunked"), body)
    assert answer.status == status


async def test_a_disk_that_fills_up_meanwhile_ends_an_upload(
    roomy: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at for every further megabyte, and once when the upload is let in."""
    looks: list[int] = []

    def free(_within: int) -> int:
        looks.append(1)
        return 10**9 if len(looks) < 3 else 0

    monkeypatch.setattr("vcycled.web.outputs._free_bytes", free)
    answer = await roomy.put("log", b"x" * 4_000_000)
    assert (answer.status, len(looks)) == (507, 3)
    assert roomy.names() == []


async def test_that_a_disk_is_nearly_full_is_told_once_and_costs_no_sign_of_life(
    roomy: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else one machine could protect all silent ones from deletion."""
    marker = roomy.tree.layout.web_up / "web01.example.com"
    await until(marker.exists)
    up_since = marker.read_text()
    monkeypatch.setattr("vcycled.web.outputs._free_bytes", lambda _within: 5)
    for _ in range(2):
        assert (await roomy.put("log", b"x" * 100_000)).status == 507
    assert caplog.text.count(f"web-disk-low free=5 kept={KEPT}") == 1
    roomy.clock.ahead_s = 30
    roomy.server._beat()
    assert marker.read_text() == up_since


async def test_a_site_may_let_its_disk_fill_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing is looked at; a real disk has room for this."""
    monkeypatch.setattr("vcycled.web.outputs._free_bytes", lambda _within: 0)
    assert (await site.put("log", b"x" * 100_000)).status == 201


async def test_the_disk_that_is_looked_at_is_that_of_the_outputs(tmp_path: Path) -> None:
    """With what is free to others than root."""
    async with running(tmp_path, replace(ROOMY, free_bytes=2**60)) as site:
        assert (await site.put("log", b"x" * 100_000)).status == 507
        assert (await site.put("heartbeat", b"x")).status == 201
