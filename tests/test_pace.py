"""Calls are spread out, and none is made while the cloud says no."""

from __future__ import annotations

import pytest

from vcycled.errors import Unavailable
from vcycled.pace import Pace, pace_of
from vcycled.testing.clock import FakeClock


@pytest.mark.parametrize(
    ("calls", "passed_s"),
    [
        pytest.param(3, 0.0, id="the burst goes at once"),
        pytest.param(4, 0.5, id="one more waits for its token"),
        pytest.param(7, 2.0, id="from then on the rate holds"),
    ],
)
def test_calls_beyond_the_burst_wait(calls: int, passed_s: float) -> None:
    """Two a second after three at once."""
    clock = FakeClock()
    pace = Pace(2.0, 3, clock=clock)
    for _ in range(calls):
        pace.take("machines")
    assert clock.monotonic() == pytest.approx(passed_s)


def test_a_quiet_time_fills_the_bucket_and_no_more() -> None:
    """An hour of silence does not allow an hour of calls."""
    clock = FakeClock()
    pace = Pace(1.0, 2, clock=clock)
    pace.take("machines")
    pace.take("machines")
    clock.advance(3600)
    for _ in range(3):
        pace.take("machines")
    assert clock.monotonic() == pytest.approx(3601)


@pytest.mark.parametrize(("passed_s", "is_over"), [(29.5, False), (30, True), (31, True)])
def test_a_pause_turns_calls_away_unsent(passed_s: float, is_over: bool) -> None:
    """Until it is over, and it says how long that is."""
    clock = FakeClock()
    pace = Pace(1.0, 2, clock=clock)
    pace.pause(30)
    clock.advance(passed_s)
    if is_over:
        pace.take("create")
        return
    with pytest.raises(Unavailable, match="asked for a pause") as raised:
        pace.take("create")
    assert raised.value.is_undone
    assert raised.value.retry_after_s == 1


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    """Two calls were under way when the cloud had enough."""
    clock = FakeClock()
    pace = Pace(1.0, 2, clock=clock)
    pace.pause(30)
    pace.pause(5)
    clock.advance(10)
    with pytest.raises(Unavailable):
        pace.take("create")


def test_spaces_of_one_account_share_a_pace() -> None:
    """And only those, on one clock."""
    clock = FakeClock()
    mine = pace_of(("url", "user"), 10.0, 20, clock=clock)
    assert pace_of(("url", "user"), 10.0, 20, clock=clock) is mine
    assert pace_of(("url", "other"), 10.0, 20, clock=clock) is not mine
    assert pace_of(("url", "user"), 10.0, 20, clock=FakeClock()) is not mine
