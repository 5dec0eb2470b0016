"""user_data that a machine fetches by itself: with its token, for a while, and then no more."""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests import cloud_init
from tests.scarcity import small_files
from tests.web_site import ONE, SPACE, TOKENS, TWO, Answer, Site, running
from vcycled.machinedir import Noted, hash_of
from vcycled.machinedir.offers import AGAIN_S, WITHIN_S
from vcycled.userdata import stub_of

PATH = f"/machines/{SPACE}/{ONE}/user_data"
TOKEN = "token-of-the-stub"
SCRIPT = b"#!/bin/sh\necho secret\n"


@dataclass(slots=True)
class Waiting:
    """A site where the user_data of machine one waits."""

    site: Site

    @property
    def folder(self) -> Path:
        """The machine's folder."""
        return self.site.tree.layout.machine(SPACE, ONE)

    @property
    def stub(self) -> bytes:
        """What the cloud was handed."""
        return stub_of(f"{self.site.url}{PATH}", TOKEN)

    async def ask(self, token: str = TOKEN, *, method: str = "GET", path: str = PATH) -> Answer:
        """Ask for it."""
        return await self.site.ask(method, path, token=token)

    async def boot(self, cache: dict[str, bytes]) -> bytes:
        """Boot the machine."""
        return await asyncio.to_thread(cloud_init.boot, self.stub, self.site.authority, cache)


@pytest.fixture
async def waiting(tmp_path: Path) -> AsyncIterator[Waiting]:
    """Two machines, and what waits for the first of them."""
    async with running(tmp_path) as site:
        made = Waiting(site)
        (made.folder / "user_data").write_bytes(SCRIPT)
        (made.folder / "user_data_hash").write_text(hash_of(TOKEN))
        yield made


async def test_cloud_init_fetches_it_and_boots_again_without(waiting: Waiting) -> None:
    """The second boot takes what the first one kept, long after the offer ended."""
    cache: dict[str, bytes] = {}
    assert await waiting.boot(cache) == SCRIPT
    waiting.site.clock.ahead_s = 86_400
    assert await waiting.boot(cache) == SCRIPT
    with pytest.raises(requests.HTTPError, match="404"):
        await waiting.boot({})


async def test_it_can_be_fetched_again_for_two_minutes(waiting: Waiting) -> None:
    """An answer may be lost; then it is over, for whoever reads the stub later."""
    statuses = []
    for ahead_s in (0, 5, AGAIN_S - 5, AGAIN_S + 5):
        waiting.site.clock.ahead_s = ahead_s
        statuses.append((await waiting.ask()).status)
    assert statuses == [200, 200, 200, 404]


async def test_it_waits_an_hour_after_the_start(waiting: Waiting) -> None:
    """A cloud calls a machine started long before it has booted."""
    now = waiting.site.clock.now()
    statuses = []
    for started_at in (now - WITHIN_S - 5, now - WITHIN_S + 5):
        waiting.site.tree.note(SPACE, ONE, Noted(started_at=started_at))
        statuses.append((await waiting.ask()).status)
    assert statuses == [404, 200]


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("", PATH, 401),
        ("wrong", PATH, 403),
        (TOKENS[ONE], PATH, 403),
        (hash_of(TOKEN), PATH, 403),
        (TOKEN, f"/machines/{SPACE}/{TWO}/user_data", 404),
        (TOKEN, f"/machines/{SPACE}/vcycle-prod-gone/user_data", 404),
        (TOKEN, f"{PATH}/", 404),
        (TOKEN, f"{PATH}_hash", 404),
    ],
)
async def test_nobody_else_gets_it(waiting: Waiting, token: str, path: str, status: int) -> None:
    """Neither with the machine's other token, nor under another name."""
    answer = await waiting.ask(token, path=path)
    assert answer.status == status
    assert b"secret" not in answer.body
    assert not (waiting.folder / "joboutputs" / ".user_data_fetched").exists()


async def test_its_token_opens_no_outputs(waiting: Waiting) -> None:
    """Whoever reads the stub in the machine can do nothing with it."""
    path = f"/machines/{SPACE}/{ONE}/joboutputs/log"
    assert (await waiting.site.ask("PUT", path, b"x", token=TOKEN)).status == 403


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_it_can_only_be_read(waiting: Waiting, method: str) -> None:
    """By GET and HEAD."""
    answer = await waiting.ask(method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (waiting.folder / "user_data").read_bytes() == SCRIPT


async def test_what_cannot_be_noted_is_not_given_away(waiting: Waiting) -> None:
    """A full disk: come again; the offer stands as if nobody had asked."""
    with small_files(0):
        assert (await waiting.ask()).status == 503
    assert waiting.site.names() == []
    assert (await waiting.ask()).status == 200


async def test_the_note_is_no_output(waiting: Waiting) -> None:
    """It takes no place among the five, and nobody sees it."""
    await waiting.ask()
    for number in range(5):
        assert (await waiting.site.put(f"f{number}", b"x")).status == 201
    answer = await waiting.site.ask(
        "GET", f"/machines/{SPACE}/{ONE}/joboutputs/", token=TOKENS[ONE]
    )
    assert b"fetched" not in answer.body


async def test_the_log_does_not_hold_its_token(
    waiting: Waiting, caplog: pytest.LogCaptureFixture
) -> None:
    """User-info is no part of the path."""
    with caplog.at_level(logging.DEBUG, logger="vcycled"):
        await waiting.boot({})
    assert f"path={PATH} status=200" in caplog.text
    assert TOKEN not in caplog.text
    assert base64.b64encode(f"vcycle:{TOKEN}".encode()).decode() not in caplog.text
