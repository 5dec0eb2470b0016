"""The last step before the network: every request is paced, counted and timed.

It is the adapter of the session on which the SDK's client and the logins send, so that these count
as well. Nothing here sends a request twice or follows a redirection.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from vcycled.errors import Unavailable
from vcycled.pace import Pace
from vcycled.spaces.counting import CallCount

CONNECT_TIMEOUT_S = 10
"""Longest wait [s] for a connection."""
MOST_PAUSE_S = 3600
"""Longest pause [s] that Azure may ask for; it will say so again if it means longer."""
PAUSE_S = 10
"""Pause [s] after a 429 that does not say how long."""
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
        self.count = CallCount()
        """Of requests that were sent."""
        self._here = threading.local()
        never = Retry(total=False, redirect=False, raise_on_status=False)
        super().__init__(pool_maxsize=_POOL, max_retries=never)
        self._session = requests.Session()
        self._session.mount("https://", self)
        self._session.mount("http://", self)  # a host's own identity service
        self.transport: object = RequestsTransport(
            session=self._session, session_owner=False, connection_verify=ca_file or True
        )

    @contextmanager
    def logging_in(self) -> Iterator[None]:
        """Let the requests of this thread be for a login, whose answers the SDK does not judge.

        It takes every answer that holds no token for a refusal, that of a service which is down
        too.
        """
        self._here.is_login = True
        try:
            yield
        finally:
            self._here.is_login = False

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
            stream: whether the SDK reads the answer itself; it is read here all the same.
            timeout: not used, since every request has ours.
            verify: what the certificate of the other side is checked against.
            cert: what we show of ourselves.
            proxies: on the way.

        Raises:
            Unavailable: Azure asked for a pause that is not over, or the login service is down.
            requests.exceptions.RequestException: there was no answer.
        """
        operation = self.count.operation
        self.pace.take(operation)
        self.count.add(operation)
        answer = super().send(
            request, stream=stream, timeout=self._times, verify=verify, cert=cert, proxies=proxies
        )
        _ = answer.content  # read to its end, so that a cut is told and the connection free
        if getattr(self._here, "is_login", False):
            self._check_login(answer)
        return answer

    def _check_login(self, answer: requests.Response) -> None:
        """Let pass what the login service says of the credentials.

        Raises:
            Unavailable: it says nothing of them.
        """
        detail = ""
        retry_after_s = pause_s(answer.headers)
        if answer.status_code == 429 or answer.status_code >= 500:
            detail = f"the login service answers {answer.status_code}"
            self.pace.pause(retry_after_s or 0)
        else:
            try:
                answer.json()
            except requests.exceptions.JSONDecodeError:
                detail = "the login service does not answer in JSON: is there a proxy?"
        if detail:
            raise Unavailable("connect", detail, retry_after_s=retry_after_s, is_undone=True)

    def shut(self) -> None:
        """Close the connections; they open again when they are needed."""
        self._session.close()


def pause_s(headers: Mapping[str, str]) -> int | None:
    """Return for how long [s] an answer asks not to be called; None if it does not."""
    text = headers.get("Retry-After", "").strip()
    return min(int(text), MOST_PAUSE_S) if re.fullmatch(r"[0-9]{1,9}", text) else None
