"""The sizes of machines that the cloud offers, and those of machines there are."""

from __future__ import annotations

from urllib.parse import quote

from vcycled.errors import Refused
from vcycled.model import Flavor
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api
from vcycled.spaces.openstack.errors import Missing
from vcycled.spaces.openstack.paging import pages

GONE = Flavor(name="", processors=1, memory_mb=0)
"""Stands for a flavor that the cloud has forgotten, of which a machine is left: the least it
can have."""


class Flavors:
    """The flavors of a project, as last listed, and single ones asked for since."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._by_id: dict[str, Flavor] = {}
        self._ids: dict[str, str] = {}

    def listed(self) -> tuple[Flavor, ...]:
        """Return every flavor that can be asked for, asked of the cloud."""
        found: dict[str, Flavor] = {}
        for page in pages(self._api, "flavors", "compute", "/flavors/detail", "flavors"):
            found |= {each.text("id"): _flavor(each) for each in page if _is_offered(each)}
        self._ids = {flavor.name: flavor_id for flavor_id, flavor in found.items()}
        self._by_id = {**self._by_id, **found}
        return tuple(found.values())

    def id_of(self, name: str) -> str:
        """Return the id under which a flavor is asked for.

        Raises:
            Refused: there is none of this name, also after another look.
        """
        if name not in self._ids:
            self.listed()
        try:
            return self._ids[name]
        except KeyError:
            raise Refused("create", f"the cloud has no flavor {name}") from None

    def of_server(self, embedded: Doc) -> Flavor:
        """Return the flavor that a server shows.

        Since microversion 2.47 it shows what it was made with, whatever became of the flavor;
        before, the id of the flavor, which is asked for if it is not among the listed.
        """
        if "vcpus" in embedded:
            return Flavor(
                name=embedded.text("original_name", ""),
                processors=embedded.whole("vcpus"),
                memory_mb=embedded.whole("ram", 0),
            )
        flavor_id = embedded.text("id")
        if flavor_id not in self._by_id:
            self._by_id[flavor_id] = self._asked_for(flavor_id)
        return self._by_id[flavor_id]

    def _asked_for(self, flavor_id: str) -> Flavor:
        path = f"/flavors/{quote(flavor_id, safe='')}"
        try:
            return _flavor(self._api.call("machines", "compute", "GET", path).doc("flavor"))
        except Missing:
            return GONE


def _flavor(shown: Doc) -> Flavor:
    return Flavor(
        name=shown.text("name"), processors=shown.whole("vcpus"), memory_mb=shown.whole("ram", 0)
    )


def _is_offered(shown: Doc) -> bool:
    """Return False for one that administrators disabled, or that has no size to reckon with."""
    return not shown.flag("OS-FLV-DISABLED:disabled", False) and shown.whole("vcpus") > 0
