"""What an answer that is no success means, by the one question that matters: who acts next?

Everything that OpenStack's services answer is translated here and nowhere else; what goes wrong
before there is an answer is translated in `wire`.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.spaces.openstack.faults import lacks_capacity, lacks_quota


class Missing(Refused):
    """The service knows no thing of this name or id."""


class Conflict(Refused):
    """The thing is not in a state in which this can be done."""


class Unsupported(Refused):
    """The service cannot do this at all, as it is set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer with a status of 300 or more."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    asked_as: str
    """Whose credentials were used, as a person knows them."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not be shown, should the answer repeat it."""
    now: int
    """When it came, in Unix seconds."""


MOST_DETAIL = 300
"""How many characters of what a cloud says are kept."""
MOST_PAUSE_S = 3600
"""Longest pause [s] that a cloud may ask for; it will say so again if it means longer."""
_PAUSE_S = 10
"""Pause [s] after a 429 that does not say how long."""

_OVER_LIMIT = re.compile(r"\bover (a |the )?limit\b", re.IGNORECASE)
"""oslo.limit's word, with which Glance and Nova count where Keystone keeps the limits."""
_LONG = re.compile(r"[A-Za-z0-9+/=_-]{60,}")
"""Base64 and tokens: a service that refuses a request may repeat the user_data that was in it."""
_MARKUP = re.compile(r"<(title|style|script).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def of_reply(operation: str, reply: Reply) -> SpaceError:  # noqa: PLR0911 - one for each meaning
    """Return the error that an answer stands for."""
    text = said(reply)
    detail = f"{text or 'no explanation'} ({reply.status})"
    is_quota = lacks_quota(text) or bool(_OVER_LIMIT.search(text))
    match reply.status:
        case 429:
            return Unavailable(operation, detail, retry_after_s=pause_s(reply), is_undone=True)
        case 413 | 503 if pause_s(reply) and not is_quota:
            return Unavailable(operation, detail, retry_after_s=pause_s(reply))
        case 400 | 403 | 409 | 413 if is_quota:
            return QuotaExceeded(operation, detail)
        case 400 | 409 | 500 | 503 if lacks_capacity(text):
            return NoCapacity(operation, detail)
        case 501:
            return Unsupported(operation, detail)
        case status if status == 408 or status >= 500:
            return Unavailable(operation, detail)
        case 409:
            return Conflict(operation, detail)
        case 404 if _names_a_thing(reply):
            return Missing(operation, detail)
        case _:
            return Refused(operation, _refusal(reply, detail))


def _refusal(reply: Reply, detail: str) -> str:
    """Return why an answer means that a person must act."""
    match reply.status:
        case 401:
            return f"{reply.asked_as} is not let in: {detail}"
        case 403:
            return f"{reply.asked_as} may not do this: {detail}"
        case 404:
            return f"there is nothing at {shown(reply.url)}: {detail}"
        case status if status < 400:
            return f"{shown(reply.url)} sends us elsewhere, which is not followed: {detail}"
        case _:
            return detail


def pause_s(reply: Reply) -> int | None:
    """Return for how long [s] the answer asks not to be called; None if it does not."""
    text = next((v for k, v in reply.headers.items() if k.lower() == "retry-after"), "").strip()
    asked = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else _until(text, reply.now)
    if asked is None and reply.status == 429:
        return _PAUSE_S
    return None if asked is None else max(0, min(asked, MOST_PAUSE_S))


def _until(text: str, now: int) -> int | None:
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:  # RFC 9110: the zone is always GMT
        then = then.replace(tzinfo=UTC)
    return int(then.timestamp()) - now


def said(reply: Reply) -> str:
    """Return what the body of an answer says to people, in one line; "" if nothing.

    Each service wraps its sentence in another object; long runs of letters are left out, since
    they may be secrets of the request.
    """
    text = reply.content.decode(errors="replace")
    try:
        read: object = json.loads(text)
    except ValueError:
        sentence = text
    else:
        sentence = _sentence(read) or ""
    words = html.unescape(_MARKUP.sub(" ", sentence))
    for secret in reply.secrets:
        words = words.replace(secret, "********")
    line = " ".join(_LONG.sub("…", words).split())
    return line if len(line) <= MOST_DETAIL else line[: MOST_DETAIL - 1] + "…"


def _sentence(value: object) -> str | None:
    """Return the first message that a JSON value holds at any depth."""
    if isinstance(value, list):
        return next(filter(None, map(_sentence, value)), None)
    if not isinstance(value, dict):
        return None
    for key in ("message", "detail", "title"):
        if isinstance(value.get(key), str) and value[key]:
            return str(value[key])
    return next(filter(None, map(_sentence, value.values())), None)


def _names_a_thing(reply: Reply) -> bool:
    """Return whether a 404 is about what the path names, and not about the path itself.

    A proxy before the cloud that loses its way says 404 as well, and taking that as a proof of
    absence would make a machine twice. Nova, Cinder, Neutron and Keystone wrap their own 404 in
    an object of these names; Glance names the id.
    """
    try:
        read: object = json.loads(reply.content)
    except ValueError:
        read = None
    if isinstance(read, dict) and read.keys() & {"itemNotFound", "NeutronError", "error"}:
        return True
    name = reply.url.partition("?")[0].rstrip("/").rpartition("/")[2]
    return bool(re.search(r"[0-9]", name)) and name in said(reply)


def shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
