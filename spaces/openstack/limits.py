"""The project's quota for machines."""

from __future__ import annotations

from vcycled.model import Limits
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api


def limits_of(api: Api) -> Limits:
    """Return the quota of the project, asked of the cloud; -1 means none, as does no word of it.

    Foreign machines count against it, as they do against ours.
    """
    stated = api.call("limits", "compute", "GET", "/limits").doc("limits").doc("absolute")
    return Limits(
        processors=_limit(stated, "maxTotalCores"),
        machines=_limit(stated, "maxTotalInstances"),
        memory_mb=_limit(stated, "maxTotalRAMSize"),
    )


def _limit(stated: Doc, name: str) -> int | None:
    value = stated.whole(name, -1)
    return value if value >= 0 else None
