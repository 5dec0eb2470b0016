"""Key pairs: one for each installation and public key, never one for each machine.

A key pair can bear no tags on most clouds, so its name states whose it is: `vcycle-MARK-HASH`, the
mark of the installation and a hash of the key itself. What a person wrote behind the key does not
matter, and the fingerprints of clouds, each reckoned in its own way, are not asked for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator

from vcycled.errors import Refused
from vcycled.spaces.base import Leftover, owner_mark

_OURS = re.compile(r"vcycle-([0-9a-f]{12})-([0-9a-f]{16})")


class KeyPairs(ABC):
    """The key pairs of one account; a cloud adds how they are listed, made and deleted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: set[str] = set()

    def name_for(self, public_key: str, installation: str) -> str:
        """Return the name of the key pair of this key, which is made if it is not there.

        Raises:
            Refused: it is no public key, or not one that the cloud takes.
        """
        try:
            name = f"vcycle-{owner_mark(installation)}-{key_hash(public_key)}"
        except ValueError as error:
            detail = f"root_public_key is no OpenSSH public key: {error}"
            raise Refused("create", detail) from None
        with self._lock:  # machines that are made side by side want it at the same time
            if name not in self._there:
                self._make(name, public_key.strip())
                self._there.add(name)
        return name

    def forget(self, name: str) -> None:
        """Look for this key pair again before it is used again: it was deleted."""
        with self._lock:
            self._there.discard(name)

    def leftovers(
        self, public_keys: Collection[str], used_names: Collection[str]
    ) -> Iterator[Leftover]:
        """Yield those that are named as ours, of keys not among `public_keys`, used by none."""
        hashes = {key_hash(each) for each in public_keys if _is_key(each)}
        for name in self._names():
            ours = _OURS.fullmatch(name)
            if ours and ours[2] not in hashes and name not in used_names:
                yield Leftover(kind="keypair", id=name, name=name, owner_mark=ours[1])

    def remove(self, name: str) -> None:
        """Delete a key pair; machines made with it keep the key."""
        self.forget(name)
        self._delete(name)

    @abstractmethod
    def _names(self) -> Iterable[str]:
        """Return the names of all, or at least of those that begin with `vcycle-`."""

    @abstractmethod
    def _make(self, name: str, public_key: str) -> None:
        """Make a key pair unless it is there."""

    @abstractmethod
    def _delete(self, name: str) -> None:
        """Delete a key pair; one that is gone already is fine."""


def key_hash(public_key: str) -> str:
    """Return 16 hex digits that stand for an OpenSSH public key of whatever type.

    Raises:
        ValueError: it is none.
    """
    kind, _, rest = public_key.strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split(maxsplit=1)[0], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("not TYPE BASE64 [COMMENT]") from None
    # RFC 4253, 6.6: the key begins with its own type, as text behind its length.
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        raise ValueError(f"not a key of type {kind}")
    return hashlib.sha256(blob).hexdigest()[:16]


def _is_key(text: str) -> bool:
    try:
        key_hash(text)
    except ValueError:
        return False
    return True
