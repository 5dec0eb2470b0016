"""What every part of the store works with."""

from __future__ import annotations

from vcycled.store.database import Database
from vcycled.store.rows import TermsBook


class Room:
    """Part of a Store: methods about one subject, over the same database."""

    def __init__(self, database: Database, terms: TermsBook) -> None:
        self._database = database
        self._terms = terms
