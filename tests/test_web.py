"""The web site as machines see it, over real TLS."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.web_site import (
    ONE,
    OUTPUTS,
    SPACE,
    TOKENS,
    Site,
    running,
    snapshot,
)

MACHINE = f"/machines/{SPACE}/{ONE}"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site with two machines."""
    async with running(tmp_path) as site:
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
