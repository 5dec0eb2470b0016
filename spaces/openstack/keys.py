"""Key pairs: one for each installation and public key, never one for each machine.

Its name states both, since a key pair can bear no tags: `vcycle-MARK-HASH`, the mark of the
installation and a hash of the key itself. What a person wrote behind the key does not matter, and
the fingerprints of clouds, each reckoned in its own way, are not asked for.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

from vcycled.errors import Refused
from vcycled.spaces.base import Leftover, owner_mark
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.errors import Conflict, Missing
from vcycled.spaces.openstack.paging import pages
from vcycled.spaces.ssh_key import key_hash

_OURS = re.compile(r"vcycle-([0-9a-f]{12})-([0-9a-f]{16})")


class KeyPairs:
    """The key pairs of the user whom we log in as."""

    def __init__(self, api: Api) -> None:
        self._api = api
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
    ) -> Iterable[Leftover]:
        """Return those that are named as ours, of keys not among `public_keys`, used by none."""
        hashes = {key_hash(each) for each in public_keys if _is_key(each)}
        for name in self._names():
            ours = _OURS.fullmatch(name)
            if ours and ours[2] not in hashes and name not in used_names:
                yield Leftover(kind="keypair", id=name, name=name, owner_mark=ours[1])

    def remove(self, name: str) -> None:
        """Delete a key pair; servers made with it keep the key."""
        self.forget(name)
        with suppress(Missing):
            self._api.call("remove", "compute", "DELETE", f"/os-keypairs/{name}")

    def _names(self) -> Iterator[str]:
        """Yield the names of the user's key pairs, which are what tells them apart."""

        def name_of(member: Doc) -> str:
            return member.doc("keypair").text("name")

        path = "/os-keypairs"
        for page in pages(self._api, "leftovers", "compute", path, "keypairs", id_of=name_of):
            yield from map(name_of, page)

    def _make(self, name: str, public_key: str) -> None:
        """Make a key pair unless it is there.

        It is looked for first: a user with as many key pairs as the quota allows is told so even
        if this one exists.
        """
        try:
            self._api.call("create", "compute", "GET", f"/os-keypairs/{name}")
        except Missing:
            body = {"keypair": {"name": name, "public_key": public_key}}
            with suppress(Conflict):  # another manager was faster
                self._api.call("create", "compute", "POST", "/os-keypairs", json=body)


def _is_key(text: str) -> bool:
    try:
        key_hash(text)
    except ValueError:
        return False
    return True
