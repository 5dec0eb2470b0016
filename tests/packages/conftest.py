"""What the tests of packages run, said before anything else fails for want of it."""

from __future__ import annotations

import shutil

import pytest

from tests.packages import PROGRAMS


@pytest.fixture(scope="session", autouse=True)
def _have_programs() -> None:
    """Name the packages of Debian that lack, all at once."""
    lacking = {PROGRAMS[each] for each in PROGRAMS if shutil.which(each) is None}
    if lacking:
        pytest.fail(f"these tests need: apt-get install {' '.join(sorted(lacking))}")
