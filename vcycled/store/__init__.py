"""What the manager remembers, in SQLite or PostgreSQL."""

from vcycled.store.accounting import APEL, Accounted, Key, SyncCount
from vcycled.store.history import Report
from vcycled.store.store import Store, restore

__all__ = ["APEL", "Accounted", "Key", "Report", "Store", "SyncCount", "restore"]
