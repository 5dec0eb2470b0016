"""Managers whose clocks differ a little write of one machine: its times stay in their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW, machine
from vcycled.model import ListedMachine, MachineState
from vcycled.remember.ends import LastWords, ended, started_at

AHEAD = 60
"""So far may the clock of another manager be ahead of ours."""


def listed(*, started_at: int | None = None, stopped_at: int | None = None) -> ListedMachine:
    """Return what the cloud shows of a machine that runs."""
    return ListedMachine(
        name="vcycle-prod-0",
        cloud_id="vcycle-prod-0",
        state=MachineState.RUNNING,
        processors=1,
        started_at=started_at,
        stopped_at=stopped_at,
    )


@pytest.mark.parametrize("stated", [None, NOW - 5, NOW + 5])
def test_a_machine_starts_after_another_manager_asked_for_it(stated: int | None) -> None:
    """Though its clock is ahead of ours."""
    asked = machine(created_at=NOW + AHEAD, started_at=None)
    assert started_at(asked, listed(started_at=stated), now=NOW) == NOW + AHEAD


@given(
    created=st.integers(NOW - 200, NOW + AHEAD),
    began=st.none() | st.integers(0, 2 * AHEAD),
    stated=st.none() | st.integers(NOW - 300, NOW + 300),
    beat=st.none() | st.integers(NOW - 300, NOW + 300),
    sighted=st.none() | st.integers(NOW - 300, NOW + 300),
)
def test_a_machine_is_made_then_starts_then_ends(
    created: int, began: int | None, stated: int | None, beat: int | None, sighted: int | None
) -> None:
    """Whoever wrote which time, and whatever the cloud and the machine say."""
    ran = machine(created_at=created, started_at=None if began is None else created + began)
    over = ended(
        ran,
        listed(stopped_at=stated),
        LastWords(heartbeat_at=beat),
        sighted_at=sighted,
        now=NOW,
    )
    assert over.stopped_at is not None
    assert over.created_at <= over.stopped_at
    if over.started_at is not None:
        assert over.created_at <= over.started_at <= over.stopped_at
