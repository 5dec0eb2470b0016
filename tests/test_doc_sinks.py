"""The sink that docs/how-to/accounting-sinks.md shows is one: it passes the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from tests.doc_blocks import TOP, blocks_of
from vcycled.accounting.base import NoOptions, Sink
from vcycled.testing.sinks import SinkContract


@cache
def shown(name: str) -> type:
    """Return a class of the page, made by running its block."""
    page = TOP / "docs" / "how-to" / "accounting-sinks.md"
    (block,) = [
        each for each in blocks_of(page) if each.kind == "python" and f"class {name}" in each.text
    ]
    there: dict[str, object] = {}
    exec(compile(block.text, str(block), "exec"), there)  # our own page
    return cast("type", there[name])


class TestFolderSink(SinkContract):
    """As its author would subclass it."""

    @pytest.fixture
    def make_sink(self, tmp_path: Path) -> Callable[[], Sink]:
        """Write below one folder."""
        kind = shown("FolderSink")
        return lambda: cast("Sink", kind("mine", NoOptions(), root=tmp_path))

    @pytest.fixture
    def taken(self, tmp_path: Path) -> Callable[[], Sequence[str]]:
        """Look into it."""
        return lambda: [path.name for path in tmp_path.glob("accounting/mine/*")]

    @pytest.fixture
    def outage(self, tmp_path: Path) -> Callable[[], AbstractContextManager[None]]:
        """Put a file in its place."""

        @contextmanager
        def blocked() -> Iterator[None]:
            (tmp_path / "accounting").touch()
            yield
            (tmp_path / "accounting").unlink()

        return blocked


def test_the_tests_that_it_shows_are_those_of_the_contract() -> None:
    """Subclassed as the page says."""
    assert issubclass(shown("TestFolderSink"), SinkContract)
