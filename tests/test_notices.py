"""What a space wants known though all works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World
from vcycled.errors import Unavailable

SOON = "the application credential ends in 9 days"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a manager of a space that has something to say."""
    made = World(tmp_path)
    made.cloud.extras.notices.append(SOON)
    yield made
    made.close()


def test_a_notice_is_logged_once_and_reported_while_it_is_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Every cycle's report has it; the log has it when it is new."""
    assert [world.cycle().report.notices for _ in range(3)] == [(SOON,)] * 3
    assert caplog.text.count(f'space-notice space=space.example.org detail="{SOON}"') == 1
    world.cloud.extras.notices.clear()
    assert world.cycle().report.notices == ()
    world.cloud.extras.notices.append(SOON)
    world.cycle()
    assert caplog.text.count("space-notice") == 2


def test_a_notice_is_reported_also_when_the_cloud_cannot_be_looked_at(world: World) -> None:
    """It may be the reason."""
    world.cloud.fail_next("connect", Unavailable("connect", "401"))
    report = world.cycle().report
    assert (report.error, report.notices) == ("connect: 401", (SOON,))


def test_when_credentials_end_is_reported_also_when_the_cloud_cannot_be_looked_at(
    world: World,
) -> None:
    """An end that has come may be the reason."""
    world.cloud.extras.credential_ends["application credential c1"] = 7
    assert world.cycle().report.credential_ends == {"application credential c1": 7}
    world.cloud.fail_next("connect", Unavailable("connect", "401"))
    assert world.cycle().report.credential_ends == {"application credential c1": 7}


def test_the_calls_of_a_cycle_are_counted_for_it_alone(world: World) -> None:
    """Connect, limits, one listing."""
    world.cycles(2)
    assert world.cycle().report.api_calls == 3
