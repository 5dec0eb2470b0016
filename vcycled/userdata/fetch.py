"""Fetching a template by http(s), from a server that may be slow, endless or broken."""

from __future__ import annotations

import requests
from urllib3.exceptions import HTTPError

from vcycled.download import Patience, Unusable, Watch, check, reason, session, shown
from vcycled.errors import UserDataError

MOST_BYTES = 2**20
"""Ten times what the most generous cloud takes as user_data."""
_CHUNK = 2**16

PATIENCE = Patience(connect_s=10.0, read_s=10.0, total_s=30.0)


def fetch(url: str, patience: Patience, *, option: str = "user_data") -> bytes:
    """Return what `url` gives with status 200; certificates are verified.

    Args:
        url: to get.
        patience: how long to wait.
        option: that names the URL, for messages.

    Raises:
        UserDataError: any other answer, none in time, or one of more than 1 MiB. The cause is
            not chained: its text could hold secrets of the URL.
    """
    watch = Watch(patience.total_s)
    why = ""
    content = b""
    try:
        with watch, session(watch) as connections:
            content = _get(connections, url, patience)
    except requests.Timeout:
        why = f"no answer within {patience.read_s:g} s"
    except (Unusable, OSError, ValueError, HTTPError) as error:
        # requests lets some of urllib3's through
        why = reason(error)
    if watch.is_over:
        why = f"took longer than {patience.total_s:g} s"
    if why:
        raise UserDataError(f"{option}: {shown(url)}: {why}")
    return content


def _get(connections: requests.Session, url: str, patience: Patience) -> bytes:
    timeout = (patience.connect_s, patience.read_s)
    content = bytearray()
    with connections.get(url, stream=True, timeout=timeout) as response:
        check(response)
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > MOST_BYTES:
                raise Unusable(f"longer than {MOST_BYTES} bytes")
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) != len(content):
        raise Unusable(f"only {len(content)} of {declared} bytes arrived")
    return bytes(content)
