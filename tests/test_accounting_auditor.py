"""AUDITOR: what it is sent, what its answers mean, and the certificates of both sides."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests import accounting_kit
from tests.accounting_kit import sink_of
from tests.fakes.auditor import Auditor, auditor
from vcycled.accounting.auditor import AuditorOptions, AuditorSink, record_of_auditor
from vcycled.accounting.base import SinkRefused, SinkUnavailable, Verdict, record_id
from vcycled.testing.sinks import RUN, give, runs

server = accounting_kit.server


class TestAuditor:
    """What AUDITOR is sent, and what its answers mean."""

    def test_a_record_says_what_auditors_plugins_read(self) -> None:
        """By the names of its documents."""
        assert record_of_auditor(replace(RUN, started_at=RUN.ended_at - 100)) == {
            "record_id": f"vcycle-{RUN.uuid}-0",
            "meta": {
                "site_id": ["EXAMPLE-SITE"],
                "voms": ["/vo/Role=pilot"],
                "subject": ["/DC=com/DC=example/DC=space"],
                "headnode": ["space.example.com/vcycle-manager.example.com"],
                "space": ["space.example.com"],
                "machinetype": ["prod"],
                "machine": ["vcycle-prod-0000000000"],
                "job_id": [RUN.uuid],
                "manager_host": ["manager.example.com"],
                "end_source": ["cloud"],
            },
            "components": [
                {
                    "name": "Cores",
                    "amount": 8,
                    "scores": [{"name": "hepscore23", "value": 12.5}],
                },
                {"name": "TotalCPU", "amount": 800, "scores": []},
                {"name": "Memory", "amount": 16_384, "scores": []},
                {"name": "NNodes", "amount": 1, "scores": []},
            ],
            "start_time": "2027-01-15T08:58:20Z",
            "stop_time": "2027-01-15T09:00:00Z",
        }

    def test_a_site_that_is_not_published_is_told_by_its_space(self) -> None:
        """And what is not known is left out."""
        terms = replace(RUN.terms, site="", fqan="", power_unit="HEPSPEC")
        record = json.loads(json.dumps(record_of_auditor(replace(RUN, terms=terms))))
        assert record["meta"]["site_id"] == ["example.com"]
        assert "voms" not in record["meta"]
        assert record["components"][0]["scores"] == [{"name": "HEPSPEC06", "value": 12.5}]

    def test_records_that_are_new_go_all_at_once(self, server: Auditor) -> None:
        """In one request; a single one has its own."""
        give(sink_of(server), runs(3))
        give(sink_of(server), [replace(RUN, uuid="x")])
        assert server.heard == ["/records", "/record"]

    @pytest.mark.parametrize("ignores", [False, True])
    def test_a_list_with_a_known_record_is_sent_one_by_one(
        self, server: Auditor, ignores: bool
    ) -> None:
        """AUDITOR takes nothing of it, also where it says 200 and a warning."""
        server.ignores_known = ignores
        sink, given = sink_of(server), runs(4)
        give(sink, given[1:2])
        assert give(sink, given) == list(given)
        assert server.heard == ["/record", "/records", *["/record"] * 4]
        assert sorted(server.records) == sorted(map(record_id, given))

    @pytest.mark.parametrize("ignores", [False, True])
    def test_an_answer_that_is_lost_doubles_nothing(self, server: Auditor, ignores: bool) -> None:
        """What was taken is found to be there."""
        server.ignores_known = ignores
        server.loses_answers = True
        sink, given = sink_of(server), runs(3)
        with pytest.raises(SinkUnavailable):
            give(sink, given)
        assert len(server.records) == 3
        server.loses_answers = False
        assert give(sink, given) == list(given)
        assert len(server.records) == 3

    def test_the_same_run_twice_is_one_record(self, server: Auditor) -> None:
        """A list with both is refused, then each is sent by itself."""
        assert give(sink_of(server), [*runs(2), *runs(2)]) == [*runs(2), *runs(2)]
        assert len(server.records) == 2

    def test_a_record_that_auditors_database_does_not_take_delays_no_other(
        self, server: Auditor
    ) -> None:
        """It is refused by itself."""
        given = runs(5)
        server.breaks_on = given[1].uuid
        verdicts = list(sink_of(server).put(given))
        assert [bool(each.refusal) for each in verdicts] == [False, True, False, False, False]
        assert verdicts[1].refusal == "answered 500 Internal Server Error: UNEXPECTED_ERROR"
        assert len(server.records) == 4

    def test_a_database_that_is_down_is_not_asked_for_each_record(self, server: Auditor) -> None:
        """After three in a row, or the last, it is asked how it is; no record is at fault."""
        server.answer = (500, "UNEXPECTED_ERROR", {})
        for number, asked in ((50, 3), (2, 2)):
            server.heard.clear()
            verdicts: list[Verdict] = []
            with pytest.raises(SinkUnavailable, match="UNEXPECTED_ERROR"):
                verdicts.extend(sink_of(server).put(runs(number)))
            assert verdicts == []
            assert server.heard == ["/records", *["/record"] * asked, "/health_check"]

    def test_many_records_that_its_database_does_not_take_delay_no_other(
        self, server: Auditor
    ) -> None:
        """If AUDITOR says that it is well, they are at fault, each by itself."""
        server.breaks_on = "-b"
        bad = [replace(run, uuid=f"b{run.uuid[1:]}") for run in runs(7)]
        good = runs(2)
        verdicts = list(sink_of(server).put([*bad, *good]))
        assert [each.run for each in verdicts if each.refusal] == bad
        assert [each.run for each in verdicts if not each.refusal] == list(good)
        assert server.heard.count("/health_check") == 2

    def test_a_record_that_cannot_be_read_is_refused_by_itself(self, server: Auditor) -> None:
        """What AUDITOR says of it is told in one line."""
        server.answer = (400, "Json deserialize error:\n missing field" + " x" * 500, {})
        verdicts = list(sink_of(server).put(runs(2)))
        assert len(verdicts) == 2
        assert verdicts[0].refusal.startswith(
            "answered 400 Bad Request: Json deserialize error: m"
        )
        assert len(verdicts[0].refusal) < 250

    @pytest.mark.parametrize(
        ("status", "is_passing"),
        [
            (301, False),
            (401, False),
            (403, False),
            (404, False),
            (408, True),
            (429, True),
            (502, True),
            (503, True),
        ],
    )
    def test_an_answer_that_takes_nothing_says_who_acts(
        self, server: Auditor, status: int, is_passing: bool
    ) -> None:
        """Ourselves after a while, or a person."""
        server.answer = (status, "because", {"Location": "/elsewhere"})
        kind = SinkUnavailable if is_passing else SinkRefused
        said = rf"^http://127\.0\.0\.1:{server.port}: answered {status} "
        for given in (runs(2), runs(1)):
            with pytest.raises(kind, match=said):
                give(sink_of(server), given)
        assert server.heard == ["/records", "/record"]

    @pytest.mark.parametrize(
        ("stated", "seconds"),
        [
            ("120", 120),
            ("9" * 9, 999_999_999),
            ("soon", None),
            ("", None),
            pytest.param("9" * 5000, None, id="a number without end"),
        ],
    )
    def test_a_pause_that_is_asked_for_is_told(
        self, server: Auditor, stated: str, seconds: int | None
    ) -> None:
        """If it is a number of seconds."""
        server.answer = (503, "", {"Retry-After": stated})
        with pytest.raises(SinkUnavailable) as caught:
            give(sink_of(server), [RUN])
        assert caught.value.retry_after_s == seconds

    def test_a_server_that_does_not_answer_is_given_up(self, server: Auditor) -> None:
        """After the time that the option states."""
        server.pause.clear()
        with pytest.raises(SinkUnavailable, match="no answer within 1 s"):
            give(sink_of(server, timeout_seconds=1), [RUN])

    def test_a_server_that_is_not_there_is_unavailable(self) -> None:
        """The text says why."""
        with auditor() as gone:
            pass
        with pytest.raises(SinkUnavailable, match=r"http://127.0.0.1:\d+: Connection refused"):
            give(sink_of(gone), runs(2))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return an authority of its own."""
    return trustme.CA()


@pytest.fixture
def papers(tmp_path: Path, authority: trustme.CA) -> dict[str, str]:
    """Return options that a server of `authority` accepts, and that accept it."""
    client = authority.issue_cert("manager.example.org", common_name="vcycle-manager")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for pem in client.cert_chain_pems:
        pem.write_to_path(str(tmp_path / "cert.pem"), append=True)
    return {
        "ca": str(tmp_path / "ca.pem"),
        "certificate": str(tmp_path / "cert.pem"),
        "key": str(tmp_path / "key.pem"),
    }


OVER = datetime(2020, 1, 1, tzinfo=UTC)


@contextmanager
def secure(
    authority: trustme.CA, name: str = "localhost", *, ends: datetime | None = None
) -> Iterator[Auditor]:
    """Serve by TLS under a certificate for `name`, to clients with one of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=ends).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with auditor(context) as running:
        yield running


class TestTls:
    """AUDITOR's and our certificates."""

    def test_both_sides_show_who_they_are(
        self, authority: trustme.CA, papers: dict[str, str]
    ) -> None:
        """AUDITOR knows us by our common name."""
        with secure(authority) as running:
            sink = sink_of(running, url=f"https://localhost:{running.port}/", **papers)
            assert give(sink, runs(2)) == list(runs(2))
            assert running.names == ["vcycle-manager"]
            assert sink.credential_ends()[papers["certificate"]] > 0

    def test_a_server_of_another_name_is_refused(
        self, authority: trustme.CA, papers: dict[str, str]
    ) -> None:
        """Nothing is sent to it."""
        with secure(authority, "other.example.org") as running:
            sink = sink_of(running, url=f"https://localhost:{running.port}", **papers)
            with pytest.raises(SinkRefused, match="certificate is not accepted"):
                give(sink, [RUN])
            assert running.heard == []

    def test_a_server_of_an_unknown_authority_is_refused(
        self, authority: trustme.CA, papers: dict[str, str]
    ) -> None:
        """Nothing is sent to it."""
        with secure(trustme.CA()) as running:
            sink = sink_of(running, url=f"https://localhost:{running.port}", **papers)
            with pytest.raises(SinkRefused, match="certificate is not accepted"):
                give(sink, [RUN])
            assert running.heard == []

    def test_without_a_certificate_of_ours_nothing_is_taken(
        self, authority: trustme.CA, papers: dict[str, str]
    ) -> None:
        """The server ends the connection."""
        with secure(authority) as running:
            url = f"https://localhost:{running.port}"
            with pytest.raises((SinkRefused, SinkUnavailable), match="localhost"):
                give(sink_of(running, url=url, ca=papers["ca"]), [RUN])
            assert running.heard == []

    def test_a_server_whose_certificate_has_ended_is_refused(
        self, authority: trustme.CA, papers: dict[str, str]
    ) -> None:
        """A person must act; nothing is sent."""
        with secure(authority, ends=OVER) as running:
            sink = sink_of(running, url=f"https://localhost:{running.port}", **papers)
            with pytest.raises(SinkRefused, match="certificate has expired"):
                give(sink, [RUN])
            assert running.heard == []

    def test_a_certificate_of_ours_that_has_ended_takes_nothing_there(
        self, authority: trustme.CA, papers: dict[str, str]
    ) -> None:
        """The server says no, and we tell when it ended."""
        client = authority.issue_cert(
            "manager.example.org", not_before=OVER - timedelta(days=9), not_after=OVER
        )
        client.private_key_pem.write_to_path(papers["key"])
        client.cert_chain_pems[0].write_to_path(papers["certificate"])
        with secure(authority) as running:
            sink = sink_of(running, url=f"https://localhost:{running.port}", **papers)
            assert sink.credential_ends() == {papers["certificate"]: int(OVER.timestamp())}
            with pytest.raises((SinkRefused, SinkUnavailable), match="localhost"):
                give(sink, [RUN])
            assert running.heard == []

    @pytest.mark.parametrize("which", ["ca", "certificate", "key"])
    def test_a_file_that_is_missing_is_named(
        self, authority: trustme.CA, papers: dict[str, str], which: str
    ) -> None:
        """A person must put it there."""
        Path(papers[which]).unlink()
        with secure(authority) as running:
            sink = sink_of(running, url=f"https://localhost:{running.port}", **papers)
            with pytest.raises(SinkRefused, match=papers[which]):
                give(sink, [RUN])

    def test_a_certificate_that_cannot_be_read_has_no_end(self, papers: dict[str, str]) -> None:
        """What is wrong with it is told when it is used; without one there is none."""
        options = AuditorOptions(url="https://localhost", certificate=papers["certificate"])
        sink = AuditorSink("auditor", options, root=Path("/none"))
        Path(papers["certificate"]).write_text("nonsense")
        assert sink.credential_ends() == {}
        plain = AuditorSink("auditor", AuditorOptions(url="http://localhost"), root=Path("/none"))
        assert plain.credential_ends() == {}
