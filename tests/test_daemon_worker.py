"""When the cycles of one space begin, by clocks that may be set while one is under way."""

from __future__ import annotations

import pytest

from vcycled import kvlog
from vcycled.config import SpaceConfig, SpaceOptions
from vcycled.cycle import SpaceCycle
from vcycled.cycle.report import SpaceReport
from vcycled.cycle.run import Outcome
from vcycled.daemon.worker import SpaceWorker
from vcycled.testing.clock import FakeClock

EVERY_S = 60
TOOK_S = 5
CONFIG = SpaceConfig(
    name="space.example.org",
    api="memory",
    options=SpaceOptions(api="memory", cycle_seconds=EVERY_S),
    api_options=None,
    machinetypes=(),
    held="",
    is_removed=False,
)


class _Cycle(SpaceCycle):
    """Takes its time, and the clock is set before or after it plans when to look again."""

    def __init__(self, clock: FakeClock, *, took_s: int, before: int = 0, after: int = 0) -> None:
        self._clock = clock
        self._took_s = took_s
        self._sets = before, after

    def run(self, config: SpaceConfig, *, held: str = "") -> Outcome:
        before, after = self._sets
        self._clock.jump(before)
        at = self._clock.now()
        self._clock.advance(self._took_s)
        self._clock.jump(after)
        report = SpaceReport(space=config.name, at=at, wake_at=at + EVERY_S, mode="manage")
        return Outcome(report=report)

    def close(self) -> None:
        """Leave nothing."""


def waited(cycle: _Cycle, clock: FakeClock) -> float:
    """Return how long a worker waits after one cycle, in seconds."""
    wanted = iter([(CONFIG, "")])
    worker = SpaceWorker(cycle, lambda: next(wanted, None), clock=clock, log=kvlog.get("worker"))
    began = clock.monotonic()
    worker.start()
    assert worker.join(60)
    return clock.monotonic() - began - cycle._took_s


@pytest.mark.parametrize(
    ("before", "after", "most_s"),
    [
        (0, 0, EVERY_S - TOOK_S),
        (0, -7200, EVERY_S - TOOK_S),
        (0, 7200, 0),
        (-7200, 0, 0),
        (7200, 0, EVERY_S - TOOK_S),
    ],
)
def test_a_clock_that_is_set_meanwhile_puts_no_cycle_off(
    before: int, after: int, most_s: int
) -> None:
    """Machines would be watched by nobody for as long as it was set back."""
    clock = FakeClock()
    cycle = _Cycle(clock, took_s=TOOK_S, before=before, after=after)
    assert waited(cycle, clock) == most_s


@pytest.mark.parametrize(
    ("took_s", "told"),
    [
        (EVERY_S, ""),
        (EVERY_S + 1, "late=1 skipped=1"),
        (2 * EVERY_S, "late=60 skipped=2"),
    ],
)
def test_a_cycle_that_overran_is_told_whatever_the_clock_says(
    caplog: pytest.LogCaptureFixture, took_s: int, told: str
) -> None:
    """By the time that it took, not by what the clock was set to."""
    clock = FakeClock()
    waited(_Cycle(clock, took_s=took_s, after=7200), clock)
    assert ("cycle-overran" in caplog.text) is bool(told)
    assert told in caplog.text
