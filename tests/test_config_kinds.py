"""Kinds of values of the manager's own sections."""

from __future__ import annotations

import pytest

from vcycled.config.tables.kinds import or_for_ever

DAYS = or_for_ever(31)


@pytest.mark.parametrize(("text", "days"), [("0", 0), ("31", 31), ("400", 400), ("36500", 36_500)])
def test_days_are_for_ever_or_not_too_few(text: str, days: int) -> None:
    """0 stands for what never ends."""
    assert DAYS.parse(text) == days


@pytest.mark.parametrize("text", ["1", "30", "36501", "-1", "never", ""])
def test_a_number_of_days_that_would_surprise_is_refused(text: str) -> None:
    """Who writes 1 does not mean that a record is gone tomorrow."""
    with pytest.raises(ValueError, match=r"must be 0 \(for ever\), or a whole number of days, 31"):
        DAYS.parse(text)
