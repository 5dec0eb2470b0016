"""Tokens and names that open the admin site, from their files."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from vcycled import files, kvlog
from vcycled.admin.door import Rules
from vcycled.cli.access import words_of
from vcycled.config import ManagerOptions
from vcycled.config.places import admin_token_path
from vcycled.machinedir import hash_of, new_token
from vcycled.model.dn import parse_dn

_LOG = kvlog.get(__name__)
_MODE = 0o600
_LONGEST = 64 * 1024
_SHORTEST_TOKEN = 20
"""A token is no password: nobody thinks it up, and nobody remembers it."""
_HOLDER = "token"
"""Who a token without name is."""


class Keys:
    """Who is known, read again when it changes.

    Args:
        options: of [vcycle].
    """

    def __init__(self, options: ManagerOptions) -> None:
        self.path = admin_token_path(options)
        self._names = {parse_dn(each): each for each in options.admin_dns}
        self._is_behind_proxy = options.admin_behind_proxy
        self._seen: tuple[int, int, int] | None = None
        self._told = ""
        self.rules = self._with({})

    def open(self) -> None:
        """Read the tokens; make one if there is no file.

        Raises:
            OSError: the file cannot be read or made.
            ValueError: it is no plain file, too long, or a line of it is no token.
        """
        _make(self.path)
        self._read()

    def follow(self) -> None:
        """Read the tokens again if they changed; those stay that cannot be read anew."""
        try:
            if _stamp(self.path) != self._seen:
                self._read()
                _LOG.info("admin-tokens-loaded", file=str(self.path))
            self._told = ""
        except (OSError, ValueError) as error:
            if str(error) != self._told:
                self._told = str(error)
                _LOG.error("admin-tokens-unusable", file=str(self.path), error=str(error))

    def _read(self) -> None:
        stamp = _stamp(self.path)
        self.rules = self._with(dict(_holders(self.path.read_text(encoding="utf-8"))))
        self._seen = stamp

    def _with(self, holders: Mapping[str, str]) -> Rules:
        return Rules(holders=holders, names=self._names, is_behind_proxy=self._is_behind_proxy)


def _holders(text: str) -> Iterator[tuple[str, str]]:
    """Yield the hash of each token and the name of its holder.

    Raises:
        ValueError: a line is no token.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if not (words := words_of(line)):
            continue
        token, name = words[0], " ".join(words[1:]) or _HOLDER
        if len(token) < _SHORTEST_TOKEN or not token.isascii() or not name.isprintable():
            raise ValueError(
                f"line {number}: a token must have {_SHORTEST_TOKEN} or more ASCII characters, "
                "such as `openssl rand -hex 32` makes; the name of its holder may follow"
            )
        yield hash_of(token), name


def _stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes with a file of tokens.

    Raises:
        OSError: it cannot be seen.
        ValueError: it can be no such file.
    """
    seen = path.stat()
    if not stat.S_ISREG(seen.st_mode):
        raise ValueError("it is no plain file")  # a pipe would be waited for without end
    if seen.st_size > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST} bytes")
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def _make(path: Path) -> None:
    """Make the file with one token, for its owner alone, unless it is there."""
    if not path.exists():
        files.write(path, f"{new_token()} {_HOLDER}\n", mode=_MODE)
        _LOG.info("admin-token-made", file=str(path))
