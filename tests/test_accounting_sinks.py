"""The sinks that are ours: the contract, and what each does with what it is given."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import trustme

from tests.fakes.auditor import Auditor, auditor
from vcycled.accounting.apel import ApelSink
from vcycled.accounting.auditor import AuditorOptions, AuditorSink, record_of_auditor
from vcycled.accounting.base import (
    NoOptions,
    Sink,
    SinkRefused,
    SinkUnavailable,
    Verdict,
    record_id,
)
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink, line_of
from vcycled.apel.queue import Queue, elements_of
from vcycled.model import RunInterval
from vcycled.testing.sinks import RUN, SinkContract, give, runs

MIDNIGHT = 1_800_057_600
"""A day begins, in UTC."""
BEFORE = MIDNIGHT + 7200
Outage = Callable[[], AbstractContextManager[None]]


class Blocked:
    """Makes a folder impossible to write to, also for root: a file stands in its place."""

    def __init__(self, folder: Path) -> None:
        """Take note of the folder."""
        self._folder = folder

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Block it for a while."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder.write_text("in the way")
        try:
            yield
        finally:
            self._folder.unlink()


class TestApelSink(SinkContract):
    """APEL's queue keeps the contract."""

    @pytest.fixture
    def make_sink(self, tmp_path: Path) -> Callable[[], Sink]:
        """Return a function that gives a sink on one folder."""
        return lambda: ApelSink("apel", NoOptions(), root=tmp_path)

    @pytest.fixture
    def taken(self, tmp_path: Path) -> Callable[[], Sequence[str]]:
        """Return a function that lists the archive."""
        return lambda: list(Queue(tmp_path).archived())

    @pytest.fixture
    def outage(self, tmp_path: Path) -> Outage:
        """Return a context in which there can be no archive."""
        return Blocked(tmp_path / "apel-archive")

    def name_of(self, run: RunInterval) -> str:
        """Return the file of its record."""
        return next(elements_of(run))


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Return the folder of the JSON lines."""
    return tmp_path / "accounting" / "jsonl"


def ids_in(folder: Path) -> list[str]:
    """Return the record_id of every line."""
    return [
        str(json.loads(line)["record_id"])
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text(encoding="ascii").splitlines()
    ]


def json_lines(root: Path) -> JsonLinesSink:
    """Return a sink of JSON lines."""
    return JsonLinesSink("jsonl", JsonLinesOptions(), root=root)


class TestJsonLinesSink(SinkContract):
    """JSON lines keep the contract."""

    @pytest.fixture
    def make_sink(self, tmp_path: Path) -> Callable[[], Sink]:
        """Return a function that gives a sink on one folder."""
        return lambda: json_lines(tmp_path)

    @pytest.fixture
    def taken(self, lines: Path) -> Callable[[], Sequence[str]]:
        """Return a function that reads all lines."""
        return lambda: ids_in(lines)

    @pytest.fixture
    def outage(self, lines: Path) -> Outage:
        """Return a context in which there can be no folder."""
        return Blocked(lines)


class TestLines:
    """What stands in the files, and what becomes of them."""

    def test_a_line_has_all_of_a_run(self, tmp_path: Path, lines: Path) -> None:
        """In a file of the day on which it ended, in UTC."""
        run = replace(RUN, started_at=1_799_999_000, ended_at=1_800_057_599)
        give(json_lines(tmp_path), [run, replace(run, uuid="next", ended_at=1_800_057_600)])
        assert [path.name for path in sorted(lines.iterdir())] == [
            "20270115.jsonl",
            "20270116.jsonl",
        ]
        assert json.loads((lines / "20270115.jsonl").read_text()) == {
            "record_id": f"vcycle-{RUN.uuid}-0",
            "uuid": RUN.uuid,
            "interval": 0,
            "name": "vcycle-prod-0000000000",
            "space": "space.example.com",
            "machinetype": "prod",
            "site": "EXAMPLE-SITE",
            "submit_host": "space.example.com/vcycle-manager.example.com",
            "manager_host": "manager.example.com",
            "accounting_fqan": "/vo/Role=pilot",
            "started_at": 1_799_999_000,
            "ended_at": 1_800_057_599,
            "end_source": "cloud",
            "wall_seconds": 58_599,
            "cpu_seconds": 468_792,
            "processors": 8,
            "memory_mb": 16_384,
            "power_per_processor": 12.5,
            "power_unit": "hepscore23",
        }

    def test_the_folder_can_be_another(self, tmp_path: Path) -> None:
        """As the option says."""
        options = JsonLinesOptions(folder=str(tmp_path / "a" / "b"))
        give(JsonLinesSink("jsonl", options, root=tmp_path / "root"), [RUN])
        assert ids_in(tmp_path / "a" / "b") == [record_id(RUN)]
        assert not (tmp_path / "root").exists()

    @pytest.mark.parametrize("left", [b'{"record_id":"vcycle-', b"\0\0\0", b"{}\n{"])
    def test_a_write_that_was_cut_short_leaves_no_line(
        self, tmp_path: Path, lines: Path, left: bytes
    ) -> None:
        """Its rest goes, whole lines stay, and the record comes once."""
        first, second = RUN, replace(RUN, uuid="second")
        give(json_lines(tmp_path), [first])
        (path,) = lines.iterdir()
        with path.open("ab") as stream:
            stream.write(left)
        give(json_lines(tmp_path), [first, second])
        whole = left[: left.rfind(b"\n") + 1]
        assert path.read_bytes() == line_of(first) + whole + line_of(second)

    def test_a_disk_that_is_full_leaves_no_part_of_a_line(
        self, tmp_path: Path, lines: Path
    ) -> None:
        """And all that was given comes once there is room."""
        sink, given = json_lines(tmp_path), runs(20)
        give(sink, given[:2])
        before = {path: path.read_bytes() for path in lines.iterdir()}
        room = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(line_of(RUN)) * 3 // 2, room[1]))
        try:
            with pytest.raises(SinkRefused, match="File too large"):
                give(sink, given)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, room)
        assert {path: path.read_bytes() for path in lines.iterdir()} == before
        assert len(give(sink, given)) == 20
        assert sorted(ids_in(lines)) == sorted(map(record_id, given))

    def test_lines_of_others_are_left_alone(self, tmp_path: Path, lines: Path) -> None:
        """What cannot be read, or has another form, is none of ours."""
        sink = json_lines(tmp_path)
        give(sink, [RUN])
        (path,) = lines.iterdir()
        strange = b'nonsense\n[1]\n{"record_id":7}\n\xff\xfe\n\n'
        path.write_bytes(strange + path.read_bytes())
        give(sink, [RUN, replace(RUN, uuid="second")])
        assert path.read_bytes().startswith(strange)
        assert path.read_bytes().count(b"record_id") == 3

    def test_a_file_that_was_moved_away_begins_anew(self, tmp_path: Path, lines: Path) -> None:
        """As far as is known, its lines have gone where they were to go."""
        sink = json_lines(tmp_path)
        give(sink, [RUN])
        (path,) = lines.iterdir()
        path.rename(tmp_path / "away")
        give(sink, [replace(RUN, uuid="second")])
        assert ids_in(lines) == ["vcycle-second-0"]

    def test_many_days_are_not_all_remembered(self, tmp_path: Path, lines: Path) -> None:
        """A record of a day that was forgotten is looked for in its file."""
        sink = json_lines(tmp_path)
        given = [
            replace(RUN, uuid=f"u{day}", ended_at=RUN.ended_at + day * 86_400) for day in range(12)
        ]
        give(sink, given)
        give(sink, given)
        assert len(ids_in(lines)) == 12

    def test_a_link_is_not_followed(self, tmp_path: Path, lines: Path) -> None:
        """Who can write to the folder cannot lead us to other files."""
        lines.mkdir(parents=True)
        (lines / "20270115.jsonl").symlink_to(tmp_path / "victim")
        with pytest.raises(SinkRefused):
            give(json_lines(tmp_path), [RUN])
        assert not (tmp_path / "victim").exists()


class TestPrune:
    """Files of days that are long over."""

    @pytest.mark.parametrize(
        ("ended_at", "written_at", "is_kept"),
        [
            pytest.param(MIDNIGHT - 1, BEFORE - 1, False, id="the day before, not written since"),
            pytest.param(MIDNIGHT - 1, BEFORE, True, id="the day before, written since"),
            pytest.param(MIDNIGHT, BEFORE - 1, True, id="a day that was not over"),
        ],
    )
    def test_a_file_goes_once_its_day_is_over_and_nothing_was_added_since(
        self, tmp_path: Path, lines: Path, ended_at: int, written_at: int, is_kept: bool
    ) -> None:
        """Records that were given anew lately stay, with all others of their day."""
        sink = json_lines(tmp_path)
        give(sink, [replace(RUN, started_at=ended_at - 3600, ended_at=ended_at)])
        (path,) = lines.iterdir()
        os.utime(path, (written_at, written_at))
        assert sink.prune(before=BEFORE) == (not is_kept)
        assert path.exists() is is_kept

    def test_what_is_not_its_own_stays(self, tmp_path: Path, lines: Path) -> None:
        """By its name; and no folder at all is no trouble."""
        sink = json_lines(tmp_path)
        assert sink.prune(before=BEFORE) == 0
        lines.mkdir(parents=True)
        for name in ("20200101.jsonl.gz", "20200101.json", "2020.jsonl", "x20200101.jsonl"):
            (lines / name).write_text("")
            os.utime(lines / name, (0, 0))
        assert sink.prune(before=BEFORE) == 0
        assert len(list(lines.iterdir())) == 4

    def test_a_link_leads_to_no_other_file(self, tmp_path: Path, lines: Path) -> None:
        """Who can write to the folder cannot have others removed."""
        lines.mkdir(parents=True)
        (tmp_path / "victim").write_text("")
        os.utime(tmp_path / "victim", (0, 0))
        (lines / "20200101.jsonl").symlink_to(tmp_path / "victim")
        with pytest.raises(OSError, match="symbolic"):
            json_lines(tmp_path).prune(before=BEFORE)
        assert (tmp_path / "victim").exists()

    def test_a_line_never_goes_with_a_file_that_is_being_removed(
        self, tmp_path: Path, lines: Path
    ) -> None:
        """Who waited for the lock of that file writes into a new one."""
        give(json_lines(tmp_path), [RUN])
        (path,) = lines.iterdir()
        with path.open("rb") as held, ThreadPoolExecutor(1) as pool:
            fcntl.flock(held, fcntl.LOCK_EX)
            writing = pool.submit(give, json_lines(tmp_path), [replace(RUN, uuid="second")])
            while not _waits_for_lock(path):
                threading.Event().wait(0.01)
            path.unlink()
            fcntl.flock(held, fcntl.LOCK_UN)
            assert len(writing.result(10)) == 1
        assert ids_in(lines) == ["vcycle-second-0"]


def _waits_for_lock(path: Path) -> bool:
    """Return whether somebody waits for the lock of a file, as Linux tells."""
    inode = f":{path.stat().st_ino} "
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in each and inode in each for each in locks)


_WRITER = """
import sys
from pathlib import Path
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink
from vcycled.testing.sinks import give, runs
sink = JsonLinesSink("jsonl", JsonLinesOptions(), root=Path(sys.argv[1]))
given = runs(400)
print("ready", flush=True)
for at in range(0, 400, 5):
    give(sink, given[at : at + 5])
"""


@pytest.mark.parametrize("milliseconds", [0, 10, 40])
def test_a_writer_that_is_killed_leaves_every_line_once(
    tmp_path: Path, lines: Path, milliseconds: int
) -> None:
    """Whenever it dies; the next one completes what it began."""
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            writer.wait(milliseconds / 1000)
        except subprocess.TimeoutExpired:
            os.kill(writer.pid, signal.SIGKILL)
    given = runs(400)
    assert len(give(json_lines(tmp_path), given)) == 400
    assert sorted(ids_in(lines)) == sorted(map(record_id, given))


@pytest.fixture
def server() -> Iterator[Auditor]:
    """Give a stand-in for AUDITOR."""
    with auditor() as running:
        yield running


def sink_of(server: Auditor, **options: object) -> AuditorSink:
    """Return a sink that sends to `server`."""
    given = {"url": f"http://127.0.0.1:{server.port}", "timeout_seconds": 10, **options}
    return AuditorSink("auditor", AuditorOptions(**given), root=Path("/none"))  # type: ignore[arg-type] # names are those of options


class TestAuditorSink(SinkContract):
    """AUDITOR keeps the contract, as far as the stand-in is like it."""

    @pytest.fixture
    def make_sink(self, server: Auditor) -> Callable[[], Sink]:
        """Return a function that gives a sink of one server."""
        return lambda: sink_of(server)

    @pytest.fixture
    def taken(self, server: Auditor) -> Callable[[], Sequence[str]]:
        """Return a function that lists the server's records."""
        return lambda: list(server.records)

    @pytest.fixture
    def outage(self, server: Auditor) -> Outage:
        """Return a context in which the server takes nothing."""
        return server.outage


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


def test_every_registered_sink_has_its_contract_class() -> None:
    """The entry point's class is tested above."""
    registered = {each.name: each.load() for each in entry_points(group="vcycle.accounting")}
    assert registered == {"apel": ApelSink, "auditor": AuditorSink, "jsonl": JsonLinesSink}
    for each in registered.values():
        assert issubclass(globals()[f"Test{each.__name__}"], SinkContract)
