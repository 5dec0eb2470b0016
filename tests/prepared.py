"""The database that the first start of a manager makes: made once in a process, then copied.

Making its tables takes longer than most tests; that a start makes them is tested with the store.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from vcycled.store import Store
from vcycled.testing.clock import FakeClock


def put_database(path: Path) -> None:
    """Put a database without a row at `path`, unless one is there."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(_made())


@cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vcycle.db"
        Store.open(f"sqlite:///{path}", clock=FakeClock()).close()
        return path.read_bytes()
