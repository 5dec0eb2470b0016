"""Which networks a machine is attached to.

Those of the options, named or by id. Without any the cloud gives one (`auto`): the project's only
network, or one it makes. A project with none and a cloud that makes none leaves `none`: machines
without network, which is said as a notice; with several a person must choose.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from vcycled.clock import Clock
from vcycled.errors import Refused, SpaceError
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.paging import pages

NONE_SECONDS = 3600
"""After so long without a network the cloud is asked for one again."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_IS_AMBIGUOUS = "multiple possible networks"
_IS_IMPOSSIBLE = "unable to automatically allocate a network"


class Networks:
    """The networks of one space's machines.

    Args:
        api: to ask Neutron with.
        configured: names or ids, the preferred one first.
        clock: for how long an answer holds.
    """

    def __init__(self, api: Api, configured: Sequence[str], *, clock: Clock) -> None:
        self._api = api
        self._configured = tuple(configured)
        self._clock = clock
        self._ids: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._none_until: float | None = None

    def wanted(self) -> str | list[dict[str, str]]:
        """Return what a create passes as `networks`, since microversion 2.37.

        Raises:
            Refused: there is no network of a name, or there are several.
        """
        if self._configured:
            return [{"uuid": self._id_of(each)} for each in self._configured]
        return "none" if self._is_without() else "auto"

    def preferred_names(self) -> tuple[str, ...]:
        """Return the names of the configured networks, as servers show them.

        Only the choice among addresses of machines with several networks hangs on it, so a cloud
        that does not tell now is asked again next time.
        """
        for each in self._configured:
            if _UUID.fullmatch(each) and each not in self._names and self._api.has("network"):
                try:
                    found = self._look_up("machines", {"id": each})
                except SpaceError:
                    break
                self._names[each] = found[0].text("name") if found else each
        return tuple(self._names.get(each, each) for each in self._configured)

    def heed(self, error: SpaceError) -> bool:
        """Learn from what a create with `auto` was refused for; return whether to ask once more.

        Raises:
            Refused: the project has several networks; it names them.
        """
        detail = error.detail.lower()
        if self._configured:
            if "network" in detail:  # one may have been made anew under its name
                self._ids.clear()
            return False
        if _IS_AMBIGUOUS in detail:
            raise Refused("create", self._say_which()) from error
        if _IS_IMPOSSIBLE not in detail:
            return False
        self._none_until = self._clock.monotonic() + NONE_SECONDS
        return True

    def notices(self) -> tuple[str, ...]:
        """Return what a person should know."""
        if not self._is_without():
            return ()
        return ("the project has no network and gets none: machines are made without",)

    def _is_without(self) -> bool:
        return self._none_until is not None and self._clock.monotonic() < self._none_until

    def _id_of(self, network: str) -> str:
        if _UUID.fullmatch(network):
            return network
        if network not in self._ids:
            found = [each.text("id") for each in self._look_up("create", {"name": network})]
            if len(found) != 1:
                what = f"{len(found)} networks ({', '.join(found)})" if found else "no network"
                raise Refused("create", f"the cloud has {what} called {network}")
            self._ids[network] = found[0]
        return self._ids[network]

    def _say_which(self) -> str:
        problem = "the project has several networks; set network_uuid or networks to one"
        if not self._api.has("network"):
            return problem
        found = self._look_up("create", {})
        return f"{problem}: " + ", ".join(
            f"{each.text('name')} ({each.text('id')})" for each in found
        )

    def _look_up(self, operation: str, params: Mapping[str, str]) -> list[Doc]:
        path = "/networks"
        found = pages(self._api, operation, "network", path, "networks", params=params)
        return [each for page in found for each in page]
