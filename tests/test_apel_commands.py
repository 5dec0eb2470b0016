"""What an operator does with the queue: look, check, send again, count."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.apel_runs import NOW, RUN, SITE, run_of
from tests.ssmsend import consume, consuming, files_below
from vcycled.apel import commands
from vcycled.apel.queue import Queue, Waiting
from vcycled.apel.record import record_of, text_of
from vcycled.apel.sync import Month
from vcycled.errors import OperatorError

DAY_S = 86_400
TODAY, YESTERDAY = run_of(1), replace(run_of(2), ended_at=NOW - DAY_S, started_at=NOW - 2 * DAY_S)
PRIVATE = run_of(3, is_published=False, site="example.com")


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """A queue with three records, two of them handed over."""
    queue = Queue(tmp_path)
    queue.put_all([TODAY, YESTERDAY, PRIVATE])
    return queue


def ids(entries: list[commands.Entry]) -> list[str]:
    """Return the LocalJobIds of the records listed."""
    return [record.local_job_id for entry in entries for record in entry.records]


def damage(queue: Queue) -> Path:
    """Cut a record of the archive short and return its file."""
    path = queue.put(RUN)
    path.write_bytes(path.read_bytes()[:100])
    return path


def test_listing_shows_each_record_and_whether_it_waits(queue: Queue) -> None:
    """What the archive holds, and what of it ssmsend has still to take."""
    entries = list(commands.listing(queue, now=NOW))
    assert ids(entries)[0] == YESTERDAY.uuid
    assert {entry.records: entry.waiting for entry in entries} == {
        (record_of(TODAY),): Waiting.YES,
        (record_of(YESTERDAY),): Waiting.YES,
        (record_of(PRIVATE),): Waiting.NO,
    }
    assert [entry.problems for entry in entries] == [()] * 3
    for _ in consuming(queue.outgoing):
        assert Waiting.LOCKED in {entry.waiting for entry in commands.listing(queue, now=NOW)}
    assert {entry.waiting for entry in commands.listing(queue, now=NOW)} == {Waiting.NO}


@pytest.mark.parametrize(
    ("days", "number"), [("", 3), ("2027", 3), ("202701", 3), ("20270114", 1), ("20260114", 0)]
)
def test_listing_of_a_year_a_month_or_a_day(queue: Queue, days: str, number: int) -> None:
    """The day is that of the end of the run."""
    assert len(list(commands.listing(queue, days, now=NOW))) == number


@pytest.mark.parametrize("days", ["2", "20270", "2027011", "202701150", "today", "2027-01"])
def test_listing_of_what_is_no_day(queue: Queue, days: str) -> None:
    """A mistyped day is told at once, it does not list nothing."""
    with pytest.raises(OperatorError, match="days are written YYYY, YYYYMM or YYYYMMDD, not"):
        commands.listing(queue, days, now=NOW)


def test_listing_shows_damage(queue: Queue) -> None:
    """A file that is no record is listed with what is wrong."""
    path = damage(queue)
    (entry,) = (each for each in commands.listing(queue, now=NOW) if not each.records)
    assert queue.archive / entry.element == path
    assert any("missing" in problem for problem in entry.problems)


def test_listing_shows_a_record_that_apel_would_refuse(queue: Queue) -> None:
    """Such as one that ends in the future, when the clock was wrong."""
    queue.put(replace(RUN, ended_at=NOW + 3 * DAY_S))
    problems = [entry.problems for entry in commands.listing(queue, now=NOW)]
    assert problems[-1] == ("record 1: EndTime: more than two days in the future",)


def test_resend_of_a_day(queue: Queue) -> None:
    """Only records of that day go again."""
    consume(queue.outgoing)
    resent = commands.resend(queue, "20270114", sites={SITE}, now=NOW)
    assert len(resent.sent) == 1
    assert consume(queue.outgoing) == [text_of([record_of(YESTERDAY)])]


def test_resend_of_one_machine(queue: Queue) -> None:
    """Only its record goes again."""
    consume(queue.outgoing)
    resent = commands.resend(queue, sites={SITE}, job_ids={TODAY.uuid}, now=NOW)
    assert (len(resent.sent), resent.held) == (1, ())
    assert consume(queue.outgoing) == [text_of([record_of(TODAY)])]


def test_resend_holds_what_was_never_meant_to_leave(queue: Queue) -> None:
    """A record with a stand-in for its site, or a damaged one, is not sent, and says why."""
    path = damage(queue)
    consume(queue.outgoing)
    resent = commands.resend(queue, sites={SITE}, now=NOW)
    assert len(resent.sent) == len(consume(queue.outgoing)) == 2
    reasons = {queue.archive / element: reason for element, reason in resent.held}
    assert "no space has the gocdb_sitename example.com" in reasons.values()
    assert "missing" in reasons[path]
    assert len(reasons) == 2


def test_resend_of_nothing_is_told(queue: Queue) -> None:
    """Nothing sent, nothing held: the operator named a day without records."""
    assert commands.resend(queue, "2020", sites={SITE}, now=NOW) == commands.Resent(
        sent=(), held=()
    )


def test_sync_counts_the_published_runs_of_a_month(queue: Queue) -> None:
    """The message waits for ssmsend, and the counts are there to be shown."""
    month = Month(year=2027, month=1)
    runs = [TODAY, YESTERDAY, PRIVATE, replace(run_of(4), ended_at=0)]
    synced = commands.sync(queue, runs, month)
    assert [(count.site, count.jobs) for count in synced.counts] == [(SITE, 2)]
    assert synced.path is not None
    assert "\nNumberOfJobs: 2\nMonth: 1\nYear: 2027\n" in synced.path.read_text()


def test_sync_of_an_empty_month_writes_nothing(queue: Queue) -> None:
    """It says so instead."""
    before = files_below(queue.outgoing)
    synced = commands.sync(queue, [PRIVATE], Month(year=2027, month=1))
    assert synced == commands.Synced(path=None, counts=())
    assert files_below(queue.outgoing) == before


def test_check_finds_nothing_in_a_good_queue(queue: Queue) -> None:
    """Records, sync messages and locks are all as they should be."""
    commands.sync(queue, [TODAY], Month(year=2027, month=1))
    for _ in consuming(queue.outgoing):
        assert list(commands.check(queue, now=NOW)) == []


def test_check_of_a_queue_that_does_not_exist(tmp_path: Path) -> None:
    """A manager that has accounted for nothing has nothing wrong."""
    assert list(commands.check(Queue(tmp_path / "none"), now=NOW)) == []


@pytest.mark.parametrize("tree", ["archive", "outgoing"])
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("20270115/1234567890123", "ssmsend will never send it"),
        ("20270115/1234567890ABCD", "ssmsend will never send it"),
        ("20270115/.1234567890abcd.tmp", "a temporary file"),
        ("1234567890abcd", "ssmsend will never send it"),
        ("20270115/more/1234567890abcd", "ssmsend will never send it"),
        ("20270115/1234567890abcd", "the first line is no header"),
    ],
)
def test_check_names_each_file_that_is_wrong(
    queue: Queue, tree: str, name: str, problem: str
) -> None:
    """Above all those that ssmsend passes over without a word."""
    path: Path = getattr(queue, tree) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    ((found, message),) = commands.check(queue, now=NOW)
    assert found == path
    assert problem in message


def test_check_passes_over_what_ssmsend_takes_meanwhile(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was listed and is gone when it is read was sent, which is no problem."""
    read_bytes = Path.read_bytes

    def read_after_ssmsend(path: Path) -> bytes:
        if queue.outgoing in path.parents:
            consume(queue.outgoing)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read_after_ssmsend)
    assert list(commands.check(queue, now=NOW)) == []


def test_check_does_not_call_an_unreadable_tree_good(tmp_path: Path) -> None:
    """A tree that cannot be read is an error, not an empty one."""
    queue = Queue(tmp_path)
    queue.archive.touch()
    with pytest.raises(NotADirectoryError):
        list(commands.check(queue, now=NOW))
