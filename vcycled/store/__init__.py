"""What the manager remembers, in SQLite or PostgreSQL."""

from vcycled.store.accounting import APEL, Accounted, Key, SyncCount
from vcycled.store.history import Report
from vcycled.store.store import Store, restore
from vcycled.store.tenure import Lease, Manager, Presence, Roster, Wishes

__all__ = [
    "APEL",
    "Accounted",
    "Key",
    "Lease",
    "Manager",
    "Presence",
    "Report",
    "Roster",
    "Store",
    "SyncCount",
    "Wishes",
    "restore",
]
