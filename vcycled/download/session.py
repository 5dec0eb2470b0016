"""How a server is spoken to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import requests

from vcycled import __version__
from vcycled.download.answers import REDIRECTS
from vcycled.download.watch import Watch, WatchedAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a server, in seconds."""

    connect_s: float
    read_s: float
    """For each part of the answer."""
    total_s: float


def session(watch: Watch, ca_folder: Path | None = None) -> requests.Session:
    """Return a session that verifies certificates and whose connections `watch` minds.

    Args:
        watch: minds the connections.
        ca_folder: authorities that are trusted besides the usual ones.
    """
    made = requests.Session()
    made.max_redirects = REDIRECTS
    made.headers["User-Agent"] = f"Vcycle {__version__}"
    # What is sent packed could be far longer than what arrives.
    made.headers["Accept-Encoding"] = "identity"
    made.mount("https://", WatchedAdapter(watch, ca_folder))
    made.mount("http://", WatchedAdapter(watch))
    return made
