"""EC2's key pairs, which are an account's in a region."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.rejections import Missing, Rejected
from vcycled.spaces.keypairs import KeyPairs

NOT_FOUND = "InvalidKeyPair.NotFound"
_DUPLICATE = "InvalidKeyPair.Duplicate"


class Ec2KeyPairs(KeyPairs):
    """The key pairs of an account in a region; EC2 takes RSA and ED25519."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api

    def _names(self) -> Iterator[str]:
        filters = [{"Name": "key-name", "Values": ["vcycle-*"]}]
        answer = self._api.call("leftovers", "describe_key_pairs", Filters=filters)
        for each in answer.docs("KeyPairs"):
            yield each.text("KeyName")

    def _make(self, name: str, public_key: str) -> None:
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

    def _delete(self, name: str) -> None:
        with suppress(Missing):
            self._api.call("remove", "delete_key_pair", KeyName=name)
