"""How often a machine may put something."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.web_site import LIMITS, TWO, running
from vcycled.testing.clock import FakeClock
from vcycled.web import rates
from vcycled.web.rates import Rates


def test_so_many_at_once_and_then_one_for_each_share_of_a_minute() -> None:
    """Sixty a minute is one a second once the sixty are used."""
    clock = FakeClock()
    mine = Rates(60, clock=clock)
    assert [mine.wait_s("one") for _ in range(60)] == [0.0] * 60
    assert mine.wait_s("one") == pytest.approx(1.0)
    clock.advance(1)
    assert [mine.wait_s("one") for _ in range(2)] == [0.0, pytest.approx(1.0)]


def test_machines_do_not_count_for_each_other() -> None:
    """One that may no more stops no other."""
    mine = Rates(1, clock=FakeClock())
    assert [mine.wait_s(each) for each in ("one", "one", "two")] == [0.0, pytest.approx(60.0), 0.0]


def test_a_quiet_time_earns_no_more_than_the_most() -> None:
    """An hour of silence is no right to an hour's worth at once."""
    clock = FakeClock()
    mine = Rates(2, clock=clock)
    mine.wait_s("one")
    clock.advance(3600)
    assert [mine.wait_s("one") for _ in range(3)] == [0.0, 0.0, pytest.approx(30.0)]


def test_only_those_are_forgotten_that_may_do_all_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the machines of the last minute; nobody gains by being forgotten."""
    monkeypatch.setattr(rates, "_MOST", 2)
    clock = FakeClock()
    mine = Rates(1, clock=clock)
    mine.wait_s("old")
    clock.advance(61)
    for name in ("busy", "other", "third"):
        mine.wait_s(name)
    assert mine.wait_s("busy") > 0
    assert set(mine._left) == {"busy", "other", "third"}


async def test_a_machine_that_puts_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    """429 before anything is read; the other machine is not concerned."""
    async with running(tmp_path, replace(LIMITS, puts_per_minute=3)) as site:
        answers = [await site.put("log", b"x") for _ in range(4)]
        assert [answer.status for answer in answers] == [201, 204, 204, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        assert (await site.put("log", b"x", machine=TWO)).status == 201
