"""The doors beside TLS: plain HTTP for reading, and a socket for the site's own web server."""

import asyncio
import logging
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.grid import DN, authority, member, proxy
from tests.proxy_kit import Paper
from tests.web_site import ONE, OUTPUTS, SPACE, TOKENS, TWO, Connection, Site, running

CA = authority()
VM1 = member(CA, "vm1")
MACHINE = f"/machines/{SPACE}/{ONE}"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site with all its doors open."""
    path = tmp_path / "front.sock"
    async with running(tmp_path, https_x509dn=DN, plain_http_port=0, front_socket=path) as site:
        yield site


# Plain HTTP


@pytest.mark.parametrize(
    "path",
    [
        "/",
        f"{MACHINE}/jobfeatures/job_id",
        f"{MACHINE}/machinefeatures/",
        f"/heartbeatlists/{SPACE}/prod",
        "/HNSciCloud/pilotkek2/user_data",
    ],
)
async def test_without_tls_everybody_reads_what_everybody_may(site: Site, path: str) -> None:
    """For old images that know no https."""
    assert (await site.ask("GET", path, over=await site.connect_plain())).status == 200


async def test_without_tls_nothing_is_written_or_private(site: Site) -> None:
    """A token in the clear opens nothing, nor does a header that a front server would send."""
    for method, path, body in (
        ("PUT", f"{OUTPUTS}/log", b"x"),
        ("GET", f"{OUTPUTS}/", None),
        ("GET", f"{MACHINE}/user_data", None),
    ):
        over = await site.connect_plain()
        answer = await site.ask(
            method, path, body, token=TOKENS[ONE], headers=told(VM1), over=over
        )
        assert (answer.status, answer.body) == (403, b"Forbidden: only by https\n")
    over = await site.connect_plain()
    assert (await site.ask("PUT", f"{MACHINE}/jobfeatures/x", b"x", over=over)).status == 405
    assert site.names() == []


async def test_there_is_no_plain_door_unless_asked_for(tmp_path: Path) -> None:
    """TLS is all that listens."""
    async with running(tmp_path) as site:
        with pytest.raises(KeyError):
            await site.connect_plain()


# Behind the site's own web server


def told(paper: Paper, verdict: str = "SUCCESS", *, is_nginx: bool = False) -> list[str]:
    """The headers in which Apache or nginx tell of a client's certificate."""
    text = paper.pem.decode()
    shown = quote(text) if is_nginx else text.replace("\n", " ").strip()
    return [f"X-Vcycle-Client-Verify: {verdict}", f"X-Vcycle-Client-Cert: {shown}"]


async def front(tmp_path: Path) -> Connection:
    """Connect as the front server does."""
    return await asyncio.open_unix_connection(tmp_path / "front.sock")


def heads() -> dict[str, tuple[list[str], int]]:
    """What a front says, and how a PUT then ends."""
    certificate = told(VM1)[1]
    return {
        "Apache": (told(VM1), 201),
        "nginx": (told(VM1, is_nginx=True), 201),
        "not verified": (told(VM1, "NONE"), 401),
        "failed": (told(VM1, "FAILED:certificate has expired"), 401),
        "no verdict": (told(VM1)[1:], 401),
        "two verdicts": ([*told(VM1, "NONE"), "X-Vcycle-Client-Verify: SUCCESS"], 401),
        "two certificates": ([*told(VM1), told(member(CA, "vm2"))[1]], 401),
        "no certificate": (told(VM1)[:1], 401),
        "Apache without certificate": ([*told(VM1)[:1], "X-Vcycle-Client-Cert: (null)"], 401),
        "half a certificate": ([told(VM1)[0], f"{certificate[:400]}"], 401),
        "no base64": ([told(VM1)[0], certificate.replace("M", "=", 1)], 401),
        "no DER": ([told(VM1)[0], certificate.replace("MII", "AAA", 1)], 401),
        "another name": (told(member(CA, "vm10")), 403),
        "a proxy, whose chain is not told": (told(proxy(VM1)), 401),
    }


@pytest.mark.parametrize("case", heads())
async def test_what_a_front_says_of_a_certificate_is_believed(
    site: Site, tmp_path: Path, case: str
) -> None:
    """If it is plain and whole; anything else is nobody."""
    headers, status = heads()[case]
    over = await front(tmp_path)
    answer = await site.ask("PUT", f"{OUTPUTS}/log", b"x", headers=headers, over=over)
    assert answer.status == status


async def test_tokens_work_through_a_front(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log tells the client that the front saw, not what the client says of itself."""
    headers = ["X-Forwarded-For: 203.0.113.9, 192.0.2.7"]
    with caplog.at_level(logging.INFO):
        answer = await site.ask(
            "PUT",
            f"{OUTPUTS}/log",
            b"x",
            token=TOKENS[ONE],
            headers=headers,
            over=await front(tmp_path),
        )
        other = f"/machines/{SPACE}/{TWO}/joboutputs/log"
        wrong = await site.ask("PUT", other, b"x", token=TOKENS[ONE], over=await front(tmp_path))
    assert (answer.status, wrong.status) == (201, 403)
    assert "peer=192.0.2.7 method=PUT" in caplog.text


async def test_a_header_of_a_client_of_ours_is_not_its_address(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the socket of the front has no address of its own."""
    with caplog.at_level(logging.INFO):
        await site.ask("GET", "/", headers=["X-Forwarded-For: 203.0.113.9"])
    assert "peer=127.0.0.1" in caplog.text


async def test_the_socket_is_for_our_group_and_goes_with_us(tmp_path: Path) -> None:
    """One that a dead process left is replaced."""
    path = tmp_path / "front.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with running(tmp_path, front_socket=path) as site:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert (await site.ask("GET", "/", over=await front(tmp_path))).status == 200
    assert not path.exists()
