"""The admin site's pages over HTTP: what each tells of a site that is at work."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.admin_kit import PAGES, got, in_utc, page
from tests.builders import NOW
from tests.busy_site import ANALYSIS, FAR, IDLE, SIMULATION, Book, busy, showpiece
from tests.busy_site import SPACE as BUSY
from tests.cli_kit import Site, managed, new_site
from vcycled.admin.pages.render import STATIC
from vcycled.model import Machine, Stage


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
