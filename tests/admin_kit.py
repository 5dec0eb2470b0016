"""The admin site for tests: served on loopback, from a site of tests/cli_kit.py."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.cli_kit import CONF, Site
from tests.html_checks import document, faults, words
from vcycled import files
from vcycled.admin.doorkeeper import Doorkeeper
from vcycled.admin.site import LIMITS, AdminSite, Limits, listening
from vcycled.cli.session import Session
from vcycled.clock import SystemClock
from vcycled.config.places import admin_token_path

TOKEN = "a-token-of-the-test-that-is-long"
HOLDER = "A. Operator"
PATIENCE_S = 60.0
"""How long a reading may take: more than any host that is busy with other tests needs."""
HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m\"'><b onclick=x>{{ 7*7 }}&amp;"
PAGES = ("/", "/machines", "/events", "/accounting", "/managers", "/configuration")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str
    json: Any = None

    @property
    def told(self) -> str:
        """The text of the page's main part."""
        main = document(self.text).find(".//main")
        assert main is not None
        return words(main)

    @property
    def links(self) -> list[str]:
        """Where the main part leads to."""
        main = document(self.text).find(".//main")
        assert main is not None
        return [each.attrib["href"] for each in main.iter("a")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An admin site that runs."""

    url: str
    client: aiohttp.ClientSession
    doorkeeper: Doorkeeper
    site: AdminSite

    @property
    def app(self) -> web.Application:
        """Return what it serves."""
        return self.site.app()

    async def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        **more: Any,  # noqa: ANN401 - of aiohttp
    ) -> Answer:
        """Send one request."""
        given = dict(headers or {})
        if token:
            given["Authorization"] = f"Bearer {token}"
        async with self.client.request(
            method, f"{self.url}{path}", headers=given, ssl=tls or True, **more
        ) as answer:
            text = await answer.text()
            is_json = answer.content_type.endswith("json")
            return Answer(
                status=answer.status,
                headers=answer.headers,
                text=text,
                json=await answer.json(content_type=None) if is_json and text else None,
            )


@asynccontextmanager
async def served(
    site: Site,
    options: str = "",
    host: str = "127.0.0.1",
    *,
    text: str = CONF,
    limits: Limits = LIMITS,
) -> AsyncIterator[Served]:
    """Serve the admin site with `options` in [vcycle]; TOKEN opens it."""
    site.configure(text.replace("[vcycle]", f"[vcycle]\n{options}"))
    session = Session(site.clock, [site.conf])
    manager = session.config.manager
    path = admin_token_path(manager)
    files.write(path, f"# of the test\n\n{TOKEN} {HOLDER}\n", mode=files.PRIVATE)
    doorkeeper = Doorkeeper(manager, SystemClock())
    doorkeeper.keys.open()
    scheme = "http" if doorkeeper.tls is None else "https"
    name = f"[{host}]" if ":" in host else host
    admin = AdminSite(session.anew, doorkeeper, patience_s=PATIENCE_S)
    async with (
        listening(admin, (host,), 0, limits=limits) as port,
        aiohttp.ClientSession() as client,
    ):
        yield Served(
            url=f"{scheme}://{name}:{port}", client=client, doorkeeper=doorkeeper, site=admin
        )


async def got(site: Site, *paths: str) -> list[Answer]:
    """Return what the pages of a site answer."""
    admin = AdminSite(lambda: Session(site.clock, [site.conf]), patience_s=PATIENCE_S)
    answers = []
    async with listening(admin, ("127.0.0.1",), 0) as port, aiohttp.ClientSession() as client:
        for path in paths:
            async with client.get(f"http://127.0.0.1:{port}{path}") as answer:
                text = await answer.text()
                answers.append(Answer(status=answer.status, headers=answer.headers, text=text))
    return answers


async def page(site: Site, path: str, *, status: int = 200) -> Answer:
    """Return a page, which must be well made."""
    (answer,) = await got(site, path)
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert faults(answer.text) == []
    return answer


@contextmanager
def in_utc() -> Iterator[None]:
    """Tell times in UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()
