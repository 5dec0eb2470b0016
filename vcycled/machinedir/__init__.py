"""The published tree under /var/lib/vcycle: what machines are shown and what they say.

`MachineDir` is the manager's hand in it; the web process reads the same `Layout`.
"""

from vcycled.machinedir.layout import Layout
from vcycled.machinedir.reports import Heartbeat
from vcycled.machinedir.tokens import hash_of, is_token, new_token
from vcycled.machinedir.tree import HeartbeatRow, MachineDir, NewMachine, Noted

__all__ = [
    "Heartbeat",
    "HeartbeatRow",
    "Layout",
    "MachineDir",
    "NewMachine",
    "Noted",
    "hash_of",
    "is_token",
    "new_token",
]
