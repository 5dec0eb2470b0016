"""What the manager remembers, in SQLite or PostgreSQL."""

from vcycled.accounting.base import APEL
from vcycled.store.accounting import Accounted, SyncCount
from vcycled.store.dues import Key
from vcycled.store.history import Report
from vcycled.store.lives import Life
from vcycled.store.search import Numbered, Place, WantedEvents, WantedMachines
from vcycled.store.sinks import Backlog, Outage, Refused
from vcycled.store.store import Store, restore
from vcycled.store.tenure import Lease, Manager, Presence, Roster, Wishes
from vcycled.store.usage import Usage

__all__ = [
    "APEL",
    "Accounted",
    "Backlog",
    "Key",
    "Lease",
    "Life",
    "Manager",
    "Numbered",
    "Outage",
    "Place",
    "Presence",
    "Refused",
    "Report",
    "Roster",
    "Store",
    "SyncCount",
    "Usage",
    "WantedEvents",
    "WantedMachines",
    "Wishes",
    "restore",
]
