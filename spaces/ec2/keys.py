"""Key pairs: one for each installation and public key, never one for each machine.

Its name states both: `vcycle-MARK-HASH`, the mark of the installation and a hash of the key
itself; the fingerprints of EC2 depend on how and where a key was made.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress

from vcycled.errors import Refused
from vcycled.spaces.base import Leftover, owner_mark
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.rejections import Missing, Rejected
from vcycled.spaces.ssh_key import key_hash

NOT_FOUND = "InvalidKeyPair.NotFound"
_DUPLICATE = "InvalidKeyPair.Duplicate"
_OURS = re.compile(r"vcycle-([0-9a-f]{12})-([0-9a-f]{16})")


class KeyPairs:
    """The key pairs of an account in a region."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._there: set[str] = set()

    def name_for(self, public_key: str, installation: str) -> str:
        """Return the name of the key pair of this key, which is made if it is not there.

        Raises:
            Refused: it is no public key, or not one that EC2 takes (RSA and ED25519).
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
        filters = [{"Name": "key-name", "Values": ["vcycle-*"]}]
        answer = self._api.call("leftovers", "describe_key_pairs", Filters=filters)
        for each in answer.docs("KeyPairs"):
            name = each.text("KeyName")
            ours = _OURS.fullmatch(name)
            if ours and ours[2] not in hashes and name not in used_names:
                yield Leftover(kind="keypair", id=name, name=name, owner_mark=ours[1])

    def remove(self, name: str) -> None:
        """Delete a key pair; machines made with it keep the key."""
        self.forget(name)
        with suppress(Missing):
            self._api.call("remove", "delete_key_pair", KeyName=name)

    def _make(self, name: str, public_key: str) -> None:
        """Make a key pair unless it is there."""
        try:
            self._api.call("create", "describe_key_pairs", KeyNames=[name])
        except Missing:
            try:
                material = public_key.encode()
                parameters = {"KeyName": name, "PublicKeyMaterial": material}
                self._api.call("create", "import_key_pair", **parameters)
            except Rejected as error:
                if error.code != _DUPLICATE:  # another manager was faster
                    raise


def _is_key(text: str) -> bool:
    try:
        key_hash(text)
    except ValueError:
        return False
    return True
