"""Key pairs of the user."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import md5

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from tests.fakes.openstack.messages import Json, Rejected, Reply, Request, Route, as_json
from tests.fakes.openstack.settings import Settings


class Keys:
    """A part of Nova."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.by_name: dict[str, Json] = {}
        self.made: list[str] = []
        """Name of every one that was ever made."""

    def routes(self) -> Iterable[Route]:
        """Return what can be done with key pairs."""
        yield Route("keypairs", "GET", r"/v2\.1/os-keypairs", self._list)
        yield Route("keypair", "GET", r"/v2\.1/os-keypairs/([^/]+)", self._show)
        yield Route("make_keypair", "POST", r"/v2\.1/os-keypairs", self._make)
        yield Route("remove_keypair", "DELETE", r"/v2\.1/os-keypairs/([^/]+)", self._remove)

    def _list(self, request: Request) -> Reply:
        """Return all of them, or a page from version 2.35 on, when `marker` and `limit` came."""
        names = sorted(self.by_name)
        marker = request.query.get("marker", "")
        if marker and marker not in names:
            raise Rejected(400, f"marker [{marker}] not found")
        left = [name for name in names if name > marker]
        most = self._settings.max_limit
        limit = min(request.number("limit", most), most)
        shown = left[:limit]
        body: Json = {"keypairs": [{"keypair": self.by_name[name]} for name in shown]}
        if shown and len(shown) == limit:
            href = f"{request.base}{request.path}?marker={shown[-1]}"
            body["keypairs_links"] = [{"rel": "next", "href": href}]
        return as_json(body)

    def _show(self, _request: Request, name: str) -> Reply:
        self._check(name)
        return as_json({"keypair": {**self.by_name[name], "deleted": False, "id": 1}})

    def _make(self, request: Request) -> Reply:
        asked = request.json().get("keypair", {})
        name, text = str(asked.get("name", "")), str(asked.get("public_key", ""))
        if not re.fullmatch(r"[A-Za-z0-9_ -]{1,255}", name):
            raise Rejected(
                400,
                "Keypair data is invalid: Keypair name contains unsafe characters",
            )
        try:
            load_ssh_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Rejected(
                400, "Keypair data is invalid: failed to generate fingerprint"
            ) from error
        if name in self.by_name:
            raise Rejected(409, f"Key pair '{name}' already exists.")
        if 0 <= self._settings.quota.key_pairs <= len(self.by_name):
            raise Rejected(403, "Maximum number of key pairs exceeded")
        raw = md5(text.split()[1].encode(), usedforsecurity=False).hexdigest()
        fingerprint = ":".join(raw[at : at + 2] for at in range(0, 32, 2))
        self.by_name[name] = {"name": name, "public_key": text, "fingerprint": fingerprint}
        self.made.append(name)
        return as_json({"keypair": {**self.by_name[name], "user_id": "u"}})

    def _remove(self, _request: Request, name: str) -> Reply:
        self._check(name)
        del self.by_name[name]
        return Reply(status=202)

    def _check(self, name: str) -> None:
        if name not in self.by_name:
            raise Rejected(404, f"Keypair {name} not found for user")
