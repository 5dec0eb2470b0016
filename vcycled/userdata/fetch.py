"""Fetching a template by http(s), from a server that may be slow, endless or broken."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import requests
from urllib3.exceptions import HTTPError

from vcycled import __version__
from vcycled.errors import UserDataError
from vcycled.userdata.watch import Watch, WatchedAdapter

MOST_BYTES = 2**20
"""Ten times what the most generous cloud takes as user_data."""
_CHUNK = 2**16
_REDIRECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a server, in seconds."""

    connect_s: float
    read_s: float
    """For each part of the answer."""
    total_s: float


PATIENCE = Patience(connect_s=10.0, read_s=10.0, total_s=30.0)


class _Unusable(Exception):
    """An answer that is no template; the text says why."""


def shown(url: str) -> str:
    """Return `url` without what may be secret: user, password, query."""
    scheme, _, rest = url.partition("://")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def fetch(url: str, patience: Patience) -> bytes:
    """Return what `url` gives with status 200; certificates are verified.

    Raises:
        UserDataError: any other answer, none in time, or one of more than 1 MiB. The cause is
            not chained: its text could hold secrets of the URL.
    """
    watch = Watch(patience.total_s)
    why = ""
    content = b""
    try:
        with watch, _session(watch) as session:
            content = _get(session, url, patience)
    except requests.Timeout:
        why = f"no answer within {patience.read_s:g} s"
    except _Unusable as error:
        why = str(error)
    except (OSError, ValueError, HTTPError) as error:  # requests lets some of urllib3's through
        why = _why(error)
    if watch.is_over:
        why = f"took longer than {patience.total_s:g} s"
    if why:
        raise UserDataError(f"user_data: {shown(url)}: {why}")
    return content


def _session(watch: Watch) -> requests.Session:
    session = requests.Session()
    session.max_redirects = _REDIRECTS
    session.headers["User-Agent"] = f"Vcycle {__version__}"
    # What is sent packed could be far longer than what arrives.
    session.headers["Accept-Encoding"] = "identity"
    session.mount("https://", WatchedAdapter(watch))
    session.mount("http://", WatchedAdapter(watch))
    return session


def _get(session: requests.Session, url: str, patience: Patience) -> bytes:
    timeout = (patience.connect_s, patience.read_s)
    content = bytearray()
    with session.get(url, stream=True, timeout=timeout) as response:
        _check(response)
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > MOST_BYTES:
                raise _Unusable(f"longer than {MOST_BYTES} bytes")
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) != len(content):
        raise _Unusable(f"only {len(content)} of {declared} bytes arrived")
    return bytes(content)


def _check(response: requests.Response) -> None:
    if response.status_code != requests.codes.ok:
        raise _Unusable(f"answered {response.status_code} {response.reason}, not 200")
    was_secure = [each.url.startswith("https:") for each in (*response.history, response)]
    if was_secure != sorted(was_secure):
        raise _Unusable("redirects from https to http")
    packed = response.headers.get("Content-Encoding", "identity")
    if packed != "identity":
        raise _Unusable(f"sent packed ({packed}) although that was not asked for")


def _why(error: BaseException) -> str:
    """Return the reason in words that hold nothing of the URL."""
    if isinstance(error, requests.TooManyRedirects):
        return f"redirects more than {_REDIRECTS} times"
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}"
    reasons = [each.strerror for each in causes if isinstance(each, OSError) and each.strerror]
    return reasons[-1] if reasons else type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__
