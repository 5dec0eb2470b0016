"""The queue when something goes wrong: kills, full disks, and ssmsend at the same time."""

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

from tests import apel_queue_kit
from tests.apel_queue_kit import ELEMENT, RUNS, SENT, first_place, messages_in, text
from tests.apel_runs import NOW, RUN, run_of
from tests.ssmsend import consume, consuming, files_below
from vcycled.apel.queue import Queue

queue = apel_queue_kit.queue

CALLS = ("open", "mkdir", "fchmod", "fsync", "link", "rename", "unlink")
"""The calls of `os` that change or secure something."""


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
