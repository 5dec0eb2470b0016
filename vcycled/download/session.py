"""How a server is spoken to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

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


class _Session(requests.Session):
    """Heeds proxies and authorities that the environment states, and no password kept there.

    requests looks up a URL's host in the ~/.netrc of the user. A community may name any URL, and
    would be sent what that user has to say to quite another service of that host.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = _in_url

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Let no password follow a redirect to another host, and look up none for that host."""
        asked, next_url = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(asked, next_url):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


def _in_url(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Put in the password that the URL itself has, as requests does if told nothing else."""
    user, password = get_auth_from_url(request.url or "")
    return HTTPBasicAuth(user, password)(request) if user or password else request


def session(watch: Watch, ca_folder: Path | None = None) -> requests.Session:
    """Return a session that verifies certificates and whose connections `watch` minds.

    It uses the proxies that the environment names (http_proxy, https_proxy, no_proxy), and never
    a password of ~/.netrc.

    Args:
        watch: minds the connections.
        ca_folder: authorities that are trusted besides the usual ones.
    """
    made = _Session()
    made.max_redirects = REDIRECTS
    made.headers["User-Agent"] = f"Vcycle {__version__}"
    # What is sent packed could be far longer than what arrives.
    made.headers["Accept-Encoding"] = "identity"
    made.mount("https://", WatchedAdapter(watch, ca_folder))
    made.mount("http://", WatchedAdapter(watch))
    return made
