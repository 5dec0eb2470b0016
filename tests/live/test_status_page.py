"""The status page in Debian's Chromium: whole, usable by everybody, and fresh."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.admin_kit import HOSTILE, PAGES, in_utc
from tests.builders import NOW
from tests.busy_site import SIMULATION, SPACE, Book, busy, showpiece
from tests.cli_kit import CONF, PROD, Site, machine, managed, new_site
from tests.cli_kit import SPACE as HOSTILE_SPACE
from tests.live.browser import PHONE, WIDE, Tab, chromium, served, size, tab
from tests.live.measures import hard_to_read
from vcycled.model import ShutdownMessage

pytestmark = pytest.mark.live

EACH_MS = 15_000
"""After which the script asks for the page again."""


class Installation:
    """A busy site, and where it is served."""

    def __init__(self, site: Site, book: Book, url: str) -> None:
        self.site = site
        self.book = book
        self.url = url

    @property
    def paths(self) -> list[str]:
        """One of each kind of page."""
        return [
            *PAGES,
            f"/spaces/{SPACE}",
            f"/spaces/{SPACE}/{SIMULATION}",
            f"/machines/{showpiece(self.book).uuid}",
            f"/machines/{self.book.runs[0].uuid}",
            "/machines/none",
        ]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Give a busy site."""
    with in_utc():
        site = new_site(tmp_path_factory.mktemp("busy"))
        book = busy(site)
        with managed(site), served(site) as url:
            yield Installation(site, book, url)
        site.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a browser."""
    with chromium() as found:
        yield found


@pytest.fixture
def wide(browser: Browser) -> Iterator[Tab]:
    """Give a tab on a desk."""
    with tab(browser, viewport=size(WIDE)) as found:
        yield found


def has_sideways(given: Tab) -> bool:
    """Return whether one must scroll to the side."""
    root = "document.documentElement"
    return bool(given.page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_everybody_can_use_every_page(
    installation: Installation, browser: Browser, scheme: str, width: int
) -> None:
    """Axe finds nothing, the browser does not complain, and nothing is wider than the window."""
    with tab(browser, viewport=size(width), color_scheme=scheme) as found:
        for path in installation.paths:
            found.complaints.clear()
            status = found.visit(f"{installation.url}{path}").status
            for each in found.page.locator("summary").all():
                each.click()
            assert not has_sideways(found), path
            results = Axe().run(found.page)
            assert results.violations_count == 0, (path, results.generate_report())
            # A browser also tells of a page that is not there.
            assert len(found.complaints) == (status == 404), (path, found.complaints)


def test_the_narrowest_window(installation: Installation, browser: Browser) -> None:
    """At 320 pixels, as WCAG 1.4.10 has it, nothing is cut off either."""
    with tab(browser, viewport=size(320)) as found:
        for path in installation.paths:
            found.visit(f"{installation.url}{path}")
            assert not has_sideways(found), path


@pytest.mark.parametrize("width", [1280, 1024, 800, 390])
def test_words_are_whole_and_stand_beside_their_labels(
    installation: Installation, browser: Browser, width: int
) -> None:
    """In tables and lists of facts, whatever the width; also of machines that are gone."""
    with tab(browser, viewport=size(width)) as found:
        wrong = {}
        for path in (*installation.paths, "/machines?gone=yes"):
            found.visit(f"{installation.url}{path}")
            for each in found.page.locator("summary").all():
                each.click()
            wrong[path] = hard_to_read(found) + ["sideways"] * has_sideways(found)
        assert {path: told for path, told in wrong.items() if told} == {}


@pytest.mark.parametrize("width", [1280, 800, PHONE, 320])
def test_a_word_that_is_very_long_makes_no_page_wider(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser, width: int
) -> None:
    """It is broken, alone: those beside it are whole."""
    site = new_site(tmp_path_factory.mktemp("long"))
    long = 300 * "w"
    said = ShutdownMessage(code=None, text=f"{long} Success", written_at=NOW - 60)
    one = machine(f"vcycle-prod-{long}", fault=long, message=said, address=long, flavor=long)
    site.save(one, machine(long, machinetype=long))
    with served(site) as url, tab(browser, viewport=size(width)) as found:
        for path in ("/", "/machines", f"/spaces/{HOSTILE_SPACE}", f"/machines/{one.uuid}"):
            found.visit(f"{url}{path}")
            assert not has_sideways(found), path
            # On the narrowest window there is no room for a whole name beside a label.
            assert width < PHONE or hard_to_read(found) == [], path
    site.close()


class TestScript:
    """What the script does."""

    def later(self, given: Tab) -> None:
        """Let the time pass after which the script asks again."""
        given.page.clock.run_for(EACH_MS + 100)

    def open(self, given: Tab, url: str) -> None:
        """Open a page whose time we hold."""
        given.page.clock.install()
        given.visit(url)

    def test_it_keeps_the_page_fresh(self, installation: Installation, wide: Tab) -> None:
        """What was opened stays open, and what had the focus keeps it."""
        self.open(wide, f"{installation.url}/spaces/{SPACE}/{SIMULATION}")
        page = wide.page
        before = page.locator("time").inner_text()
        page.get_by_text("The same as numbers").click()
        page.get_by_role("link", name="Its events").focus()
        installation.site.clock.advance(7)
        self.later(wide)
        expect(page.locator("time")).not_to_have_text(before)
        assert page.locator("#hours").get_attribute("open") is not None
        expect(page.get_by_role("link", name="Its events")).to_be_focused()
        assert wide.complaints == []

    def test_it_changes_nothing_in_a_form_that_is_filled_in(
        self, installation: Installation, wide: Tab
    ) -> None:
        """Nor while it is paused."""
        self.open(wide, f"{installation.url}/machines")
        page = wide.page
        before = page.locator("time").inner_text()
        page.get_by_label("Name, uuid, id or address").fill("vcy")
        installation.site.clock.advance(7)
        self.later(wide)
        assert page.locator("time").inner_text() == before
        expect(page.get_by_label("Name, uuid, id or address")).to_have_value("vcy")
        page.get_by_role("button", name="Pause").click()
        self.later(wide)
        expect(page.get_by_text("Refreshing is paused.")).to_be_visible()
        assert page.locator("time").inner_text() == before
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("time")).not_to_have_text(before)

    def test_what_is_old_is_said_to_be(
        self, tmp_path_factory: pytest.TempPathFactory, wide: Tab
    ) -> None:
        """When the admin site is away."""
        site = new_site(tmp_path_factory.mktemp("away"))
        with served(site) as url:
            self.open(wide, f"{url}/configuration")
            expect(wide.page.get_by_role("alert")).to_be_hidden()
        self.later(wide)
        expect(wide.page.get_by_role("alert")).to_contain_text("cannot be refreshed")
        expect(wide.page.get_by_role("heading", level=1)).to_have_text("Configuration")


class TestWithoutScript:
    """In a browser where JavaScript is off."""

    @pytest.fixture
    def plain(self, browser: Browser) -> Iterator[Tab]:
        """Give a tab without it."""
        with tab(browser, viewport=size(PHONE), java_script_enabled=False) as found:
            yield found

    def test_everything_works(self, installation: Installation, plain: Tab) -> None:
        """Links, forms, and what is folded up; nothing promises what cannot be."""
        page = plain.page
        plain.visit(installation.url)
        expect(page.get_by_role("button", name="Pause")).to_be_hidden()
        page.get_by_text("things are well").click()
        expect(page.get_by_text("the configuration has no error")).to_be_visible()
        page.get_by_role("link", name=SPACE).first.click()
        page.get_by_role("link", name=SIMULATION).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(SIMULATION)
        page.get_by_role("link", name="Machines", exact=True).click()
        page.get_by_label("State").select_option("starting")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("rowheader")).to_have_count(1)
        assert "state=starting" in page.url
        expect(page.get_by_label("State")).to_have_value("starting")


class TestKeyboard:
    """Without a mouse."""

    def test_it_reaches_everything(self, installation: Installation, wide: Tab) -> None:
        """In order, each with a visible focus, beginning with a way past the navigation."""
        page = wide.page
        for path in ("/", "/machines", f"/machines/{showpiece(installation.book).uuid}"):
            wide.visit(f"{installation.url}{path}")
            wanted = page.evaluate(
                "[...document.querySelectorAll('a,button,input,select,summary,[tabindex=\"0\"]')]"
                ".filter(each => each.checkVisibility()).length"
            )
            seen = []
            for _ in range(wanted):
                page.keyboard.press("Tab")
                seen.append(page.evaluate(_FOCUSED))
            assert len({place for place, _ in seen}) == wanted, path
            assert {style for _, style in seen} == {"solid"}, path

    def test_past_the_navigation(self, installation: Installation, wide: Tab) -> None:
        """The first key press shows the way."""
        wide.visit(installation.url)
        wide.page.keyboard.press("Tab")
        skip = wide.page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        wide.page.keyboard.press("Enter")
        wide.page.keyboard.press("Tab")
        assert wide.page.evaluate("document.activeElement.closest('main') !== null")


_FOCUSED = """() => {
  const each = document.activeElement;
  const all = [...document.querySelectorAll("*")];
  return [all.indexOf(each), getComputedStyle(each).outlineStyle];
}"""


def test_hostile_text_does_nothing(tmp_path_factory: pytest.TempPathFactory, wide: Tab) -> None:
    """What a machine says is shown, and that is all."""
    site = new_site(tmp_path_factory.mktemp("hostile"), text=CONF)
    said = ShutdownMessage(code=None, text=HOSTILE, written_at=NOW - 60)
    one = machine(PROD, fault=HOSTILE, message=said, address=HOSTILE)
    site.save(one, machine(HOSTILE, machinetype=HOSTILE))
    with served(site) as url:
        for path in (*PAGES, f"/spaces/{HOSTILE_SPACE}", f"/machines/{one.uuid}"):
            wide.visit(f"{url}{path}")
            assert wide.complaints == [], path
        assert "<script>alert(1)</script>" in wide.page.inner_text("main")
    site.close()


def test_the_policy_holds_should_all_else_fail(installation: Installation, wide: Tab) -> None:
    """A script that came into a page would not run."""
    wide.visit(installation.url)
    wide.page.evaluate(
        "document.querySelector('main').innerHTML = '<img src=x onerror=\"window.ran = 1\">'"
    )
    begun = time.monotonic()
    while not wide.complaints and time.monotonic() - begun < 60:
        wide.page.wait_for_timeout(50)
    assert "Content Security Policy" in " ".join(wide.complaints)
    assert wide.page.evaluate("window.ran") is None
