"""What the tests of packages run, said before anything else fails for want of it."""

from __future__ import annotations

import pytest

from tests.packages import lacking


@pytest.fixture(scope="session", autouse=True)
def _have_programs() -> None:
    """Name the packages of Debian that lack, all at once."""
    if words := lacking():
        pytest.fail(words)
