"""What goes from apel-archive once it is old."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.apel_runs import NOW, run_of
from tests.ssmsend import consume
from vcycled.apel.queue import Queue
from vcycled.apel.retention import prune

DAY = 86_400
TODAY = date(2027, 1, 15)


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """A queue whose folders do not exist yet."""
    return Queue(tmp_path)


def put(queue: Queue, number: int, *, days_ago: int) -> Path:
    """Put a record whose run ended so many days before TODAY."""
    ended_at = NOW - days_ago * DAY
    return queue.put(replace(run_of(number), ended_at=ended_at, started_at=ended_at - 1000))


def test_whole_days_go(queue: Queue) -> None:
    """Those before the day that is given, with their folders."""
    old, last, young = (put(queue, n, days_ago=days) for n, days in enumerate((31, 30, 29)))
    consume(queue.outgoing)
    assert prune(queue, before=date(2026, 12, 16)) == 1
    assert not old.parent.exists()
    assert last.exists()
    assert young.exists()


def test_what_still_waits_stays(queue: Queue) -> None:
    """Its copy is what an operator would send again."""
    waiting, sent = put(queue, 1, days_ago=40), put(queue, 2, days_ago=40)
    (queue.outgoing / sent.relative_to(queue.archive)).unlink()
    assert prune(queue, before=TODAY) == 1
    assert waiting.exists()
    assert not sent.exists()


def test_what_is_being_sent_stays(queue: Queue) -> None:
    """Only ssmsend knows whether it will arrive."""
    path = put(queue, 1, days_ago=40)
    element = queue.outgoing / path.relative_to(queue.archive)
    element.rename(element.with_name(f"{element.name}.lck"))
    assert prune(queue, before=TODAY) == 0
    assert path.exists()


def test_what_a_crash_left_goes_too(queue: Queue) -> None:
    """Uncounted; what has a name of its own is somebody else's, and keeps its folder."""
    path = put(queue, 1, days_ago=40)
    consume(queue.outgoing)
    (path.parent / ".0123456789abcd.tmp").write_text("half")
    (path.parent / "README").write_text("mine")
    (queue.archive / "2025notaday").mkdir()
    assert prune(queue, before=TODAY) == 1
    assert [each.name for each in path.parent.iterdir()] == ["README"]
    assert (queue.archive / "2025notaday").exists()


def test_what_a_site_put_in_the_place_of_a_day_stays(queue: Queue, tmp_path: Path) -> None:
    """A file, or a link to where it keeps its old days."""
    path = put(queue, 1, days_ago=40)
    consume(queue.outgoing)
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.symlink_to(tmp_path / "elsewhere")
    (queue.archive / "20250101").write_text("packed")
    assert prune(queue, before=TODAY) == 0
    assert path.exists()
    assert (queue.archive / "20250101").exists()


def test_an_archive_that_is_not_there_yet_is_empty(queue: Queue) -> None:
    """Before the first record."""
    assert prune(queue, before=TODAY) == 0
