"""How the vcycle-admin of another host is reached, and what is shown to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from vcycled.config.admin_door import is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What was said of it."""

    url: str
    """Without path."""
    token: str = field(default="", repr=False)
    cert: Path | None = None
    key: Path | None = None
    """None if it stands in `cert` too."""
    ca: Path | None = None
    """Whose certificate it has; None for those that this host trusts."""


def checked_url(text: str) -> str:
    """Return a URL without its last slash.

    Raises:
        ValueError: it is none, or what is sent to it could be read on its way.
    """
    parts = urlsplit(text)
    is_plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    has_more = parts.query or parts.fragment or "@" in parts.netloc
    is_bare = parts.path in {"", "/"} and not has_more
    if not parts.hostname or not is_bare or not (parts.scheme == "https" or is_plain):
        raise ValueError(
            f"{text!r} must be https://HOST:PORT, or http://localhost:PORT on the same host"
        )
    return f"{parts.scheme}://{parts.netloc}"


def token_in(text: str) -> str:
    """Return the first token in the text of an admin_token_file.

    Raises:
        ValueError: there is none, or it cannot be sent.
    """
    for line in text.splitlines():
        if words := words_of(line):
            if not (words[0].isascii() and words[0].isprintable()):
                raise ValueError("a token must be of printable ASCII characters")
            return words[0]
    raise ValueError("there is no token in it")


def words_of(line: str) -> list[str]:
    """Return a token and the name of its holder; nothing of an empty line or a comment."""
    return [] if line.lstrip().startswith("#") else line.split()
