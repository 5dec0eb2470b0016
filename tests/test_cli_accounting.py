"""`vcycle accounting`, and what other commands say of sinks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trustme

from tests.builders import NOW
from tests.cli_kit import CONF, SPACE, OnASite, Site, ended, run_of
from vcycled.model import Machine
from vcycled.store import Outage

OLD = ended("vcycle-prod-0000000007", stopped_at=NOW - 30 * 86_400, started_at=NOW - 31 * 86_400)
NEW = ended("vcycle-prod-0000000008")
OUTAGE = Outage(
    sink="jsonl",
    manager="manager.example.com",
    since=NOW - 3600,
    failures=5,
    retry_at=None,
    error="No space left on device",
)


@pytest.fixture
def sinks(site: Site) -> Site:
    """Return a site with two sinks, of which one has taken a record of two."""
    head = "manager_hostname = manager.example.com\n"
    site.conf.write_text(site.conf.read_text().replace(head, f"{head}accounting = apel jsonl\n"))
    with site.store() as store:
        store.begin(["apel", "jsonl"])
    site.save(OLD, NEW, intervals=(run_of(OLD), run_of(NEW)))
    with site.store() as store:
        store.mark_exported("apel", [key(OLD), key(NEW)], NOW)
        store.mark_exported("jsonl", [key(OLD)], NOW)
    return site


def key(machine: Machine) -> tuple[str, int]:
    """Return what names the run of `machine`."""
    return machine.uuid, machine.interval


def fail(site: Site) -> None:
    """Let JSON lines have failed for an hour."""
    with site.store() as store:
        store.note_outage(OUTAGE)


class TestSinks(OnASite):
    """Where records go."""

    def test_each_sink_is_told_with_what_waits(self, sinks: Site) -> None:
        """And how it is."""
        assert sinks.ok("accounting", "sinks").splitlines() == [
            "SINK   WAITING  OLDEST ENDED            STATE",
            "apel         0  -                       well",
            "jsonl        1  1 h ago (07:00:00 UTC)  well",
        ]

    def test_a_sink_that_fails_says_why(self, sinks: Site) -> None:
        """In every place where a person looks."""
        fail(sinks)
        told = (
            "jsonl has failed for manager.example.com since 07:00:00 UTC (tried at every cycle;"
            " waiting: 1 record): No space left on device"
        )
        for words in (("accounting", "sinks"), ("status",)):
            assert told in " ".join(sinks.ok(*words).split())
        said = sinks.vcycle("check").output
        assert "1 record for jsonl, the oldest for 1 h: No space left on device" in said

    def test_a_sink_that_is_tried_again_says_when(self, sinks: Site) -> None:
        """If it is left alone for a while."""
        with sinks.store() as store:
            store.note_outage(
                Outage(
                    sink="jsonl",
                    manager="m",
                    since=NOW - 60,
                    failures=1,
                    retry_at=NOW + 60,
                    error="away",
                )
            )
        said = " ".join(sinks.ok("accounting", "sinks").split())
        assert "(tried again in 1 min (08:01:00 UTC); waiting: 1 record): away" in said

    def test_all_of_it_is_in_the_document(self, sinks: Site) -> None:
        """As docs/reference/cli.md states it; `vcycle status` has the same."""
        fail(sinks)
        document = [
            {
                "name": "apel",
                "records": 0,
                "oldest_at": None,
                "spaces": [],
                "outages": [],
                "credential_ends": {},
            },
            {
                "name": "jsonl",
                "records": 1,
                "oldest_at": NOW - 3600,
                "spaces": [{"space": SPACE, "records": 1, "oldest_at": NOW - 3600}],
                "outages": [
                    {
                        "manager": "manager.example.com",
                        "since": NOW - 3600,
                        "failures": 5,
                        "retry_at": None,
                        "error": "No space left on device",
                    }
                ],
                "credential_ends": {},
            },
        ]
        assert sinks.json("accounting", "sinks") == document
        assert sinks.json("status")["sinks"] == document

    def test_a_sink_that_is_not_configured_any_more_is_not_told(self, sinks: Site) -> None:
        """Its marks stay; so does what waits for it."""
        sinks.conf.write_text(sinks.conf.read_text().replace("accounting = apel jsonl", ""))
        assert "jsonl" not in sinks.ok("accounting", "sinks")
        with sinks.store() as store:
            assert store.exported("jsonl") == 1
            assert len(store.unexported("jsonl")) == 1


class TestResend(OnASite):
    """Records that a sink may not have."""

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (("--since", "2026-01-01"), [OLD, NEW]),
            (("--since", "2027-01-01"), [NEW]),
            (("--since", str(NOW - 3600)), [NEW]),
            (("--since", "2026-01-01", "--until", "2027-01-01"), [OLD]),
            (("--since", "2026-01-01", "--space", SPACE), [OLD, NEW]),
        ],
    )
    def test_records_are_left_for_the_manager(
        self, sinks: Site, words: tuple[str, ...], expected: list[Machine]
    ) -> None:
        """Those that ended then, whether it was given them or not; marks stay."""
        with sinks.store() as store:
            store.mark_exported("jsonl", [key(NEW)], NOW)
        said = sinks.ok("accounting", "resend", "jsonl", *words, "--yes")
        number = f"{len(expected)} record{'s' if len(expected) > 1 else ''}"
        assert said == f"{number} left for jsonl\n"
        with sinks.store() as store:
            assert store.unexported("jsonl") == tuple(map(run_of, expected))
            assert store.exported("jsonl") == 2

    def test_it_asks_first(self, sinks: Site) -> None:
        """And does nothing if told no."""
        result = sinks.vcycle(
            "accounting", "resend", "jsonl", "--since", "2026-01-01", answer="n\n"
        )
        assert result.exit_code == 1
        assert "Give 2 records to jsonl?" in result.output
        with sinks.store() as store:
            assert len(store.unexported("jsonl")) == 1

    def test_a_sink_that_never_began_begins(self, site: Site) -> None:
        """With those records, and what ends from now on."""
        site.save(NEW, intervals=(run_of(NEW),))
        head = "manager_hostname = manager.example.com\n"
        site.conf.write_text(
            CONF.replace(head, f"{head}accounting = jsonl\n")
            .replace("ROOT", str(site.root))
            .replace("FOLDER", str(site.folder))
        )
        site.ok("accounting", "resend", "jsonl", "--since", "2026-01-01", "--yes")
        with site.store() as store:
            assert store.unexported("jsonl") == (run_of(NEW),)

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (("apel", "--since", "2026-01-01"), "vcycle apel resend"),
            (("jsonlines", "--since", "2026-01-01"), "no sink 'jsonlines'; did you mean jsonl?"),
            (("jsonl", "--since", "2027-01-15 07:30"), "no run ended then whose end is final"),
            (("jsonl", "--since", "2026-01-01", "--space", "other"), "no run ended then"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, sinks: Site, words: tuple[str, ...], why: str
    ) -> None:
        """With what to do instead."""
        assert why in sinks.refused("accounting", "resend", *words, "--yes")

    def test_a_time_must_be_given(self, sinks: Site) -> None:
        """Nobody resends a site's whole history by a slip."""
        said = sinks.refused("accounting", "resend", "jsonl", "--yes", status=2)
        assert "--since" in said


class TestApel(OnASite):
    """What concerns APEL alone."""

    def test_sync_counts_only_what_apel_was_given(self, sinks: Site) -> None:
        """A record that only another sink has is none of APEL's."""
        third = ended("vcycle-prod-0000000006")
        sinks.save(third, intervals=(run_of(third),))
        with sinks.store() as store:
            store.mark_exported("jsonl", [key(third)], NOW)
        (count,) = sinks.json("apel", "sync", "202701", "--dry-run")["counts"]
        assert count["records"] == 1


class TestCredentials(OnASite):
    """What opens a sink."""

    def test_the_end_of_a_certificate_for_a_sink_is_told(self, site: Site) -> None:
        """As that of any other credential."""
        key, paper = trustme.CA(), site.folder / "cert.pem"
        issued = key.issue_cert(
            "vcycle.example.org", not_after=datetime(2027, 1, 16, 8, tzinfo=UTC)
        )
        issued.cert_chain_pems[0].write_to_path(str(paper))
        head = "manager_hostname = manager.example.com\n"
        papers = f"certificate = {paper}\nkey = {paper}\n"
        sink = f"[accounting auditor]\nurl = https://localhost\n{papers}"
        text = site.conf.read_text().replace(head, f"{head}accounting = auditor\n")
        site.conf.write_text(text + sink)
        with site.store() as store:
            store.begin(["auditor"])
        said = site.vcycle("check").output
        assert f"CRITICAL: auditor: {paper} ends in 1 d" in said
        (document,) = site.json("accounting", "sinks")
        assert document["credential_ends"] == {str(paper): NOW + 86_400}
