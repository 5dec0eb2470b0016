"""`vcycle accounting`, and what other commands say of sinks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
import trustme

from tests.builders import NOW
from tests.cli_kit import CONF, SPACE, OnASite, Site, ended, run_of, sink_document
from vcycled.accounting.jsonl import JsonLinesSink
from vcycled.cli import views
from vcycled.cli.words import Words
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
    site.clock.jump(-3600)
    with site.store() as store:
        store.begin(["apel", "jsonl"])
    site.save(OLD, NEW, intervals=(run_of(OLD), run_of(NEW)))
    site.clock.jump(3600)
    with site.store() as store:
        store.mark_exported("apel", [key(OLD), key(NEW)], NOW)
        store.mark_exported("jsonl", [key(OLD)], NOW)
    return site


def key(machine: Machine) -> tuple[str, int]:
    """Return what names the run of `machine`."""
    return machine.uuid, machine.interval


def leave(site: Site) -> None:
    """Take JSON lines out of the configuration."""
    site.conf.write_text(site.conf.read_text().replace("accounting = apel jsonl", ""))


def fail(site: Site) -> None:
    """Let JSON lines have failed for an hour."""
    with site.store() as store:
        store.note_outage(OUTAGE)


class TestSinks(OnASite):
    """Where records go."""

    def test_each_sink_is_told_with_what_waits(self, sinks: Site) -> None:
        """And how it is."""
        assert sinks.ok("accounting", "sinks").splitlines() == [
            "SINK   WAITING  FIRST SINCE             STATE",
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
            sink_document("apel"),
            sink_document(
                "jsonl",
                records=1,
                oldest_at=NOW - 3600,
                spaces=[{"space": SPACE, "records": 1, "oldest_at": NOW - 3600, "refused": 0}],
                outages=[
                    {
                        "manager": "manager.example.com",
                        "since": NOW - 3600,
                        "failures": 5,
                        "retry_at": None,
                        "error": "No space left on device",
                    }
                ],
            ),
        ]
        assert sinks.json("accounting", "sinks") == document
        assert sinks.json("status")["sinks"] == document

    def test_a_sink_that_is_not_configured_any_more_is_told_while_something_waits_for_it(
        self, sinks: Site
    ) -> None:
        """Its marks stay; people are told what they can do, and monitoring warns, no more."""
        fail(sinks)
        leave(sinks)
        told = (
            "jsonl is not in accounting of [vcycle], and was last 1 h ago (07:00:00 UTC)"
            " (waiting: 1 record): put it back, or vcycle accounting forget jsonl"
        )
        assert sinks.ok("accounting", "sinks").splitlines()[1:] == [
            "apel         0  -                       well",
            "jsonl        1  1 h ago (07:00:00 UTC)  not named",
            told,
        ]
        document = sinks.json("accounting", "sinks")[1]
        assert (document["left_at"], document["outages"]) == (NOW - 3600, [])
        sinks.clock.advance(30 * 86_400)
        lines = sinks.vcycle("check").output.splitlines()
        assert [each[:27] for each in lines if "jsonl" in each] == ["WARNING: jsonl is not in ac"]
        with sinks.store() as store:
            assert store.exported("jsonl") == 1
            store.mark_exported("jsonl", [key(NEW)], NOW)
        assert "jsonl" not in sinks.ok("accounting", "sinks")

    def test_records_that_are_refused_are_told_one_by_one(self, sinks: Site) -> None:
        """The first ones, with why; the sink takes others."""
        with sinks.store() as store:
            store.unmark("jsonl", [key(OLD)])
            store.note_refused("jsonl", {key(OLD): "too old", key(NEW): "no site"}, at=NOW)
        said = sinks.ok("accounting", "sinks").splitlines()
        assert said[2].split()[-3:] == ["refuses", "2", "records"]
        assert said[3:] == [
            f"jsonl refuses the record of {OLD.name} in {SPACE}, uuid {OLD.uuid},"
            " ended 2026-12-16 08:00:00 UTC: too old",
            f"jsonl refuses the record of {NEW.name} in {SPACE}, uuid {NEW.uuid},"
            " ended 2027-01-15 07:00:00 UTC: no site",
        ]
        why = f"2 refused, such as that of {OLD.name}: too old"
        assert f"2 records for jsonl, the oldest for 1 h: {why}" in sinks.vcycle("check").output
        (document,) = sinks.json("accounting", "sinks")[1:]
        assert [each["refusal"] for each in document["refused"]] == ["too old", "no site"]
        assert document["spaces"][0]["refused"] == 2

    def test_of_many_that_are_refused_the_first_are_told(
        self, sinks: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And how many more there are."""
        monkeypatch.setattr(views, "REFUSED_TOLD", 1)
        with sinks.store() as store:
            store.unmark("jsonl", [key(OLD)])
            store.note_refused("jsonl", {key(OLD): "too old", key(NEW): "no site"}, at=NOW)
        assert sinks.ok("accounting", "sinks").splitlines()[4] == "jsonl refuses 1 more record"


class TestForget(OnASite):
    """Giving up what waits for a sink."""

    def test_what_nobody_names_any_more_is_given_up(self, sinks: Site) -> None:
        """After a question; it is in the story, and the sink collects nothing any more."""
        leave(sinks)
        said = sinks.ok("accounting", "forget", "jsonl", "--dry-run")
        assert said == "jsonl: 1 record would be given up\n"
        refused = sinks.vcycle("accounting", "forget", "jsonl", answer="n\n")
        assert "Give up 1 record that jsonl has not taken?" in refused.output
        with sinks.store() as store:
            assert len(store.unexported("jsonl")) == 1
        assert sinks.ok("accounting", "forget", "jsonl", "-y") == "jsonl: 1 record given up\n"
        third = ended("vcycle-prod-0000000006")
        sinks.save(third, intervals=(run_of(third),))
        with sinks.store() as store:
            assert [each.sink for each in store.backlogs()] == ["apel"]
            assert set(store.sinks()) == {"apel"}
            assert store.exported("jsonl") == 1
        assert "accounting sink forgotten: jsonl, by " in sinks.ok("events")

    def test_what_it_refuses_can_be_given_up_alone(self, sinks: Site) -> None:
        """Also of a sink that goes on."""
        with sinks.store() as store:
            store.note_refused("jsonl", {key(NEW): "no"}, at=NOW)
        assert sinks.ok("accounting", "forget", "jsonl", "--refused", "-y") == (
            "jsonl: 1 record given up\n"
        )
        with sinks.store() as store:
            assert store.unexported("jsonl") == ()
            assert set(store.sinks()) == {"apel", "jsonl"}

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            (("jsonl",), "accounting of [vcycle] names jsonl: take it out there first"),
            (("json",), "no sink 'json'; did you mean jsonl?"),
            (("json", "--refused"), "no sink 'json'; did you mean jsonl?"),
        ],
    )
    def test_what_is_in_use_or_unknown_is_refused(
        self, sinks: Site, words: tuple[str, ...], why: str
    ) -> None:
        """With what to do first."""
        assert why in sinks.refused("accounting", "forget", *words, "--yes")


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

    def test_the_times_that_its_help_names_can_be_given(self, sinks: Site) -> None:
        """As an operator would copy them."""
        said = sinks.ok("accounting", "resend", "--help")
        named = re.findall(r"[-+]?\b[0-9][0-9-]*[smhdw]?\b", said)
        assert named == ["-7d", "2027-01-15"]
        assert all(Words(now=NOW).read(each) for each in named)

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
            (("apel", "--since", "2026-01-01"), "never given; vcycle apel resend takes others"),
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

    def test_apel_is_given_what_it_never_was(self, sinks: Site) -> None:
        """Having been forgotten, say; what it has taken is for its own command."""
        third = ended("vcycle-prod-0000000006")
        with sinks.store() as store:
            store.forget_sink("apel")
        sinks.save(third, intervals=(run_of(third),))
        said = sinks.ok("accounting", "resend", "apel", "--since", "2026-01-01", "--yes")
        assert said == "1 record left for apel\n"
        with sinks.store() as store:
            assert store.unexported("apel") == (run_of(third),)

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


def speechless(_sink: JsonLinesSink) -> Mapping[str, int]:
    """Fail, as a bug of a package would."""
    raise KeyError("certificate")


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

    def test_a_sink_that_cannot_be_asked_is_a_warning(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody could tell otherwise until its certificate has ended."""
        monkeypatch.setattr(JsonLinesSink, "credential_ends", speechless)
        text = site.conf.read_text()
        head = "manager_hostname = manager.example.com\n"
        site.conf.write_text(text.replace(head, f"{head}accounting = jsonl\n"))
        said = site.vcycle("check").output
        assert "WARNING: jsonl: the sink jsonl cannot say when its credentials end: KeyE" in said
