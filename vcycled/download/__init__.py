"""Getting files by http(s) from servers that may be slow, endless or broken."""

from __future__ import annotations

from vcycled.download.answers import Unusable, check, check_way, reason, shown
from vcycled.download.session import Patience, session
from vcycled.download.watch import Watch

__all__ = ["Patience", "Unusable", "Watch", "check", "check_way", "reason", "session", "shown"]
