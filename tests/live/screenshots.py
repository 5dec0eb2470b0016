"""`python -m tests.live.screenshots FOLDER`: the pictures of the status page in the documentation.

They show an installation that follows from a seed, at a fixed time, so that they change only when
the pages do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from playwright.sync_api import Browser, Route

from tests.admin_kit import in_utc
from tests.busy_site import SIMULATION, SPACE, Book, busy, showpiece
from tests.cli_kit import Site, managed, new_site
from tests.live.browser import PHONE, WIDE, chromium, served, tab
from vcycled.config import ManagerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture."""

    name: str
    path: Callable[[Book], str]
    width: int = WIDE
    height: int = 1000
    scheme: str = "light"
    scale: int = 1


PICTURES = (
    Picture(name="status-overview", path=lambda _: "/", height=900),
    Picture(
        name="status-machinetype",
        path=lambda _: f"/spaces/{SPACE}/{SIMULATION}",
        height=1130,
        scheme="dark",
    ),
    Picture(name="status-machine", path=lambda book: f"/machines/{showpiece(book).uuid}"),
    Picture(name="status-phone", path=lambda _: "/", width=PHONE, height=780, scale=2),
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Make the pictures anew in FOLDER."""
    with tempfile.TemporaryDirectory() as name, in_utc():
        site = new_site(Path(name))
        book = busy(site)
        with managed(site), served(site) as url, chromium() as browser:
            for picture in PICTURES:
                taken = take(browser, picture, f"{url}{picture.path(book)}", site)
                (folder / f"{picture.name}.png").write_bytes(taken)
        site.close()


def take(browser: Browser, picture: Picture, url: str, site: Site) -> bytes:
    """Return a picture of a page, with the usual folders in place of those of the test."""

    def usual(route: Route) -> None:
        answer = route.fetch()
        text = answer.text().replace(str(site.root), str(ManagerOptions().root))
        route.fulfill(response=answer, body=text)

    window = {"width": picture.width, "height": picture.height}
    options = {"color_scheme": picture.scheme, "device_scale_factor": picture.scale}
    with tab(browser, viewport=window, **options) as found:
        found.page.route(url, usual)
        found.visit(url)
        return found.page.screenshot()


if __name__ == "__main__":
    main()
