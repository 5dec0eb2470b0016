"""The last step before the network: every request is paced, counted, timed, and read to its end.

It sits below keystoneauth, as the transport of its session, so that logins and discovery count as
well, and so that what goes wrong on the wire comes up as ours, with what it means.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urljoin, urlsplit

import requests
from keystoneauth1.session import TCPKeepAliveAdapter
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from vcycled.errors import Refused, SpaceError, Unavailable
from vcycled.pace import Pace
from vcycled.spaces.counting import CallCount

CONNECT_TIMEOUT_S = 10
"""Longest wait [s] for a connection."""
UPLOAD_TIMEOUT_S = 600.0
"""Longest silence [s] in an upload, and after it: the image service may copy it on first."""
_POOL = 64
"""Connections kept open to each host: more than there are threads for a space."""

_BEFORE_SENDING = ("HANDSHAKE", "VERSION", "PROTOCOL")
"""In the reasons of TLS errors that come up before anything was sent."""


class Wire(TCPKeepAliveAdapter):
    """A transport of requests that raises SpaceError and nothing else."""

    def __init__(self, pace: Pace, *, read_timeout_s: float) -> None:
        self.pace = pace
        self._read_timeout_s = read_timeout_s
        self.count = CallCount()
        """Of requests that were sent; what they are for is told in errors as well."""
        super().__init__(pool_maxsize=_POOL)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,  # noqa: ARG002
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request when its turn has come, and return the whole answer.

        Args:
            request: what to send.
            stream: not used, since every answer is read to its end.
            timeout: not used, since every request has ours.
            verify: what the certificate of the other side is checked against.
            cert: what we show of ourselves.
            proxies: on the way.

        Raises:
            Unavailable: there was no whole answer, or the cloud asked for a pause.
            Refused: the certificate of the cloud is not trusted, a file of ours is not there, or
                the cloud sends us to another host.
        """
        operation = self.count.operation
        self.pace.take(operation)
        self.count.add(operation)
        silent_s, connect_s = self._read_timeout_s, float(CONNECT_TIMEOUT_S)
        if hasattr(request.body, "read"):  # while sending, the limit on connecting counts
            silent_s = connect_s = UPLOAD_TIMEOUT_S
        try:
            response = super().send(
                request,
                stream=True,
                timeout=(connect_s, silent_s),
                verify=verify,
                cert=cert,
                proxies=proxies,
            )
            _ = response.content  # read here, where a cut is told
        except OSError as error:  # those of requests are OSErrors too
            raise of_failure(operation, error, str(request.url), silent_s) from None
        _check_redirection(operation, response)
        return response


def _check_redirection(operation: str, response: requests.Response) -> None:
    """Refuse to be sent to another host, which keystoneauth would give the password or token."""
    if not response.is_redirect:
        return
    here = str(response.url)
    there = urljoin(here, response.headers["Location"])
    if _origin(here) != _origin(there):
        detail = (
            f"{_origin(here)} sends us on to {_origin(there)}; if that is right, write it in url"
        )
        raise Refused(operation, detail)
    response.headers["Location"] = there  # keystoneauth takes it for a whole URL


def _origin(url: str) -> str:
    return f"{urlsplit(url).scheme}://{_place(url)}"


def of_failure(operation: str, error: OSError, url: str, read_timeout_s: float) -> SpaceError:
    """Return what it means that there was no whole answer.

    The text of the error itself is not shown: it may hold a URL with a password of a proxy.
    """
    place = _place(url)
    match error:
        case requests.exceptions.SSLError():
            return _of_tls(operation, error, place)
        case requests.exceptions.ConnectTimeout():
            detail = f"no connection to {place} within {CONNECT_TIMEOUT_S} s"
            return Unavailable(operation, detail, is_undone=True)
        case requests.exceptions.Timeout():
            return Unavailable(operation, f"no answer from {place} within {read_timeout_s:g} s")
        case (
            requests.exceptions.ConnectionError()
            | requests.exceptions.ChunkedEncodingError()
            | requests.exceptions.ContentDecodingError()
        ):
            never = _never_connected(error, place)
            cut = f"the connection to {place} was cut before the whole answer"
            return Unavailable(operation, never or cut, is_undone=bool(never))
        case requests.exceptions.RequestException():
            return Refused(operation, f"{place} cannot be called ({type(error).__name__})")
        case _:
            return Refused(operation, f"a certificate file cannot be used: {error}")


def _never_connected(error: OSError, place: str) -> str:
    """Return in words why there was no connection; "" if there was one."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(reason, NameResolutionError):
        return f"there is no address for {place}"
    if isinstance(reason, NewConnectionError):
        low = reason.__cause__
        why = low.strerror if isinstance(low, OSError) and low.strerror else "no route"
        return f"no connection to {place}: {why}"
    return ""


def _of_tls(operation: str, error: OSError, place: str) -> SpaceError:
    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            why = each.verify_message or "it does not fit"
            return Refused(operation, f"the certificate of {place} is not trusted: {why}")
        if isinstance(each, ssl.SSLError):
            reason = getattr(each, "reason", None) or "the connection was cut"
            if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
                detail = f"{place} does not take our certificate: {_words(reason)}"
                return Refused(operation, detail)
            if reason.startswith("NO_CERTIFICATE"):
                return Refused(operation, "ca_file holds no certificate")
            is_undone = any(word in reason for word in _BEFORE_SENDING)
            detail = f"no TLS connection to {place}: {_words(reason)}"
            return Unavailable(operation, detail, is_undone=is_undone)
    return Unavailable(operation, f"no TLS connection to {place}")


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error and those it was made of."""
    while error is not None:
        yield error
        inner = error.args[0] if error.args else None
        if isinstance(inner, MaxRetryError):
            inner = inner.reason
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def _place(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or "the cloud"
    host = f"[{host}]" if ":" in host else host
    return host if parts.port is None else f"{host}:{parts.port}"
