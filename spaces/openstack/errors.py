"""What an answer that is no success means, by the one question that matters: who acts next?

Everything that OpenStack's services answer is translated here and nowhere else; what goes wrong
before there is an answer is translated in `wire`.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable


class Missing(Refused):
    """The service knows no thing of this name or id."""


class Conflict(Refused):
    """The thing is not in a state in which this can be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer with a status of 300 or more."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str
    asked_as: str
    """Whose credentials were used, as a person knows them."""
    now: int
    """When it came, in Unix seconds."""


MOST_DETAIL = 300
"""How many characters of what a cloud says are kept."""
MOST_PAUSE_S = 3600
"""Longest pause [s] that a cloud may ask for; it will say so again if it means longer."""
_PAUSE_S = 10
"""Pause [s] after a 429 that does not say how long."""

# The sentences of Nova, Neutron, Cinder and Glance; none of them has a code of its own.
_QUOTA = re.compile(
    r"\bquotas?\b|overquota|maximum number of .{1,60} exceeded|limit exceeded|over ?limit"
    r"|exceeds? .{0,40}\b(allowed|limit)\b",
    re.IGNORECASE,
)
_ROOM = re.compile(
    r"no valid host|not enough hosts|no more (fixed |floating )?ip|no more addresses"
    r"|ip ?address generation|no suitable host"
    r"|insufficient (?!privilege|permission|right|scope|role|auth)",
    re.IGNORECASE,
)
_LONG = re.compile(r"[A-Za-z0-9+/=_-]{60,}")
"""Base64 and tokens: a service that refuses a request may repeat the user_data that was in it."""
_MARKUP = re.compile(r"<(title|style|script).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def lacks_quota(text: str) -> bool:
    """Return whether a sentence of the cloud says that a quota is used up."""
    return bool(_QUOTA.search(text))


def lacks_room(text: str) -> bool:
    """Return whether a sentence of the cloud says that it has no room, or no address, left."""
    return bool(_ROOM.search(text))


def of_reply(operation: str, reply: Reply) -> SpaceError:
    """Return the error that an answer stands for."""
    text = said(reply.content)
    detail = f"{text or 'no explanation'} ({reply.status})"
    status = reply.status
    if status == 429 or (status in {413, 503} and pause_s(reply) and not lacks_quota(text)):
        return Unavailable(
            operation, detail, retry_after_s=pause_s(reply), is_undone=status == 429
        )
    if 400 <= status < 500 and status not in {401, 404} and lacks_quota(text):
        return QuotaExceeded(operation, detail)
    if status != 403 and status >= 400 and lacks_room(text):
        return NoCapacity(operation, detail)
    return _plain(operation, reply, detail)


def _plain(operation: str, reply: Reply, detail: str) -> SpaceError:
    """Return the error that the status alone stands for."""
    match reply.status:
        case 401:
            return Refused(operation, f"{reply.asked_as} is not let in: {detail}")
        case 403:
            return Refused(operation, f"{reply.asked_as} may not do this: {detail}")
        case 404 if _names_a_thing(reply):
            return Missing(operation, detail)
        case 404:
            return Refused(operation, f"there is nothing at {shown(reply.url)}: {detail}")
        case 409:
            return Conflict(operation, detail)
        case 408:
            return Unavailable(operation, detail)
        case status if status >= 500:
            return Unavailable(operation, detail)
        case status if status < 400:
            message = f"{shown(reply.url)} sends us elsewhere, which is not followed: {detail}"
            return Refused(operation, message)
        case _:
            return Refused(operation, detail)


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


def said(content: bytes) -> str:
    """Return what the body of an answer says to people, in one line; "" if nothing.

    Each service wraps its sentence in another object; long runs of letters are left out, since
    they may be secrets of the request.
    """
    text = content.decode(errors="replace")
    try:
        read: object = json.loads(text)
    except ValueError:
        sentence = text
    else:
        sentence = _sentence(read) or ""
    words = html.unescape(_MARKUP.sub(" ", sentence))
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
    return bool(re.search(r"[0-9]", name)) and name in said(reply.content)


def shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
