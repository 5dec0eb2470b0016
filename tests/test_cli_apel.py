"""`vcycle apel`: the queue of accounting records as an operator sees and steers it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, TERMS, OnASite, Site, ended, run_of
from vcycled.apel.queue import Queue
from vcycled.model import Machine
from vcycled.store import APEL

FIRST = ended("vcycle-prod-0000000007", machinetype="prod")
SECOND = ended(
    "vcycle-prod-0000000008", stopped_at=NOW - 86_400 * 20, started_at=NOW - 86_400 * 21
)


def account(site: Site, *machines: Machine, at: int = NOW) -> list[str]:
    """Let the machines have ended and their records been written; return their elements."""
    queue = Queue(site.root)
    runs = [run_of(each) for each in machines]
    site.save(*machines, intervals=tuple(runs))
    paths = queue.put_all(runs)
    with site.store() as store:
        store.mark_exported(APEL, [(run.uuid, run.interval) for run in runs], at)
    return [str(path.relative_to(queue.archive)) for path in paths]


def send_all(site: Site) -> None:
    """Empty apel-outgoing, as ssmsend does."""
    for path in Queue(site.root).outgoing.glob("*/*"):
        path.unlink()


def waiting(site: Site) -> set[str]:
    """Return the elements in apel-outgoing."""
    outgoing = Queue(site.root).outgoing
    return {str(path.relative_to(outgoing)) for path in outgoing.glob("*/*")}


class TestList(OnASite):
    """What the archive holds."""

    def test_each_record_is_told_with_what_waits(self, site: Site) -> None:
        """The oldest day first."""
        account(site, FIRST, SECOND)
        assert site.ok("apel", "list").splitlines() == [
            "ENDED                    MACHINE                 RAN  PROCS  SITE          QUEUE",
            "2026-12-26 08:00:00 UTC  vcycle-prod-0000000008  1 d      1  EXAMPLE-SITE  waiting",
            "2027-01-15 07:00:00 UTC  vcycle-prod-0000000007  2 h      1  EXAMPLE-SITE  waiting",
            "2 records in 2 messages; waiting to be sent: 2",
        ]

    def test_records_of_a_day_are_in_the_order_of_their_ends(self, site: Site) -> None:
        """Whatever the names of their messages, which are chance."""
        ends = {f"vcycle-prod-000000000{n}": NOW - 3600 - 60 * n for n in range(8)}
        account(site, *(ended(name, stopped_at=end) for name, end in ends.items()))
        listed = [record for each in site.json("apel", "list") for record in each["records"]]
        assert [each["ended_at"] for each in listed] == sorted(ends.values())

    def test_what_was_sent_waits_no_more(self, site: Site) -> None:
        """It stays in the archive."""
        account(site, FIRST)
        send_all(site)
        page = site.ok("apel", "list")
        assert "EXAMPLE-SITE  -\n" in page
        assert "waiting to be sent: 0\n" in page

    @pytest.mark.parametrize(
        ("words", "count"),
        [
            (["--month", "202701"], 1),
            (["--month", "202612"], 1),
            (["--day", "20270115"], 1),
            (["--day", "20270114"], 0),
        ],
    )
    def test_a_month_or_a_day_narrows_the_list(
        self, site: Site, words: list[str], count: int
    ) -> None:
        """By the end of the run, in UTC."""
        account(site, FIRST, SECOND)
        assert len(site.json("apel", "list", *words)) == count

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--month", "2027"], "'2027' is not written YYYYMM"),
            (["--day", "2027-1-1"], "'2027-1-1' is not written YYYYMMDD"),
            (["--day", "20270115", "--month", "202701"], "give a month or a day, not both"),
        ],
    )
    def test_wrong_days_are_wrong_usage(self, site: Site, words: list[str], message: str) -> None:
        """Exit status 2."""
        assert message in site.refused("apel", "list", *words, status=2)

    def test_what_apel_would_refuse_is_told(self, site: Site) -> None:
        """By the message that holds it."""
        (element,) = account(site, FIRST)
        path = Queue(site.root).archive / element
        path.write_text("APEL-individual-job-message: v0.3\nSite: X\n%%\n")
        assert f"{element}: " in site.ok("apel", "list")
        assert site.json("apel", "list")[0]["problems"]

    def test_an_empty_archive_is_no_error(self, site: Site) -> None:
        """Before the first machine has ended."""
        assert site.ok("apel", "list") == "no records\n"
        assert site.json("apel", "list") == []

    def test_the_document_has_each_record_whole(self, site: Site) -> None:
        """As APEL gets it."""
        (element,) = account(site, FIRST)
        (document,) = site.json("apel", "list")
        (record,) = document.pop("records")
        assert document == {"element": element, "waiting": "waiting", "problems": []}
        assert record["local_job_id"] == FIRST.uuid
        assert record["wall_seconds"] == 7200


class TestSync(OnASite):
    """How many records there are of a month."""

    def test_the_counts_are_left_for_ssmsend(self, site: Site) -> None:
        """As one message."""
        account(site, FIRST, SECOND, ended("vcycle-prod-0000000006"))
        send_all(site)
        said = site.ok("apel", "sync", "202701").splitlines()
        assert said[1].split() == ["EXAMPLE-SITE", TERMS.submit_host, "2"]
        (element,) = waiting(site)
        assert said[2] == f"{Queue(site.root).outgoing / element}: waits for ssmsend"
        assert "NumberOfJobs: 2" in (Queue(site.root).outgoing / element).read_text()

    def test_a_rehearsal_writes_nothing(self, site: Site) -> None:
        """It shows the same counts."""
        account(site, FIRST)
        send_all(site)
        assert site.ok("apel", "sync", "202701", "--dry-run").endswith("Nothing was written.\n")
        assert site.json("apel", "sync", "202701", "--dry-run") == {
            "counts": [{"site": "EXAMPLE-SITE", "submit_host": TERMS.submit_host, "records": 1}],
            "path": None,
        }
        assert waiting(site) == set()

    def test_only_records_that_were_written_count(self, site: Site) -> None:
        """APEL cannot have others, nor those of sites that publish nothing."""
        site.save(FIRST, intervals=(run_of(FIRST),))
        account(site, ended(terms=replace(TERMS, is_published=False)))
        said = site.ok("apel", "sync", "202701")
        assert (
            said == "no published record ended in that month, so there is nothing to tell APEL\n"
        )
        assert waiting(site) == set()

    @pytest.mark.parametrize("month", ["2027", "202713", "202702"])
    def test_what_is_no_month_so_far_is_refused(self, site: Site, month: str) -> None:
        """A month to come has no records; it is wrong usage, as elsewhere."""
        assert month in site.refused("apel", "sync", month, status=2)


class TestResend(OnASite):
    """Records are sent once more."""

    @pytest.mark.parametrize(
        ("words", "sent"),
        [
            ([FIRST.name], [FIRST]),
            ([FIRST.uuid], [FIRST]),
            ([FIRST.name, SECOND.name], [FIRST, SECOND]),
            (["--month", "202612"], [SECOND]),
            (["--day", "20270115"], [FIRST]),
            ([FIRST.name, "--month", "202701"], [FIRST]),
        ],
    )
    def test_they_are_chosen_by_machine_month_or_day(
        self, site: Site, words: list[str], sent: list[Machine]
    ) -> None:
        """All that is given must hold."""
        elements = dict(zip((FIRST.name, SECOND.name), account(site, FIRST, SECOND), strict=True))
        send_all(site)
        said = site.ok("apel", "resend", *words, "--yes")
        assert said.endswith(
            f"{len(sent)} message{'s' * (len(sent) > 1)} left for ssmsend again\n"
        )
        assert waiting(site) == {elements[each.name] for each in sent}

    def test_the_operator_is_asked_first(self, site: Site) -> None:
        """With the records on the screen."""
        account(site, FIRST)
        send_all(site)
        result = site.vcycle("apel", "resend", FIRST.name, answer="n\n")
        assert result.exit_code == 1
        assert FIRST.name in result.stdout
        assert "Send 1 message again? [y/N]: n" in result.stdout
        assert waiting(site) == set()

    def test_a_record_of_a_strange_site_is_held(self, site: Site) -> None:
        """It was never meant to leave; exit status 1."""
        account(site, FIRST)
        send_all(site)
        site.configure(CONF.replace("EXAMPLE-SITE", "ANOTHER-SITE"))
        result = site.vcycle("apel", "resend", FIRST.name, "--yes")
        assert result.exit_code == 1
        assert "was not sent: no space has the gocdb_sitename EXAMPLE-SITE\n" in result.stdout
        assert waiting(site) == set()

    def test_nothing_chosen_is_wrong_usage(self, site: Site) -> None:
        """Nobody means the whole archive by saying nothing."""
        said = site.refused("apel", "resend", "--yes", status=2)
        assert "say which: machines, --month or --day" in said

    def test_nothing_found_is_told(self, site: Site) -> None:
        """Exit status 1."""
        account(site, FIRST)
        said = site.refused("apel", "resend", "vcycle-none", "--yes")
        assert said == "vcycle: no record in apel-archive is of that\n"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_what_root_makes_belongs_to_the_manager(self, site: Site) -> None:
        """Or the manager could not write into that day's folder."""
        account(site, FIRST)
        send_all(site)
        outgoing = Queue(site.root).outgoing
        (outgoing / "20270115").rmdir()
        for path in (site.root, outgoing):
            os.chown(path, 65_534, 65_534)
        site.ok("apel", "resend", FIRST.name, "--yes")
        made: list[Path] = [outgoing / "20270115", *outgoing.glob("*/*")]
        assert [path.stat().st_uid for path in made] == [65_534, 65_534]


class TestCheck(OnASite):
    """What APEL would refuse, or ssmsend never send."""

    def test_a_sound_queue_passes(self, site: Site) -> None:
        """Exit status 0."""
        account(site, FIRST)
        assert site.ok("apel", "check").startswith("every file of the archive and of the queue")
        assert site.json("apel", "check") == []

    def test_what_is_wrong_is_told_by_file(self, site: Site) -> None:
        """Exit status 1."""
        account(site, FIRST)
        stray = Queue(site.root).outgoing / "20270115" / "not-a-name"
        stray.touch()
        result = site.vcycle("apel", "check")
        assert result.exit_code == 1
        assert result.stdout.startswith(f"{stray}: its name is not that of a queue element")
        assert result.stdout.endswith("1 problem\n")
        result = site.vcycle("apel", "check", "--json")
        assert result.exit_code == 1
        assert f'"file": "{stray}"' in result.stdout
