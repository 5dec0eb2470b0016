"""What all tests share: how hypothesis looks for counterexamples, and who waits for disks.

`HYPOTHESIS_PROFILE=long` looks harder, and elsewhere each time; the default is the same each time.
"""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

_SLOW_HOST = (HealthCheck.too_slow,)

settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, suppress_health_check=_SLOW_HOST
)
settings.register_profile(
    "long", max_examples=2000, deadline=None, database=None, suppress_health_check=_SLOW_HOST
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what is played hundreds of times out of `make coverage`, as it takes twice as long.

    Tables reach each line that these reach, and a line that only chance reaches is not tested.
    """
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session", autouse=True)
def _usual() -> Iterator[object]:
    """Let no test wait for a disk, since none cuts the power; give what SQLite usually does.

    The processes that tests start and kill write as they always do.
    """
    # Only now: what this file itself imports is not measured by coverage.
    from vcycled.store import database  # noqa: PLC0415

    off = "PRAGMA synchronous = OFF"
    usual = database._SQLITE
    quick = {
        mode: tuple(off if "synchronous" in each else each for each in statements)
        for mode, statements in usual.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(database, "_SQLITE", quick)
        yield usual


@pytest.fixture
def synced(_usual: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database wait for the disk as it always does."""
    monkeypatch.setattr("vcycled.store.database._SQLITE", _usual)


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[logging.Logger]:
    """Give the root logger back as it was: programs that tests run say where they log to."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
