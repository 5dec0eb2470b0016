"""The admin site's pages over HTTP: sites that are new, broken, large, or full of hostile text."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from tests.admin_kit import HOSTILE, PAGES, got, page
from tests.builders import NOW
from tests.cli_kit import (
    CONF,
    OTHER,
    PROD,
    SECOND_SPACE,
    SPACE,
    OnASite,
    Site,
    ended,
    event,
    machine,
    run_of,
)
from tests.cli_kit import report as report_of
from tests.html_checks import faults
from tests.test_managers_cli import SILENT, manager, staff
from vcycled.admin.pages.managers import told
from vcycled.admin.pages.parts import Page
from vcycled.admin.pages.render import Renderer
from vcycled.admin.site import AdminSite, listening
from vcycled.cli.alive import ManagerState
from vcycled.cli.session import Session
from vcycled.cli.views import View
from vcycled.cli.words import Words
from vcycled.config import ConfigSource
from vcycled.model import Drain, Limits, ShutdownMessage

NOTHING = View(
    now=NOW,
    disks=(),
    min_free_mb=0,
    manager=ManagerState.UNKNOWN,
    problems=(),
    unusable={},
    spaces=(),
)


class TestOtherSites(OnASite):
    """Sites that are new, broken, large, or full of hostile text."""

    async def test_a_section_that_never_was_right_has_no_page(self, site: Site) -> None:
        """But why it has none is told there, and where to mend it."""
        kind = f"[machinetype {SPACE} later]\ntarget_share = some\n"
        site.configure(f"{CONF}\n{kind}\n[space broken.example]\napi = nowhere\n")
        later = await page(site, f"/spaces/{SPACE}/later", status=404)
        start = f"[machinetype {SPACE} later] is wrong and never was right: {site.conf}:"
        assert start in later.told
        assert "target_share: must be" in later.told
        broken = await page(site, "/spaces/broken.example", status=404)
        assert "[space broken.example] is wrong and never was right: " in broken.told

    @pytest.mark.parametrize("path", [*PAGES, f"/spaces/{SPACE}", f"/spaces/{SPACE}/prod"])
    async def test_a_new_site(self, site: Site, path: str) -> None:
        """Nothing has run yet, and every page says so."""
        found = await page(site, path)
        expected = {
            "/": "no cycle yet",
            "/machines": "No machines.",
            "/events": "No events.",
            "/accounting": "No run ended in this month.",
            "/managers": "vcycled has not run on this host",
        }
        assert expected.get(path, "") in found.told

    @pytest.mark.parametrize("path", ["/", "/machines", "/accounting.csv"])
    async def test_there_is_no_database_yet(self, site: Site, path: str) -> None:
        """The page says what is missing; it is there at the next try."""
        site.close()
        (site.root / "vcycle.db").unlink()
        found = await page(site, path, status=503)
        assert "there is no database yet at" in found.told

    async def test_a_configuration_with_errors(self, site: Site) -> None:
        """All of them, with their places and what they stop; the overview warns of them."""
        site.configure(CONF.replace("target_share = 1", "target_share = much"))
        found = await page(site, "/configuration")
        assert re.search(r"vcycle.conf:\d+ \[machinetype .* test\] target_share ", found.told)
        assert f"[machinetype {SPACE} test] not used: " in found.told
        assert "target_share" in (await page(site, "/")).told

    async def test_a_space_that_was_removed_is_a_notice(self, site: Site) -> None:
        """There is no error; without machines it is none of the overview either."""
        site.configure(CONF + SECOND_SPACE)
        ConfigSource([site.conf]).current()
        site.configure(CONF)
        site.report(report_of(space=OTHER, error="no route"))
        found = await page(site, "/configuration")
        told = f"Notices Removed spaces Space What {OTHER} its section was removed from"
        assert told in found.told
        assert "The configuration has no error." in found.told
        assert "What they stop" not in found.told
        assert "never seen whole" not in (await page(site, "/")).told

    async def test_a_configuration_that_cannot_be_used(self, site: Site) -> None:
        """Every problem stands on every page, on a line of its own."""
        site.configure("[vcycle]\nroot = x\ncycle_seconds = y\n")
        for path in PAGES:
            found = await page(site, path, status=503)
            assert "[vcycle] root: " in found.told
            assert "[vcycle] cycle_seconds: " in found.told
            assert found.text.count('<li class="line">') > 1

    async def test_hostile_text_stays_text(self, site: Site) -> None:
        """In each place that machines and clouds can write to."""
        said = ShutdownMessage(code=None, text=HOSTILE, written_at=NOW - 60)
        one = machine(fault=HOSTILE, address=HOSTILE, message=said, flavor=HOSTILE)
        strange = machine(HOSTILE, machinetype=HOSTILE)
        gone = ended()
        run = run_of(gone, terms=replace(gone.terms, fqan=f"={HOSTILE}"))
        told = (event("machine-warned", PROD, detail=HOSTILE), event("machine-seen", HOSTILE))
        site.save(one, strange, gone, intervals=(run,), events=told)
        site.save(drains=(Drain(space=SPACE, machinetype="", since=NOW, who=HOSTILE),))
        site.report(report_of(error=HOSTILE, notices=(HOSTILE,)))
        outputs = site.tree.layout.outputs(SPACE, PROD)
        outputs.mkdir(parents=True)
        (outputs / HOSTILE.replace("/", "")).write_text("x")
        (outputs.parent / "console_log").write_text(HOSTILE)
        paths = [*PAGES, f"/spaces/{SPACE}", f"/spaces/{SPACE}/prod"]
        asked = quote(HOSTILE)
        paths += [f"/machines?text={asked}&space={asked}", f"/events?machine={asked}"]
        for path in (*paths, f"/machines/{one.uuid}"):
            found = await page(site, path)
            assert "\u202e" not in found.text
            assert "\x1b" not in found.text
            assert "<script>alert" not in found.text
            assert "<b onclick" not in found.text
        machine_page = await page(site, f"/machines/{one.uuid}")
        assert "{{ 7*7 }}&amp;" in machine_page.told
        assert [each for each in machine_page.links if "/outputs/" in each] == []
        listed = await page(site, "/machines")
        (link,) = [each for each in listed.links if each.startswith(f"/spaces/{SPACE}/%3C")]
        assert (await page(site, link)).status == 200
        (sheet,) = await got(site, "/accounting.csv")
        (row,) = csv.DictReader(io.StringIO(sheet.text))
        assert row["vo_fqan"].startswith("'=<script>")

    async def test_no_page_grows_with_the_machines(self, site: Site) -> None:
        """What they cost is measured by bench/admin_pages.py."""
        here = [machine(f"vcycle-prod-l{number:09}") for number in range(600)]
        gone = [ended(f"vcycle-prod-g{number:09}") for number in range(600)]
        site.save(*here, *gone)
        site.report(report_of())
        paths = (*PAGES, f"/spaces/{SPACE}", f"/spaces/{SPACE}/prod", "/machines?gone=yes")
        for path, answer in zip(paths, await got(site, *paths), strict=True):
            assert answer.status == 200, path
            assert len(answer.text) < 200_000, path

    async def test_outputs_can_be_had(self, site: Site) -> None:
        """Text to read, anything else to save; nothing is ever run."""
        site.save(machine())
        outputs = site.tree.layout.outputs(SPACE, PROD)
        outputs.mkdir(parents=True)
        (outputs / "log").write_text("<script>\u00e4")
        (outputs / "page.html").write_text("<script>")
        (outputs / "core").write_bytes(b"\x7fELF\0")
        (outputs / "empty").touch()
        path = f"/machines/uuid-{PROD}/outputs"
        log, page_html, core, empty = await got(
            site, *(f"{path}/{name}" for name in ("log", "page.html", "core", "empty"))
        )
        for answer in (log, page_html, empty):
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert "Content-Disposition" not in answer.headers
        assert log.text == "<script>\u00e4"
        assert core.headers["Content-Type"] == "application/octet-stream"
        assert core.headers["Content-Disposition"] == 'attachment; filename="core"'
        for answer in (log, core):
            assert answer.status == 200
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Server"] == "vcycle-admin"

    async def test_nothing_but_outputs_can_be_had(self, site: Site) -> None:
        """No link is followed, and no path leads out; not even to the token of the machine."""
        site.save(machine(), ended())
        outputs = site.tree.layout.outputs(SPACE, PROD)
        outputs.mkdir(parents=True)
        (outputs.parent / "token_hash").write_text("secret")
        (outputs / "link").symlink_to(outputs.parent / "token_hash")
        (outputs / ".hidden").write_text("secret")
        (outputs / "folder").mkdir()
        path = f"/machines/uuid-{PROD}/outputs"
        for name in ("link", ".hidden", "folder", "none", "..%2ftoken_hash", "%2fetc%2fpasswd"):
            found = await page(site, f"{path}/{name}", status=404)
            assert "the machine left no file" in found.told
        gone = await page(site, f"/machines/uuid-{ended().name}/outputs/log", status=404)
        assert "there is no folder of" in gone.told

    async def test_outputs_on_a_disk_that_breaks(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No file stays open, and none but who asked waits for the disk."""
        site.save(machine())
        outputs = site.tree.layout.outputs(SPACE, PROD)
        outputs.mkdir(parents=True)
        (outputs / "log").touch()
        waiting = []

        def broken(*_: object) -> bytes:
            waiting.append(threading.current_thread())
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "pread", broken)
        found = await page(site, f"/machines/uuid-{PROD}/outputs/log", status=404)
        assert "'log' cannot be read: Input/output error" in found.told
        assert threading.current_thread() not in waiting
        handles = Path("/proc/self/fd").iterdir()  # other threads may close theirs meanwhile
        assert (outputs / "log").resolve() not in [each.resolve() for each in handles]

    async def test_two_machines_of_one_name(self, site: Site) -> None:
        """The page of each leads to the other."""
        old, new = ended(PROD, uuid="old"), machine(uuid="new")
        site.save(old, new)
        assert "/machines/new" in (await page(site, "/machines/old")).links
        assert "/machines/old" in (await page(site, "/machines/new")).links
        assert PROD in (await page(site, f"/machines/{PROD}")).told

    @pytest.mark.parametrize(
        ("limits", "told"),
        [
            (Limits(machines=1, memory_mb=2048), "other limits 1 machine, 2048 MiB"),
            (Limits(machines=9), "other limits 9 machines"),
            (Limits(memory_mb=0), "other limits 0 MiB"),
            (Limits(), ""),
        ],
    )
    async def test_what_else_a_cloud_allows(self, site: Site, limits: Limits, told: str) -> None:
        """As far as it says so."""
        site.report(report_of(limits=limits))
        found = (await page(site, "/")).told
        assert told in found
        assert ("other limits" in found) is bool(told)

    async def test_nothing_can_be_written(self, site: Site) -> None:
        """Pages are there to be read."""
        admin = AdminSite(lambda: Session(site.clock, [site.conf]))
        async with listening(admin, ("127.0.0.1",), 0) as port, aiohttp.ClientSession() as client:
            for path in PAGES:
                async with client.post(f"http://127.0.0.1:{port}{path}") as answer:
                    assert answer.status == 405


def test_managers_that_share_a_database() -> None:
    """Who is alive, who holds what, and what a person must do, as `vcycle managers` tells it."""
    facts = told(
        replace(NOTHING, staff=staff(SILENT, manager("m2.example.org"), unwritten=2)),
        Words(now=NOW),
    )
    made = Page(template="managers.html", title="Managers", facts=facts)
    text = Renderer().html(made, path="/managers", as_of="now")
    assert faults(text) == []
    assert "has been silent for 5\N{NO-BREAK SPACE}min" in text
    assert "2 records can be written by " in text
    assert "Spaces and who looks after them" in text
