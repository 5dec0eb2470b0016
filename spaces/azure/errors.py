"""What the SDK's errors mean, in one place: who acts next?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
)
from requests.exceptions import SSLError
from urllib3.exceptions import NewConnectionError

from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.spaces.azure.faults import lacks_capacity, lacks_quota
from vcycled.spaces.azure.wire import PAUSE_S, pause_s

MOST_DETAIL = 300
"""How many characters of what Azure says are kept."""

_BUSY_CODES = frozenset(
    {"anotheroperationinprogress", "conflict", "operationpreempted", "retryableerror"}
)
"""409: something else is being done to the thing; later this may be done."""
_TOKEN_CODES = frozenset(
    {"authenticationfailed", "expiredauthenticationtoken", "invalidauthenticationtoken"}
)
"""401: a token that was good has ended or was revoked."""
_LONG = re.compile(r"[A-Za-z0-9+/=_%-]{80,}")
"""Base64, tokens and links to forms: Azure may repeat what was in a request."""


class Missing(Refused):
    """There is no resource of this id; its group and subscription are there."""


class Exists(Refused):
    """There is a resource of this name, and it was not to be changed."""


class Expired(Unavailable):
    """The token is not good any more; with a new one it may go."""


def of_error(operation: str, error: AzureError) -> SpaceError:
    """Return the error that one of the SDK's stands for."""
    match error:
        case IncompleteReadError():
            return Unavailable(operation, "the connection was cut before the whole answer")
        case DecodeError():
            return Unavailable(operation, "an answer is not what its headers say")
        case HttpResponseError() if error.response is not None:
            return _of_answer(operation, error)
        case ServiceRequestTimeoutError():
            return Unavailable(operation, "no connection in time", is_undone=True)
        case ServiceRequestError() | ServiceResponseError():
            return _of_wire(operation, error)
        case _:
            return Unavailable(operation, f"no answer that can be read ({type(error).__name__})")


def of_login(error: AzureError) -> SpaceError:
    """Return what it means that there is no token; the SDK wraps all that goes wrong."""
    cause = error.__cause__
    if isinstance(cause, SpaceError):
        return cause
    wire = error if isinstance(error, ServiceRequestError | ServiceResponseError) else cause
    if isinstance(wire, AzureError):
        found = of_error("connect", wire)
        if isinstance(found, Unavailable):  # whatever was to follow the login was not sent
            detail = f"no login: {found.detail}"
            return Unavailable(found.operation, detail, is_undone=True)
        return found
    return Refused("connect", f"the login failed: {_shortened(error.message)}")


def _of_answer(operation: str, error: HttpResponseError) -> SpaceError:  # noqa: PLR0911 - one for each meaning
    code, text = said(error)
    status = error.status_code or 0
    retry_after_s = pause_s(getattr(error.response, "headers", {}))
    detail = (
        f"{_shortened(text) or 'no explanation'} ({' '.join(filter(None, (str(status), code)))})"
    )
    match status, code.lower():
        case 429, _:
            return Unavailable(
                operation, detail, retry_after_s=retry_after_s or PAUSE_S, is_undone=True
            )
        case 412, _:
            return Exists(operation, detail)
        case 404, "resourcenotfound" | "notfound":
            return Missing(operation, detail)
        case 401, known if known in _TOKEN_CODES:
            return Expired(operation, detail, is_undone=True)
        case 409, known if known in _BUSY_CODES:
            return Unavailable(operation, detail)
        case known, _ if known == 408 or known >= 500:
            return Unavailable(operation, detail, retry_after_s=retry_after_s)
    if lacks_capacity(code, text):
        return NoCapacity(operation, detail)
    if lacks_quota(code, text):
        return QuotaExceeded(operation, detail)
    return Refused(operation, detail)


def said(error: HttpResponseError) -> tuple[str, str]:
    """Return code and sentence of an answer; both "" if it has none.

    The innermost detail is the one that says what is wrong; around it stand general ones.
    """
    found = error.error
    while found is not None and found.details:
        found = found.details[0]
    if found is None:
        return "", ""
    return found.code or "", found.message or ""


def _of_wire(operation: str, error: AzureError) -> SpaceError:
    """Return what it means that there was no answer."""
    causes = tuple(_chain(error.inner_exception))
    if any("CERTIFICATE_VERIFY_FAILED" in str(each) for each in causes):
        return Refused(operation, "the certificate of Azure is not trusted; see ca_file")
    if any(isinstance(each, SSLError) for each in causes):
        return Unavailable(operation, "no TLS connection")
    never = any(isinstance(each, NewConnectionError) for each in causes)
    detail = "no connection" if never else "no answer, or not the whole one"
    return Unavailable(operation, detail, is_undone=never)


def _chain(error: object) -> Iterator[BaseException]:
    """Return an error and those it was made of."""
    while isinstance(error, BaseException):
        yield error
        inner = error.args[0] if error.args else None
        inner = getattr(inner, "reason", inner)
        error = inner if isinstance(inner, BaseException) else error.__context__


def _shortened(text: str) -> str:
    line = " ".join(_LONG.sub("…", text).split())
    return line if len(line) <= MOST_DETAIL else line[: MOST_DETAIL - 1] + "…"
