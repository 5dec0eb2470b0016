"""The admin site for tests: served on loopback, from a site of tests/cli_kit.py."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from tests.cli_kit import CONF, Site
from vcycled import files
from vcycled.admin.doorkeeper import Doorkeeper
from vcycled.admin.site import LIMITS, AdminSite, Limits, listening
from vcycled.cli.session import Session
from vcycled.clock import SystemClock
from vcycled.config.places import admin_token_path

TOKEN = "a-token-of-the-test-that-is-long"
HOLDER = "A. Operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str
    json: Any = None


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
    admin = AdminSite(session.anew, doorkeeper)
    async with (
        listening(admin, (host,), 0, limits=limits) as port,
        aiohttp.ClientSession() as client,
    ):
        yield Served(
            url=f"{scheme}://{name}:{port}", client=client, doorkeeper=doorkeeper, site=admin
        )
