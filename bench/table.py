"""Figures as a table that can be put into a page as it is; each row is shown when it is there."""

from __future__ import annotations

from collections.abc import Sequence


class Table:
    """A Markdown table on standard output."""

    def __init__(self, *columns: str) -> None:
        self._columns = columns

    def head(self) -> None:
        """Print the names of the columns."""
        self.row(self._columns)
        self.row([f"{'-' * (len(name) - 1)}:" for name in self._columns])

    def row(self, cells: Sequence[object]) -> None:
        """Print one row; numbers with a fraction have two significant digits or more."""
        pairs = zip(cells, self._columns, strict=True)
        print(
            "|", " | ".join(f"{_text(cell):>{len(name)}}" for cell, name in pairs), "|", flush=True
        )


def _text(cell: object) -> str:
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    return f"{cell:.0f}" if cell >= 10 else f"{cell:.2f}" if cell >= 0.1 else f"{cell:.3f}"
