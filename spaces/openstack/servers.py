"""Nova's servers: make one, find one, delete one, read its console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from urllib.parse import quote

from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.errors import Conflict, Missing, Unsupported
from vcycled.spaces.openstack.paging import Drift, pages

CONSOLE_LINES = 50


class Servers:
    """The servers of one project, call by call."""

    def __init__(self, api: Api, page_size: int) -> None:
        self._api = api
        self._page_size = page_size

    def listed(self) -> Iterator[list[Doc]]:
        """Yield every server of the project, page by page.

        Raises:
            Unavailable: the listing may be incomplete.
        """
        yield from pages(
            self._api,
            "machines",
            "compute",
            "/servers/detail",
            "servers",
            params={"limit": self._page_size},
            drift=Drift(is_adrift=_is_unplaced, shown=partial(self.shown, "machines")),
        )

    def shown(self, operation: str, server_id: str) -> Doc | None:
        """Return a server as it is now; None if there is none of this id."""
        try:
            return self._api.call(operation, "compute", "GET", _path(server_id)).doc("server")
        except Missing:
            return None

    def named(self, operation: str, name: str) -> list[Doc]:
        """Return the servers of exactly this name, as they are now.

        Nova takes the filter for a regular expression and its database may ignore case.
        """
        params = {"name": f"^{name}$"}
        found = pages(self._api, operation, "compute", "/servers/detail", "servers", params=params)
        return [each for page in found for each in page if each.text("name", "") == name]

    def make(self, body: dict[str, object], microversion: str = "") -> str:
        """Ask for a server and return its id.

        Args:
            body: what stands under `server`.
            microversion: if it takes a newer one than is spoken.
        """
        headers = {"OpenStack-API-Version": f"compute {microversion}"} if microversion else {}
        answer = self._api.call(
            "create", "compute", "POST", "/servers", json={"server": body}, headers=headers
        )
        return answer.doc("server").text("id")

    def delete(self, server_id: str) -> None:
        """Ask for a server to be deleted; one that is gone already is fine."""
        with suppress(Missing):
            self._api.call("delete", "compute", "DELETE", _path(server_id))

    def force_delete(self, server_id: str) -> None:
        """Ask for the end of a server that the cloud keeps though it was deleted."""
        with suppress(Missing):
            self._act("delete", server_id, {"forceDelete": None})

    def console(self, server_id: str) -> str:
        """Return the last lines of a server's console; "" if it or the cloud has none."""
        try:
            answer = self._act(
                "console", server_id, {"os-getConsoleOutput": {"length": CONSOLE_LINES}}
            )
        except (Missing, Conflict, Unsupported):
            return ""
        return "\n".join(answer.text("output", "").splitlines()[-CONSOLE_LINES:])

    def _act(self, operation: str, server_id: str, body: dict[str, object]) -> Doc:
        path = f"{_path(server_id)}/action"
        return self._api.call(operation, "compute", "POST", path, json=body)


def _is_unplaced(server: Doc) -> bool:
    """Return whether Nova has still to find a host for a server, and a cell to list it in."""
    return server.text("OS-EXT-STS:task_state", "") == "scheduling"


def _path(server_id: str) -> str:
    return f"/servers/{quote(server_id, safe='')}"
