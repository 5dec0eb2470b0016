"""The clock of live histories is wrong when it is said to be, for every process that shares it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcycled.clock import SystemClock
from vcycled.testing.clock import FastClock, WrongClock

SPEED = 10


@pytest.fixture
def clocks(tmp_path: Path) -> tuple[WrongClock, WrongClock, FastClock]:
    """Return one to set, another of the same host, and one that is right."""
    origin = SystemClock().now() - 100
    file = tmp_path / "clock"
    ours, other = (WrongClock(origin, SPEED, settings=file) for _ in range(2))
    return ours, other, FastClock(origin, SPEED)


@pytest.mark.parametrize("seconds", [-4000, 300, 0])
def test_a_clock_is_as_wrong_as_it_was_set_last(
    clocks: tuple[WrongClock, WrongClock, FastClock], seconds: int
) -> None:
    """Also that of another process; what tells elapsed time is not."""
    ours, other, right = clocks
    ours.set_ahead(86_400)
    ours.set_ahead(seconds)
    before, told, after = right.now(), other.now(), right.now()
    assert before + seconds <= told <= after + seconds
    start, elapsed, end = right.monotonic(), other.monotonic(), right.monotonic()
    assert start <= elapsed <= end


def test_what_was_stamped_before_keeps_what_the_clock_was_then(
    clocks: tuple[WrongClock, WrongClock, FastClock],
) -> None:
    """As the files of a host whose clock is set."""
    ours, other, right = clocks
    before = SystemClock().now() - 1.0
    ours.set_ahead(300)
    after = SystemClock().now() + 1.0
    assert other.of_stamp(before) == right.of_stamp(before)
    assert other.of_stamp(after) == right.of_stamp(after) + 300


def test_a_clock_that_nobody_set_is_right(
    clocks: tuple[WrongClock, WrongClock, FastClock],
) -> None:
    """There need not be a file."""
    _, other, right = clocks
    before, told, after = right.now(), other.now(), right.now()
    assert before <= told <= after
