"""The last step before the network: every request is paced, counted and timed.

It is the adapter of the session on which the SDK's client and the logins send, so that these count
as well. Nothing here sends a request twice or follows a redirection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from vcycled.pace import Pace

CONNECT_TIMEOUT_S = 10
"""Longest wait [s] for a connection."""
_POOL = 64
"""Connections kept open to each host: more than there are threads for a space."""


class Wire(HTTPAdapter):
    """An adapter of requests, and the transport of the SDK that sends by it.

    Args:
        pace: of the account.
        read_timeout_s: longest silence [s] in an answer.
        ca_file: authorities that certificates are checked against; None are those of certifi.
    """

    def __init__(self, pace: Pace, *, read_timeout_s: float, ca_file: str | None) -> None:
        self.pace = pace
        self._times = (float(CONNECT_TIMEOUT_S), float(read_timeout_s))
        self._lock = threading.Lock()
        self._calls = 0
        self._here = threading.local()
        never = Retry(total=False, redirect=False, raise_on_status=False)
        super().__init__(pool_maxsize=_POOL, max_retries=never)
        self._session = requests.Session()
        self._session.mount("https://", self)
        self._session.mount("http://", self)  # a host's own identity service
        self.transport: object = RequestsTransport(
            session=self._session, session_owner=False, connection_verify=ca_file or True
        )

    @property
    def calls(self) -> int:
        """How many requests were sent."""
        return self._calls

    @contextmanager
    def doing(self, operation: str) -> Iterator[None]:
        """Let the requests of this thread be part of an operation, for pauses to say so."""
        self._here.operation = operation
        yield

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,  # noqa: ARG002
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request when its turn has come.

        Args:
            request: what to send.
            stream: whether the SDK reads the answer itself.
            timeout: not used, since every request has ours.
            verify: what the certificate of the other side is checked against.
            cert: what we show of ourselves.
            proxies: on the way.

        Raises:
            Unavailable: Azure asked for a pause that is not over.
            requests.exceptions.RequestException: there was no answer.
        """
        self.pace.take(getattr(self._here, "operation", "connect"))
        with self._lock:
            self._calls += 1
        return super().send(
            request, stream=stream, timeout=self._times, verify=verify, cert=cert, proxies=proxies
        )

    def shut(self) -> None:
        """Close the connections; they open again when they are needed."""
        self._session.close()
