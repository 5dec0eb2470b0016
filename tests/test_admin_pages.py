"""The admin site's pages, over HTTP."""

from __future__ import annotations

import csv
import errno
import html
import io
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from tests.builders import NOW
from tests.busy_site import ANALYSIS, FAR, IDLE, SIMULATION, Book, busy, showpiece
from tests.busy_site import SPACE as BUSY
from tests.cli_kit import (
    CONF,
    PROD,
    SPACE,
    OnASite,
    Site,
    ended,
    event,
    machine,
    managed,
    new_site,
    run_of,
)
from tests.cli_kit import report as report_of
from tests.html_checks import document, faults, words
from tests.test_managers_cli import SILENT, manager, staff
from vcycled.admin.pages.managers import told
from vcycled.admin.pages.parts import Page
from vcycled.admin.pages.render import STATIC, Renderer
from vcycled.admin.site import AdminSite, listening
from vcycled.cli.alive import ManagerState
from vcycled.cli.session import Session
from vcycled.cli.views import View
from vcycled.cli.words import Words
from vcycled.model import Drain, Limits, Machine, ShutdownMessage, Stage

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m\"'><b onclick=x>{{ 7*7 }}&amp;"
PAGES = ("/", "/machines", "/events", "/accounting", "/managers", "/configuration")


NOTHING = View(
    now=NOW,
    disks=(),
    min_free_mb=0,
    manager=ManagerState.UNKNOWN,
    problems=(),
    unusable={},
    spaces=(),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

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


async def got(site: Site, *paths: str) -> list[Answer]:
    """Return what the pages of a site answer."""
    admin = AdminSite(lambda: Session(site.clock, [site.conf]))
    answers = []
    async with listening(admin, ("127.0.0.1",), 0) as port, aiohttp.ClientSession() as client:
        for path in paths:
            async with client.get(f"http://127.0.0.1:{port}{path}") as answer:
                answers.append(Answer(answer.status, answer.headers, await answer.text()))
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


@dataclass(frozen=True, slots=True)
class Busy:
    """A site after more than a day of work."""

    site: Site
    book: Book

    def here(self, kind: str = "") -> list[Machine]:
        """Return the machines that are not gone, of one machinetype or of all."""
        found = [each for each in self.book.machines if each.stage is not Stage.GONE]
        return [each for each in found if kind in {"", each.machinetype}]


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    """Give it; nothing may be changed."""
    with in_utc():
        site = new_site(tmp_path_factory.mktemp("busy"))
        yield Busy(site, busy(site))
        site.close()


class TestABusySite:
    """What each page tells of a site that is at work."""

    async def test_the_overview_begins_with_what_is_wrong(self, at_work: Busy) -> None:
        """As `vcycle check` judges it; then come the spaces, as `vcycle status` tells them."""
        with managed(at_work.site):
            found = await page(at_work.site, "/")
        told = found.told
        assert re.match("Overview as of 08:00:00 UTC note: WARNING ", told)
        assert told.index("far.example.org: the cloud has not been seen for 33 min") < told.index(
            "vcycled is running; last cycle 12 s ago"
        )
        assert "wrong: the cloud could not be looked at: 503 Service Unavailable" in told
        assert f"{len(at_work.here())} ours + 3 foreign of 48" in told
        assert re.search(r"theory 25% 2% 1 1 backoff, over in \d+ min", told)
        assert "theory: backoff: a machine aborted" in told
        assert {f"/spaces/{BUSY}", f"/spaces/{FAR}", f"/spaces/{BUSY}/{IDLE}"} <= set(found.links)
        assert "<title>WARNING - Overview - Vcycle</title>" in found.text

    async def test_a_manager_that_does_not_run_stands_first(self, at_work: Busy) -> None:
        """At three in the morning nothing else matters."""
        with managed(at_work.site):
            pass
        found = await page(at_work.site, "/")
        assert "wrong: CRITICAL wrong: vcycled is NOT running; last cycle 12 s ago" in found.told

    async def test_a_space(self, at_work: Busy) -> None:
        """With its last day, why it does not grow, and the commands to steer it."""
        found = await page(at_work.site, f"/spaces/{BUSY}")
        assert "application credential vcycle ends in 61 d" in found.told
        for order in ("drain", "undrain", "hold", "release"):
            assert f"vcycle {order} {BUSY}" in found.told
        assert f"{BUSY}: machines by state in the last 24 hours" in found.told
        assert "backoff_seconds is 900" in found.told
        assert "look 0.84 s" in found.told

    async def test_a_machinetype(self, at_work: Busy) -> None:
        """The chart says in words and numbers what it shows."""
        idle = await page(at_work.site, f"/spaces/{BUSY}/{IDLE}")
        aborts = sum(
            each.is_aborted and (each.stopped_at or 0) >= NOW - 86_400
            for each in at_work.book.machines
        )
        assert f"{aborts} starts, {aborts} fizzles, {aborts} aborts." in idle.told
        for order in ("drain", "undrain", "hold", "release"):
            assert f"vcycle {order} {BUSY} {IDLE}" in idle.told
        assert IDLE in idle.told
        simulation = await page(at_work.site, f"/spaces/{BUSY}/{SIMULATION}")
        assert (
            f"Now {len(at_work.here(SIMULATION))} running, 0 starting, 0 ended; at most "
            in simulation.told
        )
        assert "accounting_fqan /physics.example.org/Role=production" in simulation.told
        assert f" {len(at_work.here(SIMULATION)) - 20} more " in simulation.told

    async def test_machines_come_in_parts(self, at_work: Busy) -> None:
        """Each is listed once, the youngest first."""
        seen: list[str] = []
        path, last = "/machines?gone=yes", ""
        while path:
            (found,) = await got(at_work.site, path)
            last = found.text
            seen += re.findall(
                r'rowheader" scope="row" class="plain">\s*<a href="/machines/([^"]*)', found.text
            )
            following = re.findall('href="([^"]*before=[^"]*)"', last)
            path = html.unescape(following[0]) if following else ""
        assert len(seen) == len(set(seen)) == len(at_work.book.machines)
        assert "First part" in last

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("", 44),
            (f"?machinetype={ANALYSIS}", 14),
            ("?state=starting", 1),
            (f"?space={FAR}", 0),
            ("?text=no%25one", 0),
        ],
    )
    async def test_machines_are_filtered(self, at_work: Busy, query: str, count: int) -> None:
        """The form keeps what was chosen."""
        found = await page(at_work.site, f"/machines{query}")
        assert found.text.count('scope="row"') == count
        for value in re.findall("=([^&]*)", query):
            chosen = f"<option selected>{value}</option>"
            assert chosen in found.text or 'value="no%one"' in found.text

    async def test_a_machine_tells_its_story(self, at_work: Busy) -> None:
        """With its outputs, which can be had, and what it is told; also by its name."""
        shown = showpiece(at_work.book)
        found = await page(at_work.site, f"/machines/{shown.uuid}")
        assert f"{shown.name} running" in found.told
        assert "started: " in found.told
        assert "pilot.out 18211 44 s ago (07:59:16 UTC)" in found.told
        assert f"/machines/{shown.uuid}/outputs/pilot.out" in found.links
        assert "none yet: it has not ended. It gets one if it runs for 10 min" in found.told
        assert "max_wallclock_seconds 86400 (1 d)" in found.told
        assert "power 11.5 hepscore23 per processor" in found.told
        assert f"job_id {shown.uuid}" in found.told
        assert f"vcycle delete {shown.name}" in found.told
        assert (await page(at_work.site, f"/machines/{shown.name}")).told == found.told

    async def test_a_machine_that_is_gone(self, at_work: Busy) -> None:
        """Its record is told of; there is nothing to delete."""
        run = at_work.book.runs[0]
        found = await page(at_work.site, f"/machines/{run.uuid}")
        assert f"{run.name} gone" in found.told
        assert "record written 1 min ago" in found.told
        assert "There is no folder of it." in found.told
        assert "vcycle delete" not in found.told

    async def test_events(self, at_work: Busy) -> None:
        """In parts, of whatever was asked for."""
        found = await page(at_work.site, f"/events?machinetype={IDLE}&since=week")
        assert "counts as aborted" in found.told
        assert SIMULATION not in found.told
        (following,) = [each for each in found.links if "before=" in each]
        after = await page(at_work.site, following)
        assert "First part" in after.told
        name = at_work.book.runs[0].name
        own = await page(at_work.site, f"/events?machine={name}&since=week")
        assert own.text.count('scope="row"') == 4
        assert "No events." in (await page(at_work.site, "/events?only=trouble")).told

    async def test_accounting(self, at_work: Busy) -> None:
        """By month; the sheet has the same sums."""
        hours = sum(each.ended_at - each.started_at for each in at_work.book.runs) / 3600
        found = await page(at_work.site, "/accounting?month=2027-01")
        assert f"All {len(at_work.book.runs):,} {hours:,.1f} {hours:,.1f} 0.0" in found.told
        assert f"{hours * 11.5:,.1f}" in found.told
        (sheet,) = await got(at_work.site, "/accounting.csv?month=2027-01")
        rows = list(csv.DictReader(io.StringIO(sheet.text)))
        assert sheet.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert sheet.headers["Content-Disposition"] == (
            'attachment; filename="vcycle-2027-01-all.csv"'
        )
        assert [each["machinetype"] for each in rows] == [ANALYSIS, SIMULATION]
        assert sum(float(each["hepscore23_hours"]) for each in rows) == pytest.approx(
            hours * 11.5, abs=0.01
        )
        vo = await page(at_work.site, "/accounting?month=2027-01&by=vo")
        assert "/physics.example.org/Role=user" in vo.told
        assert BUSY not in vo.told

    async def test_another_month(self, at_work: Busy) -> None:
        """There is nothing before the first; a month is named in words."""
        found = await page(at_work.site, "/accounting?month=2027-02")
        assert "No run ended in this month." in found.told
        assert found.links[0] == "/accounting?month=2027-01&by=all"
        first = await page(at_work.site, "/accounting")
        assert "Accounting of January 2027" in first.told
        assert [each for each in first.links if "month=2026" in each] == []

    @pytest.mark.parametrize(
        ("path", "status", "why"),
        [
            ("/spaces/cloud.example.com", 404, "did you mean cloud.example.org?"),
            (f"/spaces/{BUSY}/no", 404, "has no machinetype 'no'"),
            (f"/spaces/{BUSY}/{'%3Cb%3E'}", 404, "has no machinetype '<b>'"),
            ("/machines/none", 404, "there is no machine 'none'"),
            ("/machines/..%2f..%2fetc", 404, "there is no machine '../../etc'"),
            ("/machines?state=tired", 400, "state is one of starting, running, "),
            ("/machines?before=-1", 400, "before is a number, not '-1'"),
            ("/machines?before=" + "9" * 19, 400, "before is a number"),
            ("/events?since=ever", 400, "since is one of day, hour, week, month, not 'ever'"),
            ("/accounting?month=2027-13", 400, "month is a year and a month"),
            ("/accounting?month=0000-01", 400, "month is a year and a month"),
            ("/accounting.csv?by=me", 400, "by is one of all, space, machinetype, vo"),
        ],
    )
    async def test_what_is_not_there(
        self, at_work: Busy, path: str, status: int, why: str
    ) -> None:
        """Is said with what there is."""
        assert why in (await page(at_work.site, path, status=status)).told

    async def test_every_link_leads_somewhere(self, at_work: Busy) -> None:
        """Outputs are served by another part of the site."""
        start = await got(at_work.site, "/", f"/spaces/{BUSY}", f"/spaces/{BUSY}/{SIMULATION}")
        links = {each for answer in start for each in answer.links if "/outputs/" not in each}
        machines = sorted(each for each in links if each.startswith("/machines/"))
        assert len(machines) > 20
        links = (links - set(machines[3:])) | set(PAGES)
        answers = await got(at_work.site, *sorted(links))
        assert {answer.status for answer in answers} == {200}

    async def test_every_answer_has_the_policy(self, at_work: Busy) -> None:
        """Pages are never kept; files that do not change are, under names that tell them apart."""
        for answer in await got(at_work.site, *PAGES, "/accounting.csv", "/machines/none"):
            assert answer.headers["Cache-Control"] == "no-store"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        (start,) = await got(at_work.site, "/")
        files = re.findall(r'"(/static/[^"]+\?[0-9a-f]{12})"', start.text)
        assert len(files) == len(STATIC)
        for answer in await got(at_work.site, *files):
            assert answer.status == 200
            assert answer.headers["Cache-Control"].endswith("immutable")
            assert "Content-Security-Policy" in answer.headers
        (none,) = await got(at_work.site, "/static/none.css")
        assert none.status == 404


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
        handles = Path("/proc/self/fd").iterdir()
        assert outputs / "log" not in [each.readlink() for each in handles if each.is_symlink()]

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
    assert "has been silent for 5 min" in text
    assert "2 records can be written by " in text
    assert "Spaces and who looks after them" in text
