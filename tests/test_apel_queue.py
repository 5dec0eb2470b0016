"""The queue: every record is kept once and handed over once, whatever dies when."""

import errno
import os
import re
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from tests.apel_runs import ANY_RUN, NOW, RUN, run_of
from tests.ssmsend import consume, consuming, files_below
from vcycled.apel import validate
from vcycled.apel.queue import BATCH, Backlog, Queue, Waiting, elements_of
from vcycled.apel.record import record_of, records_in, text_of
from vcycled.apel.sync import Month, SyncCount
from vcycled.model import RunInterval

ELEMENT = "20270115/4d0118eafbeb60"
CALLS = ("open", "mkdir", "fchmod", "fsync", "link", "rename", "unlink")
"""The calls of `os` that change or secure something."""
PRIVATE_SITE = {"is_published": False}


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """A queue whose folders do not exist yet."""
    return Queue(tmp_path / "vcycle")


def first_place(run: RunInterval) -> str:
    """Return where the record of `run` stands unless another one is there."""
    return next(elements_of(run))


def text(run: RunInterval) -> str:
    """Return the message of `run`."""
    return text_of([record_of(run)])


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


def test_a_draft_that_a_crash_left_is_never_written_to(queue: Queue) -> None:
    """It may be a second name of a message that is being read at this moment."""
    element = queue.outgoing / first_place(RUN)
    element.parent.mkdir(parents=True)
    element.write_text(text(RUN))
    draft = f".{element.name}.{os.getpid()}-{threading.get_ident()}.tmp"
    (element.parent / draft).hardlink_to(element)
    with element.open("r+") as reader:
        queue.put(RUN)
        assert reader.read() == text(RUN)
    assert files_below(queue.outgoing) == [element]


def test_what_a_crash_left_in_the_archive_goes_with_the_next_try(queue: Queue) -> None:
    """The archive holds only messages."""
    path = queue.archive / first_place(RUN)
    path.parent.mkdir(parents=True)
    path.with_name(f".{path.name}.tmp").write_text("APEL-indiv")
    assert queue.put(RUN) == path
    assert files_below(queue.archive) == [path]


class Steps:
    """Counts the calls that change the disk, and does something at one of them."""

    def __init__(self, at: int, then: Callable[[], None]) -> None:
        self.taken = 0
        self._at, self._then = at, then

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the calls of `os` while the block runs."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._watched(getattr(os, name)))
            yield

    def _watched(self, call: Callable[..., object]) -> Callable[..., object]:
        def watched(*args: object, **kwargs: object) -> object:
            self.taken += 1
            if self.taken == self._at:
                self._then()
            return call(*args, **kwargs)

        return watched


def fill_the_disk() -> None:
    """Fail as a call does on a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


def messages_in(tree: Path) -> list[str]:
    """Return the messages that can be seen in `tree`, each of which must be whole."""
    elements = [path for path in files_below(tree) if not path.name.endswith(".tmp")]
    messages = [path.read_text() for path in elements]
    assert [validate.problems(each.encode(), now=NOW) for each in messages] == [()] * len(messages)
    return messages


RUNS = (run_of(1), run_of(2, **PRIVATE_SITE), run_of(3))
SENT = [text(run_of(1)), text(run_of(3))]


def steps_of_a_put(root: Path) -> int:
    """Return how many steps it takes to put RUNS."""
    steps = Steps(0, fill_the_disk)
    with steps.watching():
        Queue(root).put_all(RUNS)
    return steps.taken


def test_an_error_at_any_step_leaves_nothing_half(tmp_path: Path) -> None:
    """Whole messages or none, none archived that was not handed over, and a repeat completes."""
    number = steps_of_a_put(tmp_path / "whole")
    assert number > 30, "the steps are not seen"
    for at in range(1, number + 1):
        queue = Queue(tmp_path / str(at))
        is_told = False
        with Steps(at, fill_the_disk).watching():
            try:
                queue.put_all(RUNS)
            except OSError as error:
                is_told = error.errno == errno.ENOSPC
        handed_over = messages_in(queue.outgoing)
        archived = messages_in(queue.archive)
        assert set(archived) - {text(RUNS[1])} <= set(handed_over)
        assert is_told or len(archived) == len(RUNS)
        queue.put_all(RUNS)
        assert sorted(messages_in(queue.archive)) == sorted(map(text, RUNS))
        assert sorted(consume(queue.outgoing)) == sorted(SENT)


@pytest.mark.parametrize("is_sent_between", [False, True])
def test_a_kill_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, is_sent_between: bool
) -> None:
    """After a restart each record is there once; ssmsend may run between the two or not."""
    number = steps_of_a_put(tmp_path / "whole")
    for at in range(1, number + 2):
        queue = Queue(tmp_path / str(at))
        child = os.fork()
        if child == 0:
            try:
                with Steps(at, lambda: os._exit(9)).watching():
                    queue.put_all(RUNS)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (9 if at <= number else 0)
        archived = set(messages_in(queue.archive)) & set(SENT)
        assert archived <= set(messages_in(queue.outgoing))
        received = consume(queue.outgoing) if is_sent_between else []
        queue.put_all(RUNS)
        assert sorted(messages_in(queue.archive)) == sorted(map(text, RUNS))
        received += consume(queue.outgoing)
        assert sorted(set(received)) == sorted(SENT)
        if not is_sent_between:
            assert len(received) == len(SENT)


def test_each_step_is_on_the_disk_before_the_next(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut cannot leave a name without content, nor an archive ahead of the queue."""
    story: list[str] = []
    fsync, link, rename = os.fsync, os.link, os.rename

    def note_fsync(handle: int) -> None:
        story.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name.split('.')[0]}")
        fsync(handle)

    def note_link(source: Path, target: Path) -> None:
        story.append("hand over")
        link(source, target)

    def note_rename(source: Path, target: Path) -> None:
        story.append("archive")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "link", note_link)
    monkeypatch.setattr(os, "rename", note_rename)
    queue.put(RUN)
    day = ELEMENT.partition("/")[0]
    assert story == [
        "sync ",
        "sync ",
        "hand over",
        "sync vcycle",
        "sync apel-outgoing",
        f"sync {day}",
        "archive",
        "sync vcycle",
        "sync apel-archive",
        f"sync {day}",
    ]


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let the kernel refuse to write files larger than `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room_for_the_message(queue: Queue) -> None:
    """A write that stops in the middle leaves no file at all."""
    with files_limited_to(100), pytest.raises(OSError, match="File too large"):
        queue.put_all(RUNS)
    assert files_below(queue.archive) + files_below(queue.outgoing) == []
    queue.put_all(RUNS)
    assert len(files_below(queue.archive)) == 3


@pytest.mark.parametrize("tree", ["archive", "outgoing"])
def test_a_tree_that_cannot_be_written(queue: Queue, tree: str) -> None:
    """A file where the folder should be: the error is told, and nothing appears elsewhere."""
    blocked: Path = getattr(queue, tree)
    blocked.parent.mkdir()
    blocked.touch()
    with pytest.raises(OSError, match=re.escape(str(blocked))):
        queue.put(RUN)
    assert files_below(blocked.parent) == [blocked]
    blocked.unlink()
    assert queue.put(RUN).read_text() == text(RUN)
    assert consume(queue.outgoing) == [text(RUN)]


@pytest.mark.parametrize(("times", "is_put"), [(1, True), (9, True), (10, False)])
def test_a_folder_that_ssmsend_removes_is_made_again(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, times: int, is_put: bool
) -> None:
    """Its clean-up may come between making the folder and using it, though hardly ten times."""
    mkdir, left = os.mkdir, [times]

    def mkdir_and_lose(path: str, *args: int) -> None:
        mkdir(path, *args)
        if Path(path).parent == queue.outgoing and left[0]:
            left[0] -= 1
            Path(path).rmdir()

    monkeypatch.setattr(os, "mkdir", mkdir_and_lose)
    if is_put:
        queue.put(RUN)
        assert consume(queue.outgoing) == [text(RUN)]
    else:
        with pytest.raises(FileNotFoundError):
            queue.put(RUN)
        assert files_below(queue.archive) + files_below(queue.outgoing) == []


def test_ssmsend_and_the_manager_at_the_same_time(queue: Queue) -> None:
    """While one fills the queue and the other empties it, each message is sent exactly once."""
    runs = [replace(run_of(n), ended_at=NOW - 86_400 * (n % 5)) for n in range(300)]
    received: list[str] = []
    is_over = threading.Event()

    def send() -> None:
        while not is_over.is_set():
            with suppress(OSError):  # dirq's purge may meet a folder that is just being used
                for message in consuming(queue.outgoing):
                    received.append(message)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for start in range(0, len(runs), 10):
            queue.put_all(runs[start : start + 10])
    finally:
        is_over.set()
        sender.join()
    received += consume(queue.outgoing)
    assert sorted(received) == sorted(map(text, runs))
    assert files_below(queue.outgoing) == []


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
