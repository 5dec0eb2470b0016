"""Vacuum pipes are fetched beside the cycles, from real servers on loopback."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.http_servers import Script, answer, serving
from vcycled import kvlog
from vcycled.config import PipeConfig, pipe_fetch
from vcycled.config.pipe_document import PipeDocument
from vcycled.config.pipe_fetch import fetch_pipe
from vcycled.config.pipe_shelf import Copy, Shelf
from vcycled.daemon.pipes import PipeKeeper
from vcycled.testing.clock import START, FakeClock

SPACE = "cloud.example.com"


def body(*suffixes: str, cache_seconds: int = 600) -> bytes:
    """Return a document with these machinetypes."""
    kinds = [{"suffix": suffix} for suffix in suffixes]
    return json.dumps({"cache_seconds": cache_seconds, "machinetypes": kinds}).encode()


class Bed:
    """A keeper, its clock, and a server whose answer a test sets."""

    def __init__(self, root: Path, script: Script, port: int) -> None:
        self.clock = FakeClock()
        self.keeper = PipeKeeper(clock=self.clock, log=kvlog.get("test"))
        self.shelf = Shelf(root=root)
        self.script = script
        url = f"http://me:sesame@127.0.0.1:{port}/pipe.json"
        self.pipe = PipeConfig(space=SPACE, prefix="vo", url=url)

    def say(self, status: str, content: bytes = b"") -> None:
        """Let the server answer so from now on."""
        self.script.pieces = (answer(status, content),)

    def tend(self, seconds: int = 0) -> int:
        """Let the time pass, tend the pipe until it is done; return how often it was asked."""
        self.clock.advance(seconds)
        before = len(self.script.heard)
        self.keeper.tend([self.pipe], self.shelf)
        wait_for(lambda: not any(turn.is_busy for turn in self.keeper._turns.values()))
        return len(self.script.heard) - before

    @property
    def copy(self) -> Copy | None:
        """Return what is kept."""
        return self.shelf.find(SPACE, "vo", self.pipe.url).copy


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, at most a minute."""
    never = threading.Event()
    for _ in range(6000):
        if is_so():
            return
        never.wait(0.01)
    raise AssertionError("it never was so")


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """Return a pipe that nobody has asked yet."""
    script = Script((answer("200 OK", body("prod")),))
    with serving(script) as port:
        yield Bed(tmp_path, script, port)


def test_a_pipe_is_fetched_and_kept(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    """Soon after it is known; the log shows no secret of the URL."""
    with caplog.at_level(logging.INFO):
        assert bed.tend() == 1
    assert bed.copy == Copy(url=bed.pipe.url, text=body("prod").decode(), since=START)
    (record,) = caplog.records
    assert record.message.startswith(f"pipe-fetched space={SPACE} pipe=vo url=")
    assert record.message.endswith("/pipe.json machinetypes=1")
    assert "sesame" not in record.message
    assert "User-Agent: Vcycle" in bed.script.heard[0]


@pytest.mark.parametrize(("seconds", "times"), [(599, 0), (600, 1)])
def test_a_pipe_is_asked_as_often_as_it_wants(bed: Bed, seconds: int, times: int) -> None:
    """After cache_seconds of its document, not before."""
    bed.tend()
    assert bed.tend(seconds) == times


def test_nothing_is_written_or_said_while_nothing_changes(
    bed: Bed, caplog: pytest.LogCaptureFixture
) -> None:
    """So that the configuration is not read again for nothing."""
    bed.tend()
    path = bed.shelf.path(SPACE, "vo")
    before = path.stat()
    with caplog.at_level(logging.INFO):
        assert bed.tend(600) == 1
    assert path.stat() == before
    assert caplog.records == []


def test_a_change_is_kept_with_its_time(bed: Bed) -> None:
    """The new document counts from when it was first seen."""
    bed.tend()
    bed.say("200 OK", body("prod", "test"))
    bed.tend(600)
    assert bed.copy is not None
    assert (bed.copy.text, bed.copy.since) == (body("prod", "test").decode(), START + 600)


@pytest.mark.parametrize(
    ("status", "content", "why"),
    [
        ("500 Oh", b"", "answered 500 Oh, not 200"),
        ("200 OK", b"<html>", "it is no JSON (line 1)"),
        ("200 OK", b'{"a": 1}', "it has no list of machinetypes"),
        ("200 OK", b"\xff", "it is no UTF-8 text"),
        ("200 OK", b" " * (2**20 + 1), "longer than 1048576 bytes"),
    ],
    ids=["an error", "a page", "another document", "no text", "endless"],
)
def test_an_answer_that_is_no_document_leaves_the_good_copy(
    bed: Bed, status: str, content: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Since when and why it fails is kept beside it, and told once."""
    bed.tend()
    bed.say(status, content)
    with caplog.at_level(logging.INFO):
        assert [bed.tend(600), bed.tend(60), bed.tend(119), bed.tend(1)] == [1, 1, 0, 1]
    assert bed.copy is not None
    assert (bed.copy.text, bed.copy.since) == (body("prod").decode(), START)
    assert bed.copy.failed_since == START + 600
    assert why in bed.copy.error
    (record,) = caplog.records
    assert record.message.startswith(f"pipe-failed space={SPACE} pipe=vo error=")
    assert "sesame" not in record.message + bed.copy.error


def test_a_pipe_that_comes_back_is_as_before(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    """Its trouble is forgotten; that it is there again is told."""
    bed.tend()
    good = bed.copy
    bed.say("503 Later")
    bed.tend(600)
    bed.say("200 OK", body("prod"))
    with caplog.at_level(logging.INFO):
        bed.tend(60)
    assert bed.copy == good
    said = [record.message.split()[0] for record in caplog.records]
    assert said == ["pipe-failed", "pipe-fetched"]
    assert bed.tend(599) == 0


def test_a_pipe_that_stays_dead_is_asked_ever_less_often(bed: Bed) -> None:
    """After a minute, two, four ... an hour."""
    bed.say("500 Oh")
    waits = []
    assert bed.tend() == 1
    for _ in range(8):
        (turn,) = bed.keeper._turns.values()
        waits.append(round(turn.due_at - bed.clock.monotonic()))
        assert bed.tend(waits[-1]) == 1
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert bed.copy is not None
    assert (bed.copy.text, bed.copy.since, bed.copy.failed_since) == ("", None, START)


def test_a_new_manager_asks_at_once_and_has_the_copy_meanwhile(bed: Bed) -> None:
    """What is kept outlives a restart, also if the pipe is dead."""
    bed.tend()
    good = bed.copy
    bed.keeper = PipeKeeper(clock=bed.clock, log=kvlog.get("test"))
    assert bed.copy == good
    assert bed.tend() == 1


def test_a_pipe_of_another_url_is_another_pipe(bed: Bed) -> None:
    """It is asked at once, and its copy replaces the old one."""
    bed.tend()
    bed.pipe = PipeConfig(space=SPACE, prefix="vo", url=bed.pipe.url + "?new")
    assert bed.copy is None
    assert bed.tend() == 1
    assert bed.copy is not None


def test_a_pipe_that_hangs_hinders_no_other(bed: Bed, tmp_path: Path) -> None:
    """Each is asked by a thread of its own, and never twice at once."""
    gate = threading.Event()
    silent = Script((b"",), gate=gate)
    with serving(silent) as port:
        url = f"http://127.0.0.1:{port}/"
        hanging = PipeConfig(space=SPACE, prefix="slow", url=url)
        for _ in range(3):
            bed.keeper.tend([hanging, bed.pipe], bed.shelf)
        wait_for(lambda: bed.copy is not None)
        assert bed.keeper._turns[hanging].is_busy
        bed.keeper.tend([hanging, bed.pipe], bed.shelf)
        gate.set()
        wait_for(lambda: not bed.keeper._turns[hanging].is_busy)
    assert len(silent.heard) == 1


def test_a_copy_that_cannot_be_kept_is_told_and_tried_again(
    bed: Bed, caplog: pytest.LogCaptureFixture
) -> None:
    """The pipe itself is not to blame."""
    (bed.shelf.root / "pipescache").write_text("in the way")
    with caplog.at_level(logging.INFO):
        assert bed.tend() == 1
        assert bed.copy is None
        (bed.shelf.root / "pipescache").unlink()
        assert bed.tend(60) == 1
    assert Path(bed.shelf.path(SPACE, "vo")).is_file()
    failed, fetched = (record.message for record in caplog.records)
    assert "its copy cannot be kept in" in failed
    assert fetched.startswith("pipe-fetched")


def test_a_bug_in_one_turn_is_not_the_end(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and the pipe is asked again in an hour."""
    good, bed.shelf = bed.shelf, BrokenShelf(root=bed.shelf.root)
    assert bed.tend() == 0
    (record,) = caplog.records
    assert record.message == f"pipe-broken space={SPACE} pipe=vo"
    assert record.exc_info is not None
    assert bed.tend(3600) == 0
    assert len(caplog.records) == 1
    bed.shelf = good
    assert bed.tend(3599) == 0
    assert bed.tend(1) == 1


def test_a_bug_that_a_document_meets_is_shown_like_a_bad_answer(
    bed: Bed, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its good copy goes on; the traceback is logged once, however often it is asked."""

    def broken(text: str) -> PipeDocument:
        raise RecursionError(text)

    bed.tend()
    with monkeypatch.context() as patched:
        patched.setattr(pipe_fetch, "parse_pipe", broken)
        with caplog.at_level(logging.WARNING):
            assert [bed.tend(600), bed.tend(60), bed.tend(120)] == [1, 1, 1]
    assert [record.message.split()[0] for record in caplog.records] == [
        "pipe-broken",
        "pipe-failed",
    ]
    assert bed.copy is not None
    assert bed.copy.text == body("prod").decode()
    assert bed.copy.failed_since == START + 600
    assert bed.copy.error == "a bug in Vcycle, RecursionError; its log has the traceback"
    assert bed.tend(240) == 1
    assert bed.copy.error == ""


class BrokenShelf(Shelf):
    """One that nobody expected."""

    def find(self, space: str, prefix: str, url: str) -> object:  # type: ignore[override] # that is it
        """Break."""
        raise LookupError(space, prefix, url)


def test_a_pipe_that_is_gone_from_the_files_is_asked_no_more(bed: Bed) -> None:
    """Nor remembered."""
    bed.tend()
    bed.keeper.tend([], bed.shelf)
    bed.clock.advance(600)
    bed.keeper.tend([], bed.shelf)
    assert bed.keeper._turns == {}
    assert len(bed.script.heard) == 1


def test_a_first_failure_is_kept_with_its_time() -> None:
    """A port where nobody listens."""
    pipe = PipeConfig(space=SPACE, prefix="vo", url="http://127.0.0.1:9/")
    first = fetch_pipe(pipe, None, now=START)
    second = fetch_pipe(pipe, first.copy, now=START + 60)
    assert (first.document, second.copy) == (None, first.copy)
    assert first.copy == Copy(
        url=pipe.url,
        failed_since=START,
        error="Connection refused",
    )
