"""The web site as machines see it, over real TLS."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from email.utils import formatdate
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


# What anybody may read.


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (f"{MACHINE}/machinefeatures/total_cpu", 200, b"4"),
        (f"{MACHINE}/jobfeatures/job_id", 200, b"uuid-of-vcycle-prod-0000000001"),
        (f"{MACHINE}/jobfeatures/max_rss_bytes", 404, b"Not Found\n"),
        (f"{MACHINE}/jobfeatures/../token_hash", 404, b"Not Found\n"),
        (f"{MACHINE}/token_hash", 404, b"Not Found\n"),
        (f"{MACHINE}/user_data", 404, b"Not Found\n"),
        (f"{MACHINE}/console_log", 404, b"Not Found\n"),
        (f"{MACHINE}/jobfeatures/../console_log", 404, b"Not Found\n"),
        (f"/machines/{SPACE}/vcycle-prod-gone/jobfeatures/job_id", 404, b"Not Found\n"),
        (f"/machines/{SPACE}/vcycle-prod-gone/jobfeatures/", 404, b"Not Found\n"),
        (f"/heartbeatlists/{SPACE}/prod", 200, f"1800000100 {ONE} 192.0.2.1\n".encode()),
        (f"/heartbeatlists/{SPACE}/none", 404, b"Not Found\n"),
        ("/HNSciCloud/pilotkek2/user_data", 200, b"#!/bin/sh\n"),
        ("/HNSciCloud/pilotkek2", 404, b"Not Found\n"),
        ("/HNSciCloud/pilotkek2/nothing", 404, b"Not Found\n"),
        ("/HNSciCloud/pilotkek2/user_data/x", 404, b"Not Found\n"),
    ],
)
async def test_what_anybody_may_read(site: Site, path: str, status: int, body: bytes) -> None:
    """Features, heartbeat lists and published files; a missing one is a plain 404."""
    site.tree.keep_console(SPACE, ONE, "Kernel panic")
    answer = await site.ask("GET", path)
    assert (answer.status, answer.body) == (status, body)


async def test_a_folder_of_features_lists_its_keys(site: Site) -> None:
    """As links, which is what readers of Machine/Job Features look for."""
    answer = await site.ask("GET", f"{MACHINE}/jobfeatures/")
    assert answer.status == 200
    assert b'<a href="wall_limit_secs">wall_limit_secs</a>' in answer.body
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("folder", ["machinefeatures", "jobfeatures", "joboutputs"])
async def test_a_folder_without_its_slash_leads_to_it(site: Site, folder: str) -> None:
    """MACHINEFEATURES has no trailing slash."""
    answer = await site.ask("GET", f"{MACHINE}/{folder}")
    assert (answer.status, answer.headers["location"]) == (301, f"{folder}/")


async def test_the_index_says_what_this_is(site: Site) -> None:
    """Whoever finds this port by chance learns whose it is."""
    answer = await site.ask("GET", "/")
    assert answer.status == 200
    assert b"Vcycle 4." in answer.body


async def test_a_head_has_no_body(site: Site) -> None:
    """Only the length."""
    for path, length in (
        ("/HNSciCloud/pilotkek2/user_data", "10"),
        (f"{MACHINE}/jobfeatures/x", "10"),
    ):
        answer = await site.ask("HEAD", path)
        assert (answer.body, answer.headers["content-length"]) == (b"", length)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
async def test_what_is_published_cannot_be_changed(site: Site, method: str) -> None:
    """Reading is all."""
    before = snapshot(site.tree.layout.root)
    for path in (f"{MACHINE}/jobfeatures/job_id", "/HNSciCloud/pilotkek2/user_data", "/", "/new"):
        answer = await site.ask(method, path, b"x", token=TOKENS[ONE])
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert snapshot(site.tree.layout.root) == before


async def test_links_in_www_lead_nowhere_outside(site: Site, tmp_path: Path) -> None:
    """Within www they do, also folders; out of it, to hidden files and in circles they do not."""
    www = site.tree.layout.www
    (tmp_path / "secret").write_text("secret")
    (www / ".hidden").write_text("secret")
    links = {
        "in": "HNSciCloud/pilotkek2/user_data",
        "folder": "HNSciCloud/pilotkek2",
        "out": str(tmp_path / "secret"),
        "up": "../shared",
        "hidden": ".hidden",
        "loop": "loop",
        "dangling": "nowhere",
    }
    for name, target in links.items():
        (www / name).symlink_to(target)
    os.mkfifo(www / "pipe")
    assert (await site.ask("GET", "/in")).status == 200
    assert (await site.ask("GET", "/folder/user_data")).status == 200
    for path in (
        "/out",
        "/up/web_up/web01.example.com",
        "/hidden",
        "/.hidden",
        "/loop",
        "/pipe",
        "/dangling",
    ):
        assert (await site.ask("GET", path)).status == 404, path


async def test_links_in_a_machines_folder_are_not_followed(site: Site, tmp_path: Path) -> None:
    """Neither for features nor for outputs nor for the machine itself."""
    (tmp_path / "secret").write_text("secret")
    folder = site.tree.layout.machine(SPACE, ONE)
    (folder / "jobfeatures" / "link").symlink_to(tmp_path / "secret")
    (folder / "joboutputs" / "link").symlink_to(tmp_path / "secret")
    (folder.parent / "vcycle-link").symlink_to(folder)
    for path in (f"{MACHINE}/jobfeatures/link", f"{OUTPUTS}/link"):
        assert (await site.ask("GET", path, token=TOKENS[ONE])).status == 404
    assert (
        await site.ask("GET", f"/machines/{SPACE}/vcycle-link/jobfeatures/job_id")
    ).status == 404


async def test_large_files_arrive_whole(site: Site) -> None:
    """More than one piece, with the time of the last change, which is asked for again."""
    content = os.urandom(1_000_000)
    path = site.tree.layout.www / "image.iso"
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    answer = await site.ask("GET", "/image.iso")
    assert answer.body == content
    assert answer.headers["last-modified"] == formatdate(1_700_000_000, usegmt=True)
    for stamp, status in ((1_700_000_000, 304), (1_699_999_999, 200)):
        known = f"If-Modified-Since: {formatdate(stamp, usegmt=True)}"
        assert (await site.ask("GET", "/image.iso", headers=[known])).status == status


# What a machine writes.


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


async def test_an_upload_that_trickles_is_given_up(hasty: Site) -> None:
    """A byte now and then does not keep it alive beyond upload_s."""
    clock = SystemClock()
    began = clock.monotonic()
    reader, writer = await hasty.connect()
    writer.write(put_head("log", "Content-Length: 1000"))
    answer = asyncio.create_task(reader.readline())
    while not answer.done():
        writer.write(b"x")
        await asyncio.wait([answer], timeout=0.1)
    writer.transport.abort()
    assert answer.result().split()[1] == b"408"
    assert 0.9 < clock.monotonic() - began < 5
    assert hasty.names() == []


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
    async with asyncio.timeout(5):
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
    up_since = int(marker.read_text())
    with small_files(10):
        answer = await site.put("log", b"x" * 1000)
    assert answer.status == 507
    assert site.names() == []
    site.clock.ahead_s = 30
    site.server._beat()
    assert int(marker.read_text()) >= up_since + 30
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
    up_since = int(marker.read_text())
    reader, writer = await site.connect()
    with few_files(0):
        writer.write(put_head("log", "Content-Length: 1") + b"x")
        answer = await read_answer(reader)
    writer.transport.abort()
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    site.clock.ahead_s = 30
    site.server._beat()
    assert int(marker.read_text()) >= up_since + 30


# What the log says, and what it does not.


async def test_a_line_for_each_request_and_no_secret(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Who, what, how it ended; never a token, wherever it stood."""
    token = TOKENS[ONE]
    with caplog.at_level(logging.DEBUG):
        await site.put("log", b"x")
        await site.ask("GET", f"{OUTPUTS}/log?token={token}")
        await site.ask("GET", "/nothing", headers=[f"Authorization: Bearer {token}"])
        await site.ask("PUT", f"{OUTPUTS}/log", b"x", headers=[f"Authorization {token}"])
        await site.ask("PUT", f"{OUTPUTS}/log", b"x", headers=["A: " + token * 1000])
    lines = [record.getMessage() for record in caplog.records if "web-request" in record.message]
    assert f"path={OUTPUTS}/log status=201 received=1 seconds=0." in lines[0]
    assert "peer=127.0.0.1 method=PUT" in lines[0]
    assert f"path={OUTPUTS}/log status=401 " in lines[1]
    assert [line for line in caplog.messages if "web-bad-request" in line]
    assert token not in caplog.text


# The line itself.


@pytest.mark.parametrize(
    ("option", "is_taken"),
    [("--tls-max 1.1", False), ("--tls-max 1.2", True), ("--tlsv1.3", True)],
)
async def test_tls_is_1_2_or_newer(site: Site, option: str, is_taken: bool) -> None:
    """Whatever the client would be content with."""
    weak = ["--tlsv1.0", "--ciphers", "DEFAULT:@SECLEVEL=0"]
    arguments = [*weak, *option.split(), site.url]
    assert await curl(site, *arguments) == ("200" if is_taken else "000")


async def test_plain_http_gets_no_answer(site: Site) -> None:
    """A token that was sent in the clear is not worth a reply."""
    reader, writer = await asyncio.open_connection("localhost", site.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with suppress(ConnectionResetError):
        assert b"HTTP/1.1" not in await reader.read()
    writer.transport.abort()


async def test_curl_puts_and_gets_as_the_documents_say(site: Site, tmp_path: Path) -> None:
    """The token as user, as password, and as a header; a large file with Expect."""
    (tmp_path / "log").write_bytes(b"x" * 90_000)
    token = TOKENS[ONE]
    ways = [
        [f"https://{token}@localhost:{site.port}{OUTPUTS}/log"],
        [f"https://vcycle:{token}@localhost:{site.port}{OUTPUTS}/log"],
        [f"{site.url}{OUTPUTS}/log", "-H", f"Authorization: Bearer {token}"],
        [
            f"{site.url}{OUTPUTS}/log",
            "-H",
            f"Authorization: Bearer {token}",
            "-H",
            "Expect: 100-continue",
        ],
    ]
    assert [await curl(site, "-T", str(tmp_path / "log"), *way) for way in ways] == [
        "201",
        "204",
        "204",
        "204",
    ]
    assert await curl(site, f"{site.url}{MACHINE}/jobfeatures/job_id") == "200"


async def curl(site: Site, *arguments: str) -> str:
    """Run curl as a machine would and return the status it got."""
    child = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--cacert", str(site.authority), "-o", "/dev/null", "-w", "%{http_code}",
        *arguments, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await child.communicate()
    return output.decode()
