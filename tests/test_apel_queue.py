"""The queue: every record is kept once and handed over once."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given

from tests import apel_queue_kit
from tests.apel_queue_kit import ELEMENT, PRIVATE_SITE, RUNS, SENT, first_place, messages_in, text
from tests.apel_runs import ANY_RUN, NOW, RUN, run_of
from tests.ssmsend import consume, consuming, files_below
from vcycled.apel.queue import BATCH, Backlog, Queue, Waiting, elements_of
from vcycled.apel.record import records_in
from vcycled.apel.sync import Month, SyncCount
from vcycled.model import RunInterval

queue = apel_queue_kit.queue


def test_a_published_record_is_kept_and_handed_over(queue: Queue) -> None:
    """It has the same place in both trees, and the same content."""
    path = queue.put(RUN)
    assert path == queue.archive / first_place(RUN)
    assert files_below(queue.archive) == [path]
    assert files_below(queue.outgoing) == [queue.outgoing / first_place(RUN)]
    assert path.read_text() == (queue.outgoing / first_place(RUN)).read_text() == text(RUN)


def test_what_waits_is_counted_with_its_age(queue: Queue) -> None:
    """Locked elements wait too; drafts and strangers' files are no elements."""
    assert queue.backlog() == Backlog(messages=0, oldest_stamp=None)
    queue.put_all([RUN, run_of(2)])
    first, second = files_below(queue.outgoing)
    os.utime(first, (NOW - 60, NOW - 60))
    os.utime(second, (NOW, NOW))
    second.with_name(f"{second.name}.lck").hardlink_to(second)
    (queue.outgoing / "README").write_text("")
    assert queue.backlog() == Backlog(messages=2, oldest_stamp=NOW - 60)
    consume(queue.outgoing)
    assert queue.backlog().messages <= 1


def test_a_record_of_a_site_without_name_is_only_kept(queue: Queue) -> None:
    """Without gocdb_sitename nothing leaves."""
    run = run_of(1, **PRIVATE_SITE)
    assert queue.put(run).read_text() == text(run)
    assert files_below(queue.outgoing) == []


def test_the_two_copies_are_files_of_their_own(queue: Queue) -> None:
    """Readable for everybody; ssmsend's locking and touching leaves the archive alone."""
    umask = os.umask(0o077)
    try:
        path = queue.put(RUN)
    finally:
        os.umask(umask)
    sent = queue.outgoing / first_place(RUN)
    assert path.stat().st_ino != sent.stat().st_ino
    assert {path.stat().st_nlink, sent.stat().st_nlink} == {1}
    assert {path.stat().st_mode & 0o777, sent.stat().st_mode & 0o777} == {0o644}


def test_a_place_follows_from_the_run_alone() -> None:
    """The same in every process and version: changing it would send records twice."""
    assert first_place(RUN) == ELEMENT
    assert first_place(replace(RUN, machinetype="other", processors=1)) == ELEMENT
    assert first_place(replace(RUN, interval=1)) != ELEMENT
    assert first_place(replace(RUN, uuid="other")) != ELEMENT


@pytest.mark.parametrize(
    ("ended_at", "day"),
    [(1_799_971_199, "20270114"), (1_799_971_200, "20270115"), (-1, "19700101")],
)
def test_the_day_is_that_of_the_end_in_utc(ended_at: int, day: str) -> None:
    """Whatever the time zone of the host, and whenever it is written."""
    assert first_place(replace(RUN, ended_at=ended_at)).startswith(f"{day}/")


@given(ANY_RUN)
def test_every_place_is_one_that_ssmsend_looks_at(run: RunInterval) -> None:
    """A simple dirq has 8 and 14 lower-case hexadecimal digits, and ignores all else for ever."""
    assert re.fullmatch(r"[0-9a-f]{8}/[0-9a-f]{14}", first_place(run))


def test_ssmsend_takes_everything_and_leaves_nothing(queue: Queue) -> None:
    """More than a batch, over several days: each message arrives, no file stays behind."""
    runs = [replace(run_of(n), ended_at=NOW - 3600 * n) for n in range(BATCH + 50)]
    paths = queue.put_all(runs)
    assert [path.read_text() for path in paths] == [text(run) for run in runs]
    assert sorted(consume(queue.outgoing)) == sorted(map(text, runs))
    assert files_below(queue.outgoing) == []


def test_nothing_to_put_makes_nothing(queue: Queue) -> None:
    """An empty cycle touches no disk."""
    assert queue.put_all([]) == ()
    assert not queue.archive.parent.exists()


def test_a_repeat_changes_nothing(queue: Queue) -> None:
    """While it waits, while it is being sent, and after it was sent."""
    path = queue.put(RUN)
    before = path.stat()
    element = queue.outgoing / first_place(RUN)
    waiting = element.stat()
    assert queue.put_all([RUN, RUN]) == (path, path)
    assert (element.stat().st_ino, element.stat().st_mtime_ns) == (
        waiting.st_ino,
        waiting.st_mtime_ns,
    )
    for _ in consuming(queue.outgoing):
        assert queue.waiting(first_place(RUN)) is Waiting.LOCKED
        queue.put(RUN)
    assert queue.waiting(first_place(RUN)) is Waiting.NO
    assert queue.put(RUN) == path
    assert files_below(queue.outgoing) == []
    assert path.stat() == before


def test_the_same_run_twice_in_one_call_is_one_message(queue: Queue) -> None:
    """Exactly one record per run."""
    assert len(set(queue.put_all([RUN, run_of(2), RUN]))) == 2
    assert len(consume(queue.outgoing)) == 2


def test_a_machine_that_came_back_has_a_second_record(queue: Queue) -> None:
    """Another interval is another run, with the same LocalJobId and another EndTime."""
    paths = queue.put_all([RUN, replace(RUN, interval=1, ended_at=NOW)])
    (first,), (second,) = (records_in(path.read_text()) for path in paths)
    assert first.local_job_id == second.local_job_id
    assert first.ended_at != second.ended_at


def test_a_run_that_is_not_final_is_refused(queue: Queue) -> None:
    """Its end may still change, and then it would be counted twice."""
    with pytest.raises(ValueError, match="has no final end yet"):
        queue.put_all([RUN, replace(run_of(2), is_final=False)])
    assert not queue.archive.parent.exists()


@pytest.mark.parametrize("content", ["another message", ""])
@pytest.mark.parametrize("tree", ["archive", "outgoing"])
def test_another_message_in_its_place_is_left_alone(queue: Queue, tree: str, content: str) -> None:
    """A clash of names (or a damaged file) costs nobody his record."""
    first, second = (element for element, _ in zip(elements_of(RUN), range(2), strict=False))
    other = getattr(queue, tree) / first
    other.parent.mkdir(parents=True)
    other.write_text(content)
    assert queue.put(RUN) == queue.put(RUN) == queue.archive / second
    assert other.read_text() == content
    assert (queue.outgoing / second).read_text() == text(RUN)


def test_two_runs_of_one_name_in_one_call(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second takes the next place, and both find theirs again."""

    def clashing(run: RunInterval) -> Iterator[str]:
        yield ELEMENT
        yield from elements_of(run)

    monkeypatch.setattr("vcycled.apel.queue.elements_of", clashing)
    paths = queue.put_all([run_of(1), run_of(2)])
    assert queue.put_all([run_of(2)]) == (paths[1],)
    assert [path.read_text() for path in paths] == [text(run_of(1)), text(run_of(2))]
    assert len(consume(queue.outgoing)) == 2


def test_the_archive_is_listed_by_day(queue: Queue) -> None:
    """Only messages are listed, oldest day first; a prefix chooses a year, month or day."""
    runs = [replace(run_of(n), ended_at=NOW - 86_400 * n) for n in range(20)]
    queue.put_all(runs)
    (queue.archive / "README").touch()
    (queue.archive / "20270115" / ".draft.tmp").touch()
    listed = list(queue.archived())
    assert sorted(listed) == sorted(map(first_place, runs))
    assert [element[:8] for element in listed] == sorted(element[:8] for element in listed)
    assert len(list(queue.archived("202612"))) == 5
    assert list(queue.archived("20270110")) == [first_place(runs[5])]
    assert list(queue.archived("2025")) == []


def test_a_queue_that_does_not_exist_is_empty(queue: Queue) -> None:
    """A manager that has not accounted for anything yet is no error."""
    assert list(queue.archived()) == []
    assert queue.waiting(ELEMENT) is Waiting.NO


def test_resend_hands_over_again_what_was_sent(queue: Queue) -> None:
    """The archive keeps its copy, and what still waits is not doubled."""
    queue.put_all(RUNS)
    consume(queue.outgoing)
    wanted = [first_place(run_of(1)), first_place(run_of(3))]
    assert queue.resend(wanted) == 2
    assert queue.resend(wanted) == 2
    assert queue.waiting(wanted[0]) is Waiting.YES
    assert sorted(consume(queue.outgoing)) == sorted(SENT)
    assert sorted(messages_in(queue.archive)) == sorted(map(text, RUNS))


def test_resend_of_what_is_not_there_is_an_error(queue: Queue) -> None:
    """A name that is not in the archive is not sent in silence."""
    with pytest.raises(FileNotFoundError):
        queue.resend([ELEMENT])


JANUARY = Month(year=2027, month=1)
COUNT = SyncCount(site="S", submit_host="a/vcycle-h", month=JANUARY, jobs=7)


def test_a_sync_message_is_handed_over_and_not_kept(queue: Queue) -> None:
    """It stands in the folder of the month's last day; the same counts are the same file."""
    path = queue.put_sync([COUNT])
    assert path is not None
    assert path.parent == queue.outgoing / "20270131"
    assert queue.put_sync(iter([COUNT])) == path
    assert queue.put_sync([replace(COUNT, jobs=8)]) != path
    assert len(consume(queue.outgoing)) == 2
    assert files_below(queue.archive) == []


def test_no_counts_make_no_sync_message(queue: Queue) -> None:
    """An empty message would hide that there was nothing to count."""
    assert queue.put_sync([]) is None
    assert not queue.outgoing.exists()
