"""Instance types: those that can be asked for, and those of instances there are."""

from __future__ import annotations

import threading

from vcycled.errors import Refused
from vcycled.model import Flavor
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.rejections import Rejected, Unsupported

_UNKNOWN_TYPE = "InvalidInstanceType"
_PAGE = 100
"""Most instance types in one answer."""


class InstanceTypes:
    """The instance types of a region, as last listed, and single ones asked for since."""

    def __init__(self, api: Api, options: Ec2Options) -> None:
        self._api = api
        self._patterns = options.instance_patterns
        self._stated = {
            name: Flavor(name=name, processors=processors, memory_mb=memory_mb)
            for name, (processors, memory_mb) in options.instance_sizes.items()
        }
        self._lock = threading.Lock()
        self._known = dict(self._stated)

    def listed(self) -> tuple[Flavor, ...]:
        """Return every instance type that can be asked for, asked of the cloud.

        Raises:
            Refused: the endpoint does not tell, and their sizes are not among the options.
        """
        found = dict(self._stated)
        if self._patterns or not self._stated:
            found |= self._asked_for()
        with self._lock:
            self._known |= found
        return tuple(found.values())

    def _asked_for(self) -> dict[str, Flavor]:
        parameters: dict[str, object] = {"MaxResults": _PAGE}
        if self._patterns:
            values = list(self._patterns)
            parameters["Filters"] = [{"Name": "instance-type", "Values": values}]
        try:
            pages = list(self._api.pages("flavors", "describe_instance_types", **parameters))
        except Unsupported as error:
            detail = "the endpoint does not tell sizes: set instance_types = NAME:PROCESSORS:MB"
            raise Refused("flavors", f"{detail} ({error.detail})") from error
        found = [_flavor(each) for page in pages for each in page.docs("InstanceTypes")]
        return {each.name: each for each in found if each.processors}

    def of_instance(self, instance: Doc) -> Flavor:
        """Return the instance type of an instance, which is asked for if it is not known yet.

        One that cannot be known has the processors that the instance shows, at least one.
        """
        name = instance.text("InstanceType")
        with self._lock:
            known = self._known.get(name)
        if known is None:
            known = self._look_up(name) or _shown(name, instance)
            with self._lock:
                self._known[name] = known
        return known

    def _look_up(self, name: str) -> Flavor | None:
        try:
            page = self._api.call("machines", "describe_instance_types", InstanceTypes=[name])
        except Rejected as error:
            if isinstance(error, Unsupported) or error.code.startswith(_UNKNOWN_TYPE):
                return None
            raise
        return next((_flavor(each) for each in page.docs("InstanceTypes")), None)


def _flavor(shown: Doc) -> Flavor:
    return Flavor(
        name=shown.id("InstanceType"),
        processors=shown.doc("VCpuInfo").whole("DefaultVCpus"),
        memory_mb=shown.doc("MemoryInfo").whole("SizeInMiB"),
    )


def _shown(name: str, instance: Doc) -> Flavor:
    cpus = instance.doc("CpuOptions")
    processors = cpus.whole("CoreCount") * max(1, cpus.whole("ThreadsPerCore"))
    return Flavor(name=name, processors=max(1, processors), memory_mb=0)
