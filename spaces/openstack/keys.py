"""Nova's key pairs, which are the user's whom we log in as, in all projects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from vcycled.spaces.keypairs import KeyPairs
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.errors import Conflict, Missing
from vcycled.spaces.openstack.paging import pages


class NovaKeyPairs(KeyPairs):
    """The key pairs of the user whom we log in as."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api

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

    def _delete(self, name: str) -> None:
        with suppress(Missing):
            self._api.call("remove", "compute", "DELETE", f"/os-keypairs/{name}")
