"""The admin site of an installation, served on the loopback, and Debian's Chromium to see it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Page, Response, expect, sync_playwright

from tests.cli_kit import Site
from vcycled.admin.site import AdminSite, listening
from vcycled.cli.session import Session

CHROMIUM = "/usr/bin/chromium"
WIDE, PHONE = 1200, 360
PATIENCE_MS = 90_000


@contextmanager
def served(site: Site) -> Iterator[str]:
    """Serve the admin site of `site` from a thread of its own; give its URL."""
    address: Future[str] = Future()
    loop = asyncio.new_event_loop()
    is_over = asyncio.Event()

    async def serve() -> None:
        admin = AdminSite(lambda: Session(site.clock, [site.conf]))
        async with listening(admin, ("127.0.0.1",), 0) as port:
            address.set_result(f"http://127.0.0.1:{port}")
            await is_over.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="admin-site")
    thread.start()
    try:
        yield address.result(60)
    finally:
        with suppress(RuntimeError):  # the loop is closed: it could not begin
            loop.call_soon_threadsafe(is_over.set)
        thread.join(60)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a browser without a window; what is expected of pages is waited for as long."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as play:
        # It may run as root here, which its sandbox refuses; it sees our own pages only.
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True)
class Tab:
    """A tab that notes all that a browser complains of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def visit(self, url: str) -> Response:
        """Go to a page and wait until it is there."""
        answer = self.page.goto(url)
        assert answer is not None
        return answer


@contextmanager
def tab(browser: Browser, **options: object) -> Iterator[Tab]:
    """Open a tab in a context of its own, with these options of playwright."""
    context: BrowserContext = browser.new_context(**options)  # type: ignore[arg-type] # as there
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    found = Tab(page)
    page.on("console", lambda said: found.complaints.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: found.complaints.append(f"dialog: {dialog.message}"))
    try:
        yield found
    finally:
        context.close()


def size(width: int) -> dict[str, int]:
    """Return a window so wide."""
    return {"width": width, "height": 800}
