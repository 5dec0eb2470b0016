"""What a server answered, and why it could not be used, in words without secrets."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import requests

REDIRECTS = 5


class Unusable(Exception):
    """An answer that cannot be used; the text says why."""


def shown(url: str) -> str:
    """Return `url` without what may be secret: user, password, query."""
    scheme, _, rest = url.partition("://")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def check(response: requests.Response) -> None:
    """Check that `response` has status 200 and came by a way that can be trusted, unpacked.

    Raises:
        Unusable: it does not.
    """
    if response.status_code != requests.codes.ok:
        raise Unusable(f"answered {response.status_code} {response.reason}, not 200")
    check_way(response)
    packed = response.headers.get("Content-Encoding", "identity")
    if packed != "identity":
        raise Unusable(f"sent packed ({packed}) although that was not asked for")


def check_way(response: requests.Response) -> None:
    """Check that no redirect led from https to http.

    Raises:
        Unusable: one did.
    """
    was_secure = [each.url.startswith("https:") for each in (*response.history, response)]
    if was_secure != sorted(was_secure):
        raise Unusable("redirects from https to http")


def reason(error: BaseException) -> str:
    """Return why something failed, in words that hold nothing of the URL."""
    if isinstance(error, Unusable):
        return str(error)
    if isinstance(error, requests.TooManyRedirects):
        return f"redirects more than {REDIRECTS} times"
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError) and (said := str(getattr(cause, "reason", "") or "")):
            return f"TLS failed: {said.lower().replace('_', ' ')}"
    reasons = [each.strerror for each in causes if isinstance(each, OSError) and each.strerror]
    if not reasons and isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection ended before the answer did"
    return reasons[-1] if reasons else type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__ or _wrapped(current)


def _wrapped(error: BaseException) -> BaseException | None:
    """Return what urllib3 put into an error that it never raised."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, BaseException) else None
